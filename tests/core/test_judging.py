"""What windows do to a rollout: breaches, pools, missing data, a failing source."""

from __future__ import annotations

import pytest

from canary.core.phases import Phase
from canary.core.plan import Limit, Stage
from canary.core.window import Missing, Sample, SourceFailure

LONG = (Stage(5, hold=36_000.0), Stage(100))


def test_the_breach_that_reaches_failure_limit_acts_in_the_same_evaluation(rollout, bad):
    r = rollout(failure_limit=3).until(5)
    r.windows(2, bad)
    assert (r.weight, r.state.failed, r.said[-1]) == (5, 2, "CheckFailed")
    r.wait(10)

    decision = r.look(r.reading(bad))

    assert decision.change.backends == (r.split.backends[0],)
    assert (r.phase, r.weight, r.state.failed) == (Phase.ROLLING_BACK, 0, 3)
    assert r.rest().outlook.reason == "CheckFailed"
    assert r.state.rejected == (r.revision(),)


def test_breaches_need_not_be_consecutive(rollout, bad):
    r = rollout(failure_limit=3, stages=LONG).until(5)

    for _ in range(3):
        r.windows(5)
        r.window(bad)

    assert r.phase is Phase.ROLLED_BACK


def test_several_windows_in_one_evaluation_each_count(rollout, bad):
    r = rollout(failure_limit=3, stages=LONG).until(5)
    r.wait(10)
    first = r.reading(bad)
    r.wait(10)

    r.rest(first, r.reading(bad))

    assert r.state.failed == 2


def test_two_breached_metrics_in_a_window_count_once(rollout):
    r = rollout(stages=LONG).until(5)

    r.window(Sample(900.0, 100.0, {"p99": 3.0}))

    assert r.state.failed == 1


def test_a_clean_window_after_a_breach_is_no_breach(rollout, bad):
    r = rollout(stages=LONG).until(5)
    r.wait(10)
    first = r.reading(bad)
    r.wait(10)

    r.rest(first, r.reading(Sample(10.0, 0.0, {"p99": 0.1})))

    assert r.state.failed == 1


def test_breaches_whose_write_fails_are_kept_and_counted_once(rollout, bad, monkeypatch):
    r = rollout(stages=LONG).until(5)
    with monkeypatch.context() as patch:
        patch.setattr(r, "_apply", lambda change, observed: None)
        r.wait(10)
        r.look(r.reading(bad))
        for _ in range(5):
            r.wait(10)
            r.look(r.reading())

    r.rest()

    assert r.state.failed == 1


def test_a_breach_that_another_process_counted_is_not_counted_again(rollout, bad):
    r = rollout(stages=LONG).until(5)
    other = rollout(stages=LONG)
    other.split, other.record = r.split, r.record
    other.monotonic, other.wall = r.monotonic, r.wall
    other.rest()
    r.wait(10)
    other.wait(10)

    r.rest(r.reading(bad))
    other.split = r.split
    other.rest(other.reading(bad))

    assert (r.state.failed, other.state.failed) == (1, 1)


def test_rollback_at_ends_it_in_one_window(rollout, bad):
    r = rollout(limits=(Limit("success-rate", 99.0, 90.0),)).until(5)

    r.window(bad)

    assert (r.phase, r.state.failed) == (Phase.ROLLED_BACK, 1)
    assert "rollbackAt" in r.state.note


def test_in_warm_up_only_rollback_at_judges(rollout, side, bad):
    r = rollout(limits=(Limit("success-rate", 99.0, 50.0),), stages=LONG, warmup=100.0).until(5)
    r.set(side("v2", ready_at=r.wall))
    r.restart()
    r.rest()

    r.windows(4, bad)
    assert (r.state.failed, r.memory.pool.requests) == (0, 0)
    r.window(Sample(100.0, 900.0))

    assert r.phase is Phase.ROLLED_BACK


