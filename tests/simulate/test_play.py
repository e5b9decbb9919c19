"""One rollout in virtual time: the decision's own weights, times and reasons."""

from __future__ import annotations

import pytest

from canary.core.plan import Stage
from canary.core.window import Reading
from canary.simulate.play import Outcome, play
from tests.simulate.rollouts import failing, make_plan, make_source


def test_a_healthy_release_passes_every_step_and_is_promoted() -> None:
    played = play(make_plan(), make_source(), horizon=3600.0)
    assert played.outcome is Outcome.PROMOTED
    weights = [(move.at, move.weight) for move in played.moves]
    assert weights == [(0.0, 0), (0.0, 0), (30.0, 5), (90.0, 50), (150.0, 100), (170.0, 100)]
    assert (played.seconds, played.failed, played.delay()) == (170.0, 0.0, None)


def test_a_bad_release_is_rolled_back_and_its_cost_is_known() -> None:
    played = play(make_plan(), make_source(0.2), horizon=3600.0)
    assert (played.outcome, played.reason) == (Outcome.ROLLED_BACK, "CheckFailed")
    # Weight 5 from second 30 on; the first window after the settle time ends at 50.
    assert (played.seconds, played.delay()) == (50.0, 20.0)
    assert played.requests == pytest.approx(100.0)
    assert played.failed == pytest.approx(20.0)
    assert "at or beyond rollbackAt" in played.words


def test_the_delay_counts_from_a_later_onset() -> None:
    played = play(make_plan(), make_source(0.2, onset=100.0), horizon=3600.0)
    assert played.outcome is Outcome.ROLLED_BACK
    assert played.delay(100.0) == played.seconds - 100.0


def test_a_false_rollback_before_the_onset_detected_nothing() -> None:
    played = play(make_plan(), make_source(0.2), horizon=3600.0)
    assert played.delay(1000.0) is None


def test_a_source_that_fails_holds_the_rollout_until_the_horizon() -> None:
    played = play(make_plan(), failing, horizon=600.0)
    assert (played.outcome, played.seconds, played.requests) == (Outcome.UNFINISHED, 600.0, 0.0)
    assert (played.reason, played.words) == ("MetricsUnavailable", "connection refused")


def test_the_source_is_asked_for_every_moment_once_with_the_weight_of_it() -> None:
    asked: list[tuple[float, float, int]] = []
    source = make_source()

    def read(start: float, end: float, weight: int) -> Reading:
        asked.append((start, end, weight))
        return source(start, end, weight)

    play(make_plan(), read, horizon=3600.0, delay=2.5)
    assert [start for start, _, _ in asked] == [0.0, *(end for _, end, _ in asked[:-1])]
    assert {weight for start, _, weight in asked if 30.0 <= start < 90.0} == {5}


def test_windows_do_not_depend_on_when_the_first_one_ends() -> None:
    ends = {delay: play(make_plan(), make_source(0.2), horizon=3600.0, delay=delay).seconds for delay in (0.0, 2.5)}
    assert ends == {0.0: 50.0, 2.5: 52.5}


def test_approvals_are_given_at_once() -> None:
    stages = (Stage(5, hold=60.0), Stage(approval="prod"), Stage(100))
    played = play(make_plan(stages), make_source(), horizon=3600.0)
    assert played.outcome is Outcome.PROMOTED


def test_a_managed_plan_is_promoted_at_the_end_of_its_last_step() -> None:
    played = play(make_plan((Stage(50, hold=60.0),), target="shop"), make_source(), horizon=3600.0)
    assert played.outcome is Outcome.PROMOTED
    assert [move.weight for move in played.moves] == [0, 0, 50, 100]


def test_the_first_answer_of_a_long_interval_is_only_a_sign_of_life() -> None:
    played = play(make_plan(interval=300.0), make_source(0.2), horizon=36000.0)
    # The source has answered after 60 s; the window from there on straddles the first weight, the next one counts.
    assert played.exposed_at == 60.0
    assert played.seconds == 660.0
