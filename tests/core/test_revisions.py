"""Which revision is tried: a new one in every phase, mixes, reverts, what was rejected before, labels."""

from __future__ import annotations

import pytest

from canary.core.phases import Phase
from canary.core.plan import Stage

LONG = (Stage(5, hold=36_000.0), Stage(100))


def test_a_canary_that_is_not_ready_is_waited_for(rollout, gone):
    r = rollout()
    r.set(gone("v2"))
    r.windows(3)
    assert (r.phase, r.outlook) == (Phase.IDLE, "WaitingForEndpoints")

    r.wait(600)
    r.rest()

    assert (r.outlook, r.decision.outlook.blocked) == ("ProgressDeadlineExceeded", True)


def test_pods_of_several_revisions_start_nothing(rollout, side):
    r = rollout()
    r.set(side("v2", "222", "333"))
    r.windows(5)
    assert (r.phase, r.outlook) == (Phase.IDLE, "WaitingForRevision")

    r.set(side("v2", "333"))
    r.rest()

    assert (r.phase, r.state.revision) == (Phase.PROGRESSING, r.revision())


def test_pods_whose_hash_is_unknown_start_nothing(rollout, side):
    r = rollout()
    r.set(side("v2", hashes=None))

    r.windows(5)

    assert r.phase is Phase.IDLE


@pytest.mark.parametrize("problem", ["root_problem", "conflict", "version_problem"])
def test_a_rollout_does_not_start_with_an_obstacle(rollout, problem):
    r = rollout().to(Phase.IDLE)
    r.seen[problem] = "something is missing"

    r.windows(5)

    assert r.phase is Phase.IDLE


@pytest.mark.parametrize("way", ["pods", "service"])
def test_a_new_revision_at_a_weight_takes_it_away_and_starts_over(rollout, side, way):
    r = rollout(stages=(Stage(5), Stage(50, hold=600.0), Stage(100))).until(50)
    if way == "pods":
        r.set(side("v2", "next"))
    else:
        r.change(canary="v3")

    r.look()
    assert (r.weight, r.phase, r.state.step) == (0, Phase.PROGRESSING, 0)
    r.rest()

    assert r.state.revision == r.revision(r.plan.canary)
    assert (r.state.canary, r.state.rejected, r.state.failed) == (r.plan.canary, (), 0)
    r.until(50)


def test_a_new_revision_at_weight_0_starts_over(rollout, side):
    r = rollout().begin()
    r.set(side("v2", "next"))

    r.look()

    assert (r.state.revision, r.phase) == (r.revision(), Phase.PROGRESSING)


def test_a_new_revision_starts_warm_up_again(rollout, side):
    r = rollout(stages=LONG).until(5)
    r.set(side("v2", "next", ready_at=r.wall))
    r.rest()
    r.wait(19)
    r.rest(r.reading())
    assert r.weight == 0

    r.wait(1)
    r.rest()

    assert r.weight == 5


def test_a_mix_of_revisions_takes_the_weight_and_waits_until_it_is_over(rollout, side):
    r = rollout(stages=LONG).until(5)
    r.set(side("v2", "222", "next"))
    r.look()
    assert (r.weight, r.state.revision) == (0, "")
    r.windows(20)
    assert (r.weight, r.outlook) == (0, "WaitingForRevision")

    r.set(side("v2", "next"))
    r.rest()
    assert r.state.revision == r.revision()
    r.windows(3)

    assert r.weight == 5


def test_a_mix_at_weight_0_is_waited_for(rollout, side):
    r = rollout(stages=LONG).begin()
    r.set(side("v2", "222", "next"))

    r.windows(20)

    assert (r.weight, r.outlook) == (0, "WaitingForRevision")


def test_counters_start_anew_with_a_new_revision(rollout, side, bad):
    r = rollout(stages=LONG, failure_limit=3).until(5)
    r.windows(2, bad)
    r.set(side("v2", "next"))
    r.rest()

    assert r.state.failed == 0


def test_a_service_that_does_not_exist_yet_is_waited_for_mid_rollout(rollout, gone):
    r = rollout(stages=LONG).until(5)
    r.set(gone("v3"))
    r.change(canary="v3")
    r.rest()
    assert (r.weight, r.phase, r.outlook) == (0, Phase.PROGRESSING, "WaitingForEndpoints")

    r.wait(600)
    r.rest()

    assert r.state.reason == "ProgressDeadlineExceeded"


def test_a_new_revision_while_promoting_takes_everything_back_and_starts_over(rollout, side):
    r = rollout().promoting()
    r.set(side("v2", "next"))
    r.look()
    assert (r.phase, r.weight, r.state.rejected) == (Phase.ROLLING_BACK, 0, ())

    r.rest()

    assert (r.phase, r.state.revision) == (Phase.PROGRESSING, r.revision())


def test_a_new_revision_while_rolling_back_is_tried_afterwards(rollout, side):
    r = rollout().to(Phase.ROLLING_BACK)
    r.set(side("v2", "next"))

    r.rest()

    assert (r.phase, r.state.revision) == (Phase.PROGRESSING, r.revision())


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.ROLLED_BACK])
def test_a_new_revision_at_rest_starts_a_rollout(rollout, side, phase):
    r = rollout().to(phase)
    r.set(side("v2", "next"))

    r.rest()

    assert (r.phase, r.state.revision, r.state.note) == (Phase.PROGRESSING, r.revision(), "")