def test_in_warm_up_nothing_passes(rollout, side):
    r = rollout(stages=(Stage(5), Stage(50, hold=600.0), Stage(100)), warmup=100.0).until(5)
    r.set(side("v2", ready_at=r.wall))
    r.restart()
    r.rest()

    r.windows(10)
    assert r.weight == 5
    r.window()

    assert r.weight == 50


def test_few_bad_requests_are_pooled_until_they_are_enough(rollout):
    r = rollout(stages=LONG).until(5)
    drip = Sample(28.0, 2.0, {"p99": 0.1})
    r.windows(2, drip)
    assert (r.state.failed, r.outlook) == (0, "Analysing")
    assert r.memory.latest.verdict == "Collecting"

    r.window(drip)

    assert r.state.failed == 1


def test_the_pool_starts_anew_with_each_step(rollout):
    r = rollout(stages=(Stage(5), Stage(50, hold=600.0), Stage(100)), min_bad=5).until(5)
    drip = Sample(997.0, 3.0, {"p99": 0.1})
    r.window(drip)
    assert (r.weight, r.memory.pool.requests) == (50, 0)

    r.windows(2, drip)

    assert (r.memory.pool.requests, r.memory.pool.metrics["success-rate"].bad) == (1000, 3)


def test_pods_whose_hash_is_unknown_for_a_moment_do_not_void_a_window(rollout, side, bad):
    r = rollout(stages=LONG, failure_limit=1).until(5)
    same = r.sides["v2"]
    r.wait(10)
    window = r.reading(bad)
    r.set(side("v2", ready=2, hashes=None))
    r.look()
    assert r.weight == 5
    r.set(same)

    r.rest(window)

    assert r.phase is Phase.ROLLED_BACK


def test_a_window_in_which_pods_were_replaced_does_not_count(rollout, side, gone, bad):
    r = rollout(stages=LONG, failure_limit=1).until(5)
    same = r.sides["v2"]
    r.wait(5)
    r.set(gone("v2"))
    r.look()
    r.wait(0.5)
    r.set(same)
    r.look()
    r.wait(4.5)

    r.rest(r.reading(bad))

    assert (r.weight, r.state.failed) == (5, 0)


def test_without_metrics_nothing_passes(rollout):
    r = rollout(limits=(), stages=(Stage(5), Stage(100))).begin()

    r.windows(100)

    assert r.weight == 5


def test_no_data_holds_and_says_so_after_its_time(rollout):
    r = rollout().until(5)
    for _ in range(5):
        r.no_data()
    assert (r.weight, r.outlook) == (5, "NoData")
    for _ in range(40):
        r.no_data()
    assert (r.weight, r.outlook, r.decision.outlook.held) == (5, "MetricsHold", True)

    r.window()

    assert (r.weight, r.outlook) == (50, "Analysing")


def test_a_hold_of_metrics_ends_at_the_first_usable_window_even_a_bad_one(rollout, bad):
    r = rollout().until(5)
    for _ in range(60):
        r.no_data()
    assert r.outlook == "MetricsHold"

    r.window(bad)

    assert r.outlook != "MetricsHold"


def test_no_data_rolls_back_after_its_time(rollout):
    r = rollout(no_data_action="Rollback").until(5)
    while r.memory.no_data_since is None:
        r.no_data()
    since = r.memory.no_data_since
    r.wait(since + 299.9 - r.monotonic)
    r.rest()
    assert r.weight == 5

    r.wait(0.1)
    r.rest()

    assert (r.phase, r.state.reason, r.log[-2].now.monotonic) == (Phase.ROLLED_BACK, "NoData", since + 300)


def test_no_data_advances_after_its_time_and_says_so_by_an_event(rollout):
    r = rollout(no_data_action="Advance").until(5)
    while r.weight == 5:
        r.no_data()
        assert r.monotonic < 2000

    said = r.log[-1].change.state.said[-1]
    assert (r.weight, r.state.gate.kind, said.warning) == (50, "NoData", True)
    assert "Advance" in said.note


