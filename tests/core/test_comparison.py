"""The canary compared with stable, limits judged by evidence, and steps that end early."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.phases import Phase
from canary.core.plan import Limit, Stage
from canary.core.verdict import Verdict
from canary.core.window import Missing, Sample

LONG = (Stage(5, hold=36_000.0), Stage(50, hold=36_000.0), Stage(100))
SHORT = (Stage(5, hold=30.0), Stage(50, hold=30.0), Stage(100))


def compared(**overrides):
    return Limit(**({"name": "success-rate", "limit": 80.0, "tolerance": 0.2} | overrides))


def sequential(**overrides):
    return Limit(**({"name": "success-rate", "limit": 99.0, "sequential": True} | overrides))


def answers(requests, failed, **latency):
    return Sample(float(requests - failed), float(failed), latency)


STABLE = answers(900, 9)
HEALTHY = answers(100, 1)
WORSE = answers(100, 5)


@pytest.fixture
def trial(rollout):
    """A rollout at its first weight, before any window there."""

    def build(*limits, **overrides):
        r = rollout(**({"limits": limits or (compared(),), "stages": LONG, "horizon": 180} | overrides)).begin()
        while r.weight == 0:
            r.window()
        r.wait(10.0)
        return r

    return build


def play(r, count, canary, stable=STABLE):
    for _ in range(count):
        r.window(canary, stable)
    return r


def message(r):
    return r.status.metrics[0].message


# Worse than stable.


def test_a_canary_that_is_shown_to_be_worse_is_rolled_back_at_once(trial):
    r = play(trial(), 3, WORSE)

    assert (r.phase, r.weight, r.state.failed) == (Phase.ROLLED_BACK, 0, 1)
    assert r.state.note == (
        "success-rate: 15 of 300 failed (5%), stable 27 of 2700 (1%), more than 20% worse: "
        "evidence 151:1, 100:1 is enough"
    )


def test_until_then_no_window_is_a_failed_one(trial):
    r = play(trial(), 2, WORSE)

    assert (r.weight, r.state.failed) == (5, 0)
    assert r.status.metrics[0].evidence == "18:1 of 100:1"


def test_a_canary_that_fails_as_often_as_stable_is_never_worse(trial):
    r = play(trial(), 200, HEALTHY)

    assert (r.weight, r.state.failed) == (5, 0)
    assert r.memory.latest.verdict is Verdict.HEALTHY


def test_what_is_worse_within_the_tolerance_is_not_worse(trial):
    r = play(trial(compared(tolerance=5.0)), 60, WORSE)

    assert r.weight == 5


def test_observed_requests_count_and_not_the_weight(trial):
    r = play(trial(), 60, answers(500, 5), answers(500, 5))

    assert r.weight == 5


def test_without_requests_to_stable_the_plain_limit_goes_on(trial):
    r = play(trial(failure_limit=2), 2, answers(100, 50), Missing("no requests"))

    assert (r.phase, r.state.reason) == (Phase.ROLLED_BACK, "CheckFailed")
    assert "is below 80%" in r.state.note


def test_a_window_beyond_the_limit_is_a_failed_one_while_stable_is_within_it(trial):
    r = play(trial(failure_limit=100), 1, answers(100, 50))

    assert r.state.failed == 1


def test_a_slower_quantile_is_worse_when_it_is_so_again_and_again(trial):
    limit = Limit("latency", 5.0, quantile="p99", tolerance=0.2)
    r = play(trial(limit), 9, answers(1000, 0, p99=0.3), answers(9000, 0, p99=0.2))
    assert r.weight == 5

    play(r, 4, answers(1000, 0, p99=0.3), answers(9000, 0, p99=0.2))

    assert r.phase is Phase.ROLLED_BACK
    assert "latency: p99 more than 20% above stable's in 10 of 10 windows" in r.state.note


def test_a_share_of_slow_requests_is_compared_like_failures(trial):
    limit = Limit("slow", 50.0, slower_than=0.1, tolerance=0.2)

    def took(fast, slow):
        return Sample(float(fast + slow), 0.0, {}, ((0.1, float(fast)), (float("inf"), float(fast + slow))))

    r = play(trial(limit), 3, took(95, 5), took(891, 9))

    assert r.phase is Phase.ROLLED_BACK
    assert r.state.note.startswith("slow: 15 of 300 took longer than 100ms (5%), stable 27 of 2700 (1%)")


def test_what_this_traffic_can_show_is_said(trial):
    r = play(trial(), 5, HEALTHY)

    assert "-fold rise (to " in message(r)
    assert message(r).endswith("shows within 5m")


# Both sides in trouble.


def test_an_outage_of_both_sides_holds_and_fails_no_window(trial):
    r = play(trial(stages=SHORT), 20, answers(100, 50), answers(900, 450))

    assert (r.weight, r.state.failed, r.outlook) == (5, 0, "SharedDegradation")
    assert r.status.metrics[0].verdict == "SharedDegradation"


@pytest.mark.parametrize(("action", "weight", "outlook"), [("Hold", 5, "MetricsHold"), ("Advance", 50, "Analysing")])
def test_after_its_patience_the_action_for_missing_samples_is_taken(trial, action, weight, outlook):
    r = trial(stages=SHORT, no_data_timeout=60.0, no_data_action=action)
    play(r, 10, answers(100, 50), answers(900, 450))

    assert (r.weight, r.outlook) == (weight, outlook)


def test_a_rollback_for_an_outage_of_both_says_so(trial):
    r = trial(stages=SHORT, no_data_timeout=60.0, no_data_action="Rollback")
    play(r, 12, answers(100, 50), answers(900, 450))

    assert r.phase is Phase.ROLLED_BACK
    ended = next(commit.state for commit in r.log if commit.state.phase is Phase.ROLLING_BACK)
    assert ended.reason == "SharedDegradation"
    assert ended.note.startswith("both sides were beyond the limit for 1m: success-rate 50% is below 80%")


def test_a_hold_for_both_sides_ends_with_the_first_good_window(trial):
    r = play(trial(stages=SHORT, no_data_timeout=60.0), 15, answers(100, 50), answers(900, 450))

    play(r, 1, HEALTHY)

    assert r.weight == 50


def test_beyond_rollback_at_nobody_asks_for_stable(trial):
    r = play(trial(compared(rollback_at=60.0)), 1, answers(100, 50), answers(900, 450))

    assert r.phase is Phase.ROLLED_BACK
    assert r.state.note.endswith("at or beyond rollbackAt")


def test_a_metric_that_does_not_compare_is_breached_by_an_outage_of_both(trial):
    r = play(trial(compared(tolerance=None), failure_limit=2), 2, answers(100, 50), answers(900, 450))

    assert r.phase is Phase.ROLLED_BACK


# A limit judged by evidence.


def test_windows_beyond_a_sequential_limit_are_no_failed_ones(trial):
    r = play(trial(sequential(), failure_limit=1), 2, answers(100, 5))

    assert (r.weight, r.state.failed, r.memory.latest.verdict) == (5, 0, Verdict.COLLECTING)


def test_a_limit_that_is_shown_to_be_broken_ends_the_rollout(trial):
    r = play(trial(sequential()), 10, answers(100, 5))

    assert r.phase is Phase.ROLLED_BACK
    assert ", 1% is allowed: evidence " in r.state.note


def test_a_canary_at_its_limit_is_not_rolled_back_by_chance(trial):
    r = trial(sequential(), failure_limit=1)
    for failed in (0, 3, 0, 1, 2, 0, 1, 1) * 10:
        play(r, 1, answers(100, failed))

    assert r.weight == 5


# Samples.


@pytest.mark.parametrize("limit", [compared(limit=99.0, sample=409.0), sequential(sample=409.0)])
def test_a_step_waits_for_the_sample_that_its_limit_needs(trial, limit):
    r = play(trial(limit, stages=SHORT), 4, answers(100, 0))
    assert (r.weight, r.outlook) == (5, "Collecting")
    assert "400 of 409 requests that are needed to show it" in message(r)

    play(r, 1, answers(100, 0))

    assert r.weight == 50


def test_no_step_passes_while_much_speaks_against_the_canary(trial):
    r = play(trial(stages=SHORT, interval=30.0), 1, answers(100, 7))

    assert (r.weight, r.outlook) == (5, "Collecting")
    assert "too much speaks against it to go on" in message(r)

    play(r, 6, HEALTHY)

    assert r.weights[-3:] == [50, 100, 0]


def test_a_suspicion_that_nothing_can_refute_any_more_holds_nothing(trial):
    r = play(trial(stages=(Stage(5, hold=30.0), Stage(100, hold=30.0))), 2, WORSE)
    r.order("promote-full")
    r.rest()

    play(r, 6, HEALTHY, Missing("no requests"))

    assert r.phase is Phase.PROMOTED


# A restart.


def test_evidence_goes_on_after_a_restart(trial):
    r = play(trial(), 2, WORSE)
    r.restart()
    r.rest()

    play(r, 1, WORSE)

    assert r.phase is Phase.ROLLED_BACK


def test_evidence_that_grows_is_stored_without_an_event_or_a_weight(trial):
    r = play(trial(), 2, WORSE)

    assert [e.windows for e in r.state.evidence.values()] == [2]
    assert (r.log[-1].said, r.log[-1].change.moves) == ([], False)


def test_a_healthy_rollout_stores_nothing_in_between(trial):
    r = trial()
    before = len(r.log)
    play(r, 50, HEALTHY)

    assert len(r.log) == before


def test_a_window_that_another_process_has_counted_is_not_counted_twice(trial):
    r = play(trial(), 2, WORSE)
    window = r.reading(WORSE, STABLE)
    r.restart()
    r.rest()
    r.memory = msgspec.structs.replace(r.memory, settled_at=0.0, warm_at=0.0, revision_since=0.0)

    r.rest(window)

    assert r.memory.latest is not None
    assert [e.windows for e in r.memory.evidence.values()] == [2]


def test_a_clock_that_is_set_back_stops_no_test(trial):
    r = play(trial(), 2, WORSE)
    r.wall -= 3600.0

    play(r, 1, WORSE)

    assert r.phase is Phase.ROLLED_BACK


def test_another_revision_is_judged_anew(trial, side):
    r = play(trial(), 2, WORSE)
    r.set(side("v2", "another", ready_at=r.wall))
    while r.weight == 0 or r.state.revision != r.revision():
        r.window()

    assert all(e.windows == 0 for e in r.memory.evidence.values())


def test_another_tolerance_begins_anew_and_another_confidence_goes_on(trial):
    r = play(trial(), 2, WORSE)

    r.change(alpha=0.05)
    play(r, 1, answers(100, 0), answers(900, 0))
    assert [e.windows for e in r.memory.evidence.values()] == [3]

    r.change(limits=(compared(tolerance=0.3),))
    play(r, 1, WORSE)
    assert [e.windows for e in r.memory.evidence.values()] == [1]


def test_what_a_rollout_has_shown_ends_with_it(trial):
    r = play(trial(), 3, WORSE)

    assert r.state.evidence == {}


# 100 % and promotion.


def test_at_100_percent_only_plain_limits_judge(rollout):
    stages = (Stage(5, hold=30.0), Stage(100, hold=36_000.0))
    r = rollout(limits=(compared(limit=99.0),), stages=stages, failure_limit=2).until(100)
    play(r, 5, answers(1000, 5), Missing("no requests"))
    assert r.weight == 100

    play(r, 2, answers(1000, 50), Missing("no requests"))

    assert r.phase is Phase.ROLLED_BACK


def test_a_promotion_needs_no_further_sample(managed):
    r = managed(limits=(compared(limit=99.0),)).to(Phase.PROMOTING)
    r.change(limits=(compared(limit=99.0, sample=1e6),))

    r.windows(12)

    assert r.phase is Phase.PROMOTED


def test_a_promotion_is_undone_by_a_breach_of_both_sides(managed):
    r = managed(limits=(compared(limit=99.0),)).to(Phase.PROMOTING)

    r.window(answers(100, 50), answers(900, 450))

    assert r.phase is not Phase.PROMOTING


# Early.


def test_a_step_ends_when_enough_is_shown(trial):
    r = trial(compared(limit=99.0, sample=409.0), early=True)
    for _ in range(10):
        if r.weight == 5:
            play(r, 1, answers(1000, 1), answers(9000, 9))

    assert r.weight == 50
    assert "enough is shown: success-rate 99.90%" in r.state.said[0].note


def test_without_early_the_hold_is_waited_for(trial):
    r = play(trial(compared(limit=99.0, sample=409.0)), 20, answers(1000, 1), answers(9000, 9))

    assert r.weight == 5


def test_each_step_must_show_enough_by_itself(trial):
    r = trial(compared(limit=99.0, sample=409.0), early=True)
    good = (answers(1000, 1), answers(9000, 9))
    while r.weight == 5:
        play(r, 1, *good)

    play(r, 1, *good)

    assert (r.weight, r.memory.enough.said) == (50, False)


def test_one_metric_that_has_not_shown_enough_keeps_the_step(trial):
    strict = sequential(name="strict", limit=99.99)
    r = play(trial(compared(limit=99.0), strict, early=True), 20, answers(1000, 0), answers(9000, 0))

    assert (r.weight, r.memory.latest.verdict) == (5, Verdict.HEALTHY)


def test_an_approval_is_waited_for_whatever_was_shown(trial):
    stages = (Stage(5, hold=600.0), Stage(approval="prod"), Stage(50, hold=30.0), Stage(100))
    r = play(trial(compared(limit=99.0), early=True, stages=stages), 20, answers(1000, 1), answers(9000, 9))

    assert (r.weight, r.outlook) == (5, "WaitingForApproval")


# Anything.

SIDES = st.one_of(
    st.builds(Missing, st.just("no series")),
    st.builds(
        lambda good, bad, p99: Sample(good, bad, {"p99": p99}),
        st.floats(0.0, 1e9),
        st.floats(1.0, 1e9),
        st.floats(1e-3, 10.0),
    ),
)
LIMITS = (compared(), sequential(name="errors"), Limit("latency", 1.0, quantile="p99", tolerance=0.0))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=30))
def test_whatever_the_numbers_the_state_can_be_stored_and_nothing_passes_unproven(rollout, windows):
    r = rollout(limits=LIMITS, stages=LONG, early=True, failure_limit=1000).begin()
    while r.weight == 0:
        r.window()
    for canary, stable in windows:
        r.window(canary, stable)
        if r.log[-1].change.moves and r.weight == 50:
            assert all(metric.verdict is Verdict.HEALTHY for metric in r.memory.shown)