def test_a_promoted_canary_keeps_serving_when_it_becomes_the_stable_one(rollout):
    r = rollout().promoted()
    r.change(stable="v2", canary="v3")

    r.promoted()

    assert r.weights == [0, 5, 50, 100, 0, 5, 50, 100, 0]
    assert r.state.serving == "v3"


def test_a_git_revert_is_a_rollout_back(rollout):
    r = rollout().promoted()
    r.change(stable="v2", canary="v1")

    r.promoted()

    assert (r.state.serving, r.backends) == ("v1", [("v1", 100)])


@pytest.mark.parametrize("weight", [0, 5, 100])
def test_back_to_the_serving_service_ends_a_rollout_without_blame(rollout, weight):
    r = rollout().begin()
    if weight:
        r.to(Phase.PROMOTING if weight == 100 else Phase.PROGRESSING, weight)
    r.change(canary="v1", stable="v2")
    r.rest()

    assert (r.phase, r.weight, r.state.rejected, r.outlook) == (Phase.IDLE, 0, (), "Serving")


def test_back_to_the_serving_service_while_rolling_back(rollout):
    r = rollout().to(Phase.ROLLING_BACK)
    r.change(canary="v1", stable="v2")

    r.rest()

    assert (r.phase, r.outlook) == (Phase.IDLE, "Serving")
    assert len(r.state.rejected) == 1


def test_back_to_the_serving_service_after_a_rollback(rollout):
    r = rollout().rolled_back()
    r.change(canary="v1", stable="v2")

    r.rest()

    assert (r.phase, r.outlook, len(r.state.rejected)) == (Phase.IDLE, "Serving", 1)


def test_what_was_rejected_is_not_tried_again(rollout, side):
    r = rollout().rolled_back()
    first = r.sides["v2"]
    r.set(side("v2", "next"))
    r.until(5)
    r.set(first)
    r.rest()

    r.windows(20)

    assert (r.phase, r.weight, r.outlook, r.state.revision) == (Phase.ROLLED_BACK, 0, "Rejected", r.revision())


def test_a_rejected_service_asked_for_mid_rollout_is_the_one_that_retry_tries(rollout):
    r = rollout().rolled_back()
    r.change(canary="v3")
    r.until(5)
    r.change(canary="v2")
    r.rest()
    assert (r.phase, r.state.revision, r.state.canary) == (Phase.ROLLED_BACK, r.revision(), "v2")

    r.order("retry")
    r.until(50)

    assert (r.state.canary, r.backends[0]) == ("v2", ("v2", 50))


def test_ten_rejected_revisions_are_kept(rollout, side):
    r = rollout()
    for count in range(12):
        r.set(side("v2", f"hash{count}"))
        r.until(5).abort = f"@{count}"
        r.rest()

    assert len(r.state.rejected) == 10
    assert r.state.rejected[-1] == r.revision()


def test_scaling_a_rolled_back_canary_away_and_back_tries_nothing(rollout, gone):
    r = rollout().rolled_back()
    before = r.sides["v2"]
    r.set(gone("v2"))
    r.windows(3)
    r.set(before)

    r.windows(10)

    assert r.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK])
def test_pods_of_what_serves_that_change_are_recorded_with_a_warning(rollout, side, phase):
    r = rollout().to(phase)
    r.change(suspend=True)
    serving = r.state.serving
    r.set(side(serving, "fresh"))

    r.rest()

    assert (r.state.promoted, r.phase, r.said[-1]) == (r.revision(serving), phase, "RevisionWithoutCanary")


def test_what_serves_is_recorded_without_a_word_when_nothing_was_known(rollout, gone, side):
    r = rollout()
    r.set(gone("v1"), gone("v2"))
    r.rest()
    assert r.state.promoted == ""

    r.set(side("v1"))
    r.rest()

    assert (r.state.promoted, r.said) == (r.revision("v1"), ["Initialized"])


def test_a_mix_behind_what_serves_is_no_revision(rollout, side):
    r = rollout().promoted()
    count = len(r.log)
    r.set(side("v2", "222", "fresh"))

    r.rest()

    assert len(r.log) == count


def test_a_label_without_another_workload_is_recorded_after_15_seconds(rollout):
    r = rollout(label="1.0").promoted()
    assert r.status.promoted_revision == "1.0"
    r.change(label="1.1")
    r.rest()
    assert (r.outlook, r.decision.wake_at) == ("WaitingForWorkload", r.monotonic + 15)
    r.wait(14.9)
    r.rest()
    assert r.state.label == "1.0"

    r.wait(0.1)
    r.rest()

    assert (r.state.label, r.said[-1], r.outlook) == ("1.1", "RevisionRecorded", "Serving")
    assert r.status.last_applied_revision == "1.1"


def test_a_label_with_another_workload_is_recorded_by_the_promotion(rollout):
    r = rollout(label="1.0").promoted()
    r.change(label="1.1", canary="v3", stable="v2")
    r.rest()
    assert (r.status.last_applied_revision, r.status.promoted_revision) == ("1.1", "1.0")

    r.promoted()

    assert (r.state.label, "RevisionRecorded" in r.said) == ("1.1", False)


def test_a_label_that_goes_back_in_time_is_forgotten(rollout):
    r = rollout(label="1.0").promoted()
    r.change(label="1.1")
    r.rest()
    r.wait(10)
    r.change(label="1.0")
    r.rest()
    r.change(label="1.1")
    r.rest()
    r.wait(10)
    r.rest()

    assert r.state.label == "1.0"