@pytest.mark.parametrize("still", ["hold", "pause", "suspend", "approval"])
def test_the_no_data_clock_runs_only_when_metrics_alone_stand_in_the_way(rollout, still):
    held = LONG if still == "hold" else (Stage(5), Stage(approval="go"), Stage(100))
    r = rollout(stages=held if still in ("hold", "approval") else (Stage(5), Stage(100)), no_data_action="Rollback")
    r.until(5) if still != "approval" else r.until(5).window()
    if still == "pause":
        r.order("pause")
    if still == "suspend":
        r.change(suspend=True)

    for _ in range(60):
        r.no_data()

    assert (r.weight, r.memory.no_data_since) == (5, None)


def test_the_no_data_clock_does_not_run_before_a_window_says_so(rollout):
    r = rollout(no_data_action="Rollback", stages=(Stage(5), Stage(100))).until(5)
    r.wait(3600)
    r.rest()
    r.wait(3600)

    r.rest()

    assert (r.weight, r.memory.no_data_since) == (5, None)


def test_the_no_data_clock_starts_anew_after_a_usable_window(rollout):
    r = rollout(no_data_action="Rollback", stages=(Stage(5, min_requests=10**9), Stage(100))).until(5)

    for _ in range(5):
        for _ in range(20):
            r.no_data()
        r.window()

    assert r.weight == 5


@pytest.mark.parametrize("weight", [5, 100])
def test_a_failing_source_holds(rollout, weight):
    r = rollout(stages=(Stage(5), Stage(100))).until(5)
    if weight == 100:
        r.promoting()
    for _ in range(5):
        r.failure()
    assert r.outlook == "MetricsUnavailable"
    for _ in range(100):
        r.failure()
    assert (r.weight, r.outlook) == (weight, "MetricsHold")
    assert "503" in r.decision.outlook.message

    r.windows(3)

    assert r.weight != weight or r.phase is Phase.PROMOTED


def test_a_failing_source_rolls_back_after_its_time(rollout):
    r = rollout(source_action="Rollback").until(5)
    r.failure()
    since = r.memory.failing_since
    r.wait(899.9)
    r.rest()
    assert r.weight == 5

    r.wait(0.1)
    r.rest()

    assert (r.phase, r.state.reason, r.log[-2].now.monotonic) == (Phase.ROLLED_BACK, "SourceError", since + 900)


@pytest.mark.parametrize("still", ["pause", "approval", "weight 0"])
def test_the_source_clock_stands_still_while_people_are_waited_for(rollout, still):
    r = rollout(source_action="Rollback", stages=(Stage(5), Stage(approval="go"), Stage(100)))
    if still == "weight 0":
        r.begin()
    else:
        r.until(5).window()
    if still == "pause":
        r.order("pause")

    for _ in range(100):
        r.failure()

    assert r.phase is Phase.PROGRESSING


def test_the_source_clock_runs_during_a_hold_and_while_suspended(rollout):
    r = rollout(source_action="Rollback", stages=LONG).until(5)
    r.change(suspend=True)

    for _ in range(100):
        r.failure()

    assert r.phase is Phase.ROLLED_BACK


def test_after_a_failure_of_the_source_the_last_window_no_longer_passes(rollout):
    r = rollout().until(5)
    r.windows(1)
    r.wait(9)
    r.rest(SourceFailure(r.monotonic, r.wall, "reset"))
    r.wait(1)
    r.seen = {"live": True}
    r.rest()

    assert r.weight == 5


def test_what_a_window_says_of_stable_does_not_decide(rollout):
    r = rollout().until(5)

    r.wait(10)
    r.rest(r.reading(stable=Missing("no series")))
    r.wait(10)
    r.rest(r.reading(stable=Sample(1.0, 999.0)))
    r.wait(10)
    r.rest(r.reading(stable=Missing("no series")))

    assert r.weight == 50


def test_paused_windows_are_judged_all_the_same(rollout, bad):
    r = rollout(failure_limit=1).until(5)
    r.order("pause")
    r.rest()

    r.window(bad)

    assert r.phase is Phase.ROLLED_BACK
