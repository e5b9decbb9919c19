"""What a plan would have decided about a past release, worked out by hand beside it."""

from __future__ import annotations

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.plan import Limit, Plan, Stage
from canary.core.verdict import Verdict
from canary.core.window import Missing, Peer, Sample
from canary.simulate.history.csv_record import read_csv
from canary.simulate.history.record import HistoryError
from canary.simulate.history.replay import Replayed, replay
from canary.simulate.history.thinning import Drawn, Evenly, Pick
from canary.simulate.play import Outcome
from tests.simulate.histories import T0, release
from tests.simulate.rollouts import make_plan

STAGES = (Stage(10, hold=60.0), Stage(50, hold=60.0), Stage(100))
BEFORE = (4, (0, 0), (1500, 0))
"""A minute before the release: the canary has no request."""
TENTH = ((150, 0), (1350, 0))
BAD_TENTH = ((150, 30), (1350, 0))
HALF = ((750, 0), (750, 0))


GOOD = release(BEFORE, (20, *TENTH))


def plan_of(stages: tuple[Stage, ...] = STAGES, **overrides: object) -> Plan:
    fields = {"interval": 30.0, "warmup": 60.0, "settle": 10.0, "limits": (Limit("success-rate", 99.0),)}
    return make_plan(stages, **(fields | overrides))


def played(text: str, plan: Plan | None = None, pick: Pick | None = None) -> Replayed:
    return replay(plan or plan_of(), read_csv(text, "past.csv"), pick)


def moves(found: Replayed) -> list[tuple[float, int]]:
    """Seconds after the first traffic, and the weight, without what happens at weight 0."""
    lead = 60.0
    return [(move.at - lead, move.weight) for move in found.played.moves if move.at]


def test_a_worked_example() -> None:
    """Rows of 15 s. The canary has 10 % from 12:00:45 on, and fails a fifth of its requests from 12:02:45 on.

    The plan holds 10 % for a minute and 50 % for four, with windows of 30 s; 3 breached windows end it. Its first
    weight comes with the canary's first request, 12:00:45, and its pods were ready a warm-up earlier, 11:59:45.
    The window to 12:01:15 touches the weight change. That to 12:01:45 is Healthy, the hold is over: 50 %.
    The window to 12:02:15 touches the change. That to 12:02:45 is Healthy.
    The windows to 12:03:15, 12:03:45 and 12:04:15 are Breaches, with 60 of 300 failed in each: weight 0 at 12:04:15.
    """
    stages = (Stage(10, hold=60.0), Stage(50, hold=240.0), Stage(100))
    found = played(release(BEFORE, (8, *TENTH), (20, *BAD_TENTH)), plan_of(stages))
    assert found.epoch == T0 - 15.0
    assert moves(found) == [(0.0, 10), (60.0, 50), (210.0, 0), (210.0, 0)]
    assert (found.played.outcome, found.played.reason) == (Outcome.ROLLED_BACK, "CheckFailed")
    verdicts = [(each.end - 60, each.judged.verdict if each.judged else None) for each in found.windows[2:]]
    assert verdicts == [
        (30, None), (60, Verdict.HEALTHY), (90, None), (120, Verdict.HEALTHY),
        (150, Verdict.BREACH), (180, Verdict.BREACH), (210, Verdict.BREACH),
    ]  # fmt: skip
    assert found.first_bad is not None
    assert found.epoch + found.first_bad.start == T0 + 165.0
    assert found.detected_after == 90.0
    assert found.first_bad.judged is not None
    assert found.first_bad.judged.words == "success-rate 80% is below 99% (60 of 300 failed)"


def test_rollback_at_ends_it_with_the_first_bad_window() -> None:
    limits = (Limit("success-rate", 99.0, 90.0),)
    found = played(release(BEFORE, (8, *TENTH), (20, *BAD_TENTH)), plan_of(limits=limits))
    assert (found.played.outcome, found.detected_after) == (Outcome.ROLLED_BACK, 30.0)


def test_a_healthy_release_is_promoted() -> None:
    found = played(release(BEFORE, (8, *TENTH), (20, *HALF)))
    assert found.played.outcome is Outcome.PROMOTED
    assert (found.first_bad, found.detected_after, found.later) == (None, None, None)


