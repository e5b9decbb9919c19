"""Flagger's rules against what its documentation and its scheduler say of them."""

from __future__ import annotations

import pytest

from canary.core.plan import Limit, Stage
from canary.core.window import Missing, Reading, Window
from canary.simulate.flagger import Flagger, flagger_of
from canary.simulate.play import EPOCH, Outcome
from canary.simulate.rival import Check
from tests.simulate.rollouts import failing, make_plan, make_source

CHECKS = (Check(Limit("success-rate", 99.0)),)
EXAMPLE = Flagger(60.0, 5, (10, 20, 30, 40, 50), CHECKS)
"""The example of "Deployment Strategies": interval 1m, threshold 5, maxWeight 50, stepWeight 10."""


def test_a_healthy_release_takes_interval_times_max_weight_by_step_weight() -> None:
    played = EXAMPLE.play(make_source(), horizon=36000.0)
    assert played.outcome is Outcome.PROMOTED
    assert played.seconds == 60.0 * (50 / 10)
    assert [move.weight for move in played.moves] == [10, 20, 30, 40, 50, 100]


def test_the_rollback_comes_with_the_tick_after_the_last_failed_check() -> None:
    played = EXAMPLE.play(make_source(1.0), horizon=36000.0)
    # The documentation says interval * threshold; the scheduler looks at the count before it checks again.
    assert played.outcome is Outcome.ROLLED_BACK
    assert played.seconds == 60.0 * (5 + 1)
    assert {move.weight for move in played.moves} == {10, 0}


def test_failed_checks_are_never_forgiven() -> None:
    bad = {60.0, 180.0, 300.0}

    def flapping(start: float, end: float, weight: int) -> Reading:
        return make_source(1.0 if end in bad else 0.0)(start, end, weight)

    played = Flagger(60.0, 3, (10, 20, 30, 40, 50), CHECKS).play(flapping, horizon=36000.0)
    assert (played.outcome, played.seconds) == (Outcome.ROLLED_BACK, 360.0)
    assert [move.weight for move in played.moves if move.reason == "Advance"] == [10, 20, 30]


def test_no_traffic_is_a_failed_check() -> None:
    def silent(start: float, end: float, weight: int) -> Reading:
        return Window(start, end, EPOCH + end, Missing("no values found"), Missing("no values found"))

    assert EXAMPLE.play(silent, horizon=36000.0).outcome is Outcome.ROLLED_BACK
    assert EXAMPLE.play(failing, horizon=36000.0).outcome is Outcome.ROLLED_BACK


def test_several_metrics_that_fail_in_one_look_count_once() -> None:
    both = (*CHECKS, Check(Limit("success-rate-2", 98.0)))
    assert Flagger(60.0, 5, (10,), both).play(make_source(1.0), horizon=36000.0).seconds == 360.0


def test_what_stable_does_is_not_looked_at() -> None:
    def shared(start: float, end: float, weight: int) -> Reading:
        window = make_source(0.5)(start, end, weight)
        assert isinstance(window, Window)
        return Window(window.start, window.end, window.wall_end, window.canary, window.canary)

    assert EXAMPLE.play(shared, horizon=36000.0).outcome is Outcome.ROLLED_BACK


def test_an_unfinished_rollout_ends_at_the_horizon() -> None:
    assert EXAMPLE.play(make_source(), horizon=100.0).outcome is Outcome.UNFINISHED


@pytest.mark.parametrize(("phase", "first"), [(0.0, 0.0), (0.5, 30.0)])
def test_the_first_weight_waits_for_the_next_tick(phase: float, first: float) -> None:
    assert EXAMPLE.play(make_source(), horizon=36000.0, phase=phase).exposed_at == first


def test_a_plan_in_flaggers_terms() -> None:
    stages = (Stage(5, hold=60.0), Stage(approval="prod"), Stage(25, hold=180.0), Stage(100))
    limits = (Limit("success-rate", 99.0, 90.0), Limit("latency", 0.5, quantile="p99"))
    found = flagger_of(make_plan(stages, failure_limit=4, limits=limits))
    assert found == Flagger(120.0, 4, (5, 25), tuple(Check(limit) for limit in limits))
    assert flagger_of(make_plan(stages), interval=10.0).interval == 10.0
    assert found.words == "interval 2m, threshold 4, stepWeights [5, 25]"


def test_a_bake_at_all_traffic_is_a_step() -> None:
    assert flagger_of(make_plan((Stage(50, hold=60.0), Stage(100, hold=60.0)))).weights == (50, 100)
