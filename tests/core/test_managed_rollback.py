"""Managed mode takes a revision back, in every phase: stable has what was promoted before the rollout is closed."""

from __future__ import annotations

import pytest

from canary.core.phases import Phase
from canary.core.window import Sample

BAD = Sample(900.0, 100.0, {"p99": 0.1})


def breach(r):
    for _ in range(6):
        r.window(BAD)
        if r.phase is Phase.ROLLING_BACK:
            return r
    raise AssertionError(f"no rollback: {r.outlook}")


@pytest.mark.parametrize("weight", [5, 50, 100])
def test_a_breach_takes_the_traffic_and_then_the_pods(managed, weight):
    r = breach(managed().until(weight))
    assert r.weight == 0

    r.until_phase(Phase.ROLLED_BACK)
    assert (r.candidate.replicas, r.stable.revision, r.state.rejected) == (0, "r1", ("r2",))


def test_a_breach_while_promoting_restores_stable_before_it_is_closed(managed):
    r = managed().promoting()
    r.rest()
    assert r.stable.revision == "r2"
    r.stable.available = False
    breach(r)
    r.until_phase(Phase.ROLLED_BACK)

    assert r.stable.revision == "r1"
    assert r.writes.index("WriteStable r1") < r.writes.index("Split RolledBack 0")


def test_a_breach_of_the_stable_copy_that_runs_the_revision_ends_it(managed):
    r = managed().promoting()
    r.stable.available = False
    for _ in range(4):
        r.wait(10)
        r.rest(r.reading(stable=BAD))
    r.until_phase(Phase.ROLLED_BACK)

    assert r.state.reason == "CheckFailed"
    assert "on the stable copy" in r.state.note
    assert r.stable.revision == "r1"


def test_a_promotion_by_request_without_weight_is_judged_on_stable(managed):
    r = managed().begin()
    r.wait(30)
    r.command = "promote-full@r2@t"
    r.rest()
    r.stable.available = False
    for _ in range(4):
        r.wait(10)
        r.rest(r.reading(stable=BAD))

    assert r.state.reason == "CheckFailed"


@pytest.mark.parametrize("restarts", [False, True])
def test_stable_that_does_not_become_ready_gets_its_template_back(managed, restarts):
    r = managed().until(100)
    r.cluster.broken = {"r2"}
    r.promoting().windows(59)
    assert r.phase is Phase.PROMOTING
    assert "pods became" not in r.outlook
    if restarts:
        r.restart()
    r.until_phase(Phase.ROLLED_BACK)

    assert r.state.reason == "PromotionFailed"
    assert (r.stable.revision, {pod.named for pod in r.stable.pods}) == ("r1", {"r1"})


def test_a_failed_promotion_leaves_the_traffic_where_pods_are_ready(managed):
    r = managed().promoting()
    r.rest()
    r.stable.pods, r.stable.quota = [], 0
    r.windows(63)
    assert (r.phase, r.weight, r.outlook) == (Phase.PROMOTING, 100, "StableUnavailable")
    assert (r.stable.revision, r.state.rejected) == ("r1", ("r2",))

    r.stable.quota = 4
    r.until_phase(Phase.ROLLED_BACK)
    assert r.state.reason == "PromotionFailed"


@pytest.mark.parametrize("cause", ["abort", "revision", "delete"])
def test_whatever_ends_a_promotion_without_stable_restores_its_template_first(managed, cause):
    r = managed().promoting()
    r.rest()
    r.stable.pods, r.cluster.broken, r.stable.available = [], {"r2"}, False
    r.rest()
    if cause == "abort":
        r.abort = "@t"
    elif cause == "delete":
        r.delete()
    else:
        r.push("r3")
    r.rest()
    assert (r.stable.revision, r.weight) == ("r1", 100)

    r.stable.available = True
    r.wait(10)
    r.rest()
    assert r.weight == 0


def test_lost_endpoints_while_promoting_return_the_traffic_to_stable(managed):
    r = managed().promoting()
    r.stable.available = False
    r.candidate.pods, r.candidate.quota = [], 0
    r.rest()
    r.wait(1)
    r.rest()
    assert (r.phase, r.weight) == (Phase.ROLLING_BACK, 0)

    r.candidate.quota = 4
    r.stable.available = True
    r.until_phase(Phase.PROGRESSING)
    assert r.stable.revision == "r1"
    assert r.state.failed == 1


def test_lost_endpoints_while_progressing_begin_the_steps_anew(managed):
    r = managed().until(50)
    r.candidate.pods, r.candidate.quota = [], 0
    r.rest()
    r.wait(1)
    r.rest()
    assert (r.phase, r.weight, r.state.step) == (Phase.PROGRESSING, 0, 0)

    r.candidate.quota = 4
    r.until_phase(Phase.PROMOTED)