def test_a_release_that_went_bad_after_the_plan_had_promoted_it() -> None:
    found = played(release(BEFORE, (30, *TENTH), (20, *BAD_TENTH)))
    assert found.played.outcome is Outcome.PROMOTED
    assert found.later is not None
    assert found.epoch + found.later.start >= T0 + 45.0 + 29 * 15.0


def test_what_was_bad_before_the_promotion_did_not_come_later() -> None:
    # The bad minute lies in the first window at 10 %, which touches the change of weight and is not judged.
    found = played(release(BEFORE, (2, *BAD_TENTH), (40, *TENTH)))
    assert (found.played.outcome, found.first_bad, found.later) == (Outcome.PROMOTED, None, None)


@pytest.mark.parametrize("warmup", [0.0, 20.0, 45.0, 60.0, 100.0])
def test_whole_windows_follow_the_first_weight_whatever_the_warm_up(warmup: float) -> None:
    found = played(GOOD, plan_of(warmup=warmup))
    first = next(move.at for move in found.played.moves if move.weight)
    assert found.epoch + first == T0 + 45.0
    assert {(looked.end - first) % 30.0 for looked in found.windows} == {0.0}


def test_a_record_that_ends_first_leaves_it_undecided() -> None:
    found = played(release(BEFORE, (6, *TENTH), (40, (0, 0), (1500, 0))))
    assert found.played.outcome is Outcome.UNFINISHED
    # Not later: what the canary did not answer because it was gone says nothing of the plan.
    assert found.played.seconds == 60.0 + 6 * 15.0


def test_the_weights_of_the_record_are_seen() -> None:
    found = played(release(BEFORE, (10, *TENTH), (20, *HALF)))
    assert [(level.since - T0, level.weight) for level in found.seen] == [(45.0, 10.0), (195.0, 50.0)]


def test_a_recorded_weight_is_believed_more_than_the_share_of_requests() -> None:
    lines = release(BEFORE, (20, *TENTH)).splitlines()
    text = "\n".join([f"{lines[0]},weight", *(f"{line},12" for line in lines[1:])])
    assert {looked.seen for looked in played(text).windows} == {12.0}


# By comparison with stable.

WORSE = release((4, (0, 0), (1500, 3)), (60, (150, 1), (1350, 2)))
"""The canary fails 0.67 % of its requests, stable 0.15 %: inside a limit of 99 %, and four times as many."""


def test_a_release_that_is_inside_its_limit_and_worse_than_stable() -> None:
    stages = (Stage(10, hold=600.0), Stage(100))
    plain, compared = (
        played(WORSE, plan_of(stages, limits=(Limit("success-rate", 99.0, tolerance=tolerance),)))
        for tolerance in (None, 0.2)
    )
    assert plain.played.outcome is Outcome.PROMOTED
    assert compared.played.outcome is Outcome.ROLLED_BACK
    assert "stable" in compared.played.words


def test_thinned_counts_need_more_time_for_the_same_evidence() -> None:
    stages, limits = (Stage(5, hold=800.0), Stage(100)), (Limit("success-rate", 99.0, tolerance=0.2),)
    whole, half = (played(WORSE, plan_of(stages, limits=limits), pick) for pick in (None, Evenly()))
    assert whole.played.outcome is half.played.outcome is Outcome.ROLLED_BACK
    assert half.played.seconds > whole.played.seconds


# Which requests count.


def test_at_a_lower_weight_only_its_part_of_the_requests_counts() -> None:
    stages = (Stage(5, hold=60.0), Stage(100))
    found = played(release(BEFORE, (20, *HALF)), plan_of(stages), Evenly())
    at_five = [looked.sides.canary for looked in found.windows if looked.weight == 5]
    assert at_five == [Sample(150.0, 0.0), Sample(150.0, 0.0)]
    # Stable would have had more than were recorded, and they are not made up.
    assert [looked.sides.stable for looked in found.windows if looked.weight == 5] == [Sample(1500.0, 0.0)] * 2
    assert found.thinned


def test_while_stable_is_not_known_the_last_share_holds() -> None:
    lines = release(BEFORE, (20, *HALF)).splitlines()
    text = "\n".join(f"{line[: -len('750,0')]}," if 12 < n < 17 else line for n, line in enumerate(lines))
    found = played(text, plan_of((Stage(5, hold=240.0), Stage(100))), Evenly())
    at_five = [looked.sides for looked in found.windows if looked.weight == 5]
    assert {sides.canary.requests for sides in at_five if isinstance(sides.canary, Sample)} == {150.0}
    assert any(isinstance(sides.stable, Missing) for sides in at_five)


def test_at_a_higher_weight_no_request_is_made_up() -> None:
    stages = (Stage(40, hold=60.0), Stage(100))
    found = played(release(BEFORE, (20, *TENTH)), plan_of(stages), Evenly())
    at_forty = [looked.sides for looked in found.windows if looked.weight == 40]
    assert [sides.canary for sides in at_forty] == [Sample(300.0, 0.0)] * 2
    assert [sides.stable for sides in at_forty] == [Sample(1800.0, 0.0)] * 2
    assert found.short


def test_as_recorded_all_requests_count() -> None:
    stages = (Stage(5, hold=60.0), Stage(100))
    found = played(release(BEFORE, (20, *HALF)), plan_of(stages))
    assert [looked.sides.canary for looked in found.windows if looked.weight == 5] == [Sample(1500.0, 0.0)] * 2
    assert not found.thinned


def test_a_share_that_chance_explains_is_the_weight() -> None:
    # 160 of 1500 in a row, 320 of 3000 in a window, where 300 are expected: less than two deviations (33) more.
    found = played(release(BEFORE, (20, (160, 0), (1340, 0))), pick=Evenly())
    assert [looked.sides.canary for looked in found.windows if looked.weight == 10] == [Sample(320.0, 0.0)] * 2


def test_the_same_seed_draws_the_same_requests() -> None:
    text, stages = release(BEFORE, (40, (750, 9), (750, 0))), (Stage(5, hold=240.0), Stage(100))
    first, again, other = (played(text, plan_of(stages), Drawn(random.Random(seed))).windows for seed in (1, 1, 2))
    assert first == again
    assert first != other


# What cannot be played.


def refused(text: str, plan: Plan) -> str:
    with pytest.raises(HistoryError) as caught:
        played(text, plan)
    return str(caught.value)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (plan_of(interval=10.0), "analysis.interval is 10s, and a window needs one look at the counters, which were "),
        (plan_of(limits=(Limit("latency", 0.5, None, "p99"),)), "the record has no p99 latency of the canary; leave"),
        (plan_of(limits=(Limit("slow", 1.0, slower_than=0.5),)), "the record has no histogram of the canary, which"),
        (plan_of(limits=(Limit("seen", 99.0, peer=Peer("Deployment", "shop")),)), "does not say who sent a request"),
    ],
)
def test_what_the_plan_asks_and_the_record_lacks_is_said_at_once(plan: Plan, words: str) -> None:
    assert words in refused(GOOD, plan)


def test_a_comparison_needs_stable() -> None:
    text = "\n".join(line.rpartition(",")[0].rpartition(",")[0] for line in GOOD.splitlines())
    compared = plan_of(limits=(Limit("success-rate", 99.0, tolerance=0.2),))
    assert "the record has nothing of stable, which `compare` asks for" in refused(text, compared)
    assert played(text).played.outcome is Outcome.PROMOTED


def test_a_release_without_a_request_cannot_be_judged() -> None:
    assert "the canary answered no request" in refused(release((20, (0, 0), (1500, 0))), plan_of())


def test_a_record_of_years_is_refused() -> None:
    text = f"{GOOD}{T0 + 1e9},150,0,1350,0\n"
    assert "more than 20000 windows of 30s" in refused(text, plan_of())


COUNTS = st.one_of(st.none(), st.integers(min_value=0, max_value=3000))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS, COUNTS), min_size=2, max_size=60), st.booleans())
def test_no_record_makes_the_play_fail_in_another_way(rows: list[tuple[int | None, ...]], thin: bool) -> None:
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    lines = [f"{T0 + 15 * n},{','.join(row)}" for n, row in enumerate(cells)]
    text = "time,canary_requests,canary_failures,stable_requests,stable_failures\n" + "\n".join(lines)
    plan = msgspec.structs.replace(plan_of(), no_data_timeout=60.0, no_data_action="Advance")
    try:
        found = played(text, plan, Evenly() if thin else None)
    except HistoryError:
        return
    assert found.played.seconds <= found.served[1] - found.epoch
    recorded = sum(row[0] or 0 for row in rows)
    assert found.played.requests <= recorded