@pytest.mark.parametrize(
    "phase", [Phase.IDLE, Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.PROMOTED]
)
def test_a_new_revision_is_rolled_out_from_every_phase(managed, phase):
    r = managed().to(phase)
    r.push("r3")
    r.rest()
    assert r.weight == 0 or phase is Phase.IDLE
    r.until_phase(Phase.PROGRESSING, Phase.ROLLED_BACK)
    r.until_phase(Phase.PROGRESSING)
    r.until_phase(Phase.PROMOTED)

    assert (r.state.promoted, r.stable.revision) == ("r3", "r3")


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK, Phase.ROLLED_BACK])
def test_back_to_the_promoted_revision_is_idle_again(managed, phase):
    r = managed().to(phase)
    r.push("r1")
    r.rest()
    assert r.weight == 0
    r.until_phase(Phase.IDLE)
    r.quiet()

    assert (r.stable.revision, r.candidate.replicas) == ("r1", 0)
    assert "r1" not in r.state.rejected


def test_a_rejected_revision_stays_rolled_back_until_a_retry(managed):
    r = managed().rolled_back()
    r.windows(5)
    r.push("r1")
    r.windows(5)
    r.push("r2")
    r.windows(5)
    assert (r.phase, r.state.reason, r.candidate.replicas) == (Phase.ROLLED_BACK, "Rejected", 0)

    r.command = "retry@r2@t1"
    r.until_phase(Phase.PROMOTED)
    assert r.state.promoted == "r2"


def test_a_rejected_revision_that_comes_back_in_the_middle_is_taken_back(managed):
    r = managed().rolled_back()
    r.push("r3")
    r.until(5)
    r.push("r2")
    r.until_phase(Phase.ROLLED_BACK)

    assert (r.state.revision, r.state.reason) == ("r2", "Rejected")


def test_an_abort_is_only_answered_when_nothing_runs(managed):
    r = managed().promoted()
    r.abort = "@t"
    r.rest()

    assert (r.phase, r.state.rejected) == (Phase.PROMOTED, ())
    assert r.said[-1] == "AbortIgnored"


def test_a_fix_is_rolled_out_although_stable_has_no_ready_pod(managed):
    r = managed().promoted()
    r.stable.quota, r.stable.pods = 0, []
    r.push("r3")
    r.until_phase(Phase.PROGRESSING)
    r.until_phase(Phase.PROMOTING)
    r.stable.quota = 4
    r.until_phase(Phase.PROMOTED)

    assert r.state.promoted == "r3"


def test_a_changed_configuration_is_read_by_new_pods_before_they_get_weight(managed):
    r = managed().until(50)
    r.configure("r2-config")
    r.rest()
    assert (r.weight, r.state.restart) == (0, True)
    r.until_phase(Phase.PROMOTED)

    assert r.state.promoted == "r2-config"


def test_pods_that_were_left_running_are_restarted_for_a_changed_configuration(managed):
    r = managed().until(50)
    r.stray = Sample(3.0, 0.0, {"p99": 0.1})
    r.abort = "@t"
    r.until_phase(Phase.ROLLED_BACK)
    assert r.candidate.replicas
    r.configure("r2-config")
    r.windows(3)
    r.stray = managed().stray
    r.until_phase(Phase.PROMOTED)

    assert r.state.promoted == "r2-config"


def test_pods_of_an_earlier_configuration_that_still_get_requests_end_the_rollout(managed):
    r = managed().until(50)
    r.stray = Sample(3.0, 0.0, {"p99": 0.1})
    r.configure("r2-config")
    r.windows(59)
    assert (r.phase, r.weight, r.candidate.replicas) == (Phase.PROGRESSING, 0, 4)

    r.until_phase(Phase.ROLLED_BACK)
    assert "earlier configuration still got requests" in r.state.note


def test_a_metrics_source_that_fails_does_not_end_a_restart(managed):
    r = managed().until(50)
    r.configure("r2-config")
    for _ in range(80):
        r.failure()
    assert (r.phase, r.state.restart, r.candidate.replicas) == (Phase.PROGRESSING, True, 4)

    r.until_phase(Phase.PROMOTED)


def test_a_configuration_that_changes_while_the_canary_service_is_gone_is_read_by_new_pods(managed):
    r = managed().until(50)
    r.cluster.problem = ("NameTaken", "Service shop-canary belongs to somebody else")
    r.cluster.parts.discard("Service/shop-canary")
    r.configure("r2-config")
    r.wait(2)
    r.rest()
    r.cluster.problem = None
    r.until_phase(Phase.PROMOTED)

    assert r.state.promoted == "r2-config"


def test_an_invalid_spec_takes_the_weight_and_the_rollout_begins_anew_afterwards(managed):
    r = managed().until(50)
    r.break_spec()
    r.rest()
    assert (r.phase, r.weight) == (Phase.PROGRESSING, 0)

    r.change()
    r.until_phase(Phase.PROMOTED)


def test_a_promotion_is_finished_by_the_last_valid_plan(managed):
    r = managed().promoting()
    r.break_spec()
    r.until_phase(Phase.PROMOTED)


def test_a_promotion_without_any_valid_plan_is_undone(managed):
    r = managed().promoting()
    r.break_spec()
    r.rest()
    r.last_plan, kept = None, r.last_plan
    r.rest()
    assert (r.phase, r.weight) == (Phase.ROLLING_BACK, 0)

    r.last_plan = kept
    r.until_phase(Phase.IDLE)
    assert r.stable.revision == "r1"
