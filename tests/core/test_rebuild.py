"""A split without a state that can be trusted, ownership, and deletion."""

from __future__ import annotations

import msgspec
import pytest

from canary.api.canary import Record
from canary.core.observed import Backend, Ownership, Split
from canary.core.phases import Phase
from canary.core.plan import Stage

LONG = (Stage(5, hold=36_000.0), Stage(100))


def lost(r):
    """The annotation is gone, the weights are still there."""
    r.split = msgspec.structs.replace(r.split, state=None)


def found(*backends, **fields):
    return Split("split-0", None, tuple(Backend(*backend) for backend in backends), **fields)


# The first write.


def test_a_new_canary_creates_its_split_with_all_traffic_on_stable(rollout):
    r = rollout()

    decision = r.look()

    assert (decision.change.act, r.backends, r.phase) == ("Create", [("v1", 100)], Phase.IDLE)
    assert (r.state.uid, r.state.seq, r.state.promoted) == ("canary-1", 1, r.revision("v1"))
    assert decision.change.guarded


@pytest.mark.parametrize("what", ["service", "root", "version", "version missing", "conflict", "split unknown"])
def test_what_is_not_there_yet_is_waited_for(rollout, side, what):
    r = rollout()
    r.seen |= {
        "service": {}, "root": {"root_problem": "Service shop does not exist"},
        "version": {"version_problem": "matches need v1alpha3"}, "conflict": {"conflict": "another split"},
        "version missing": {"version_problem": "no CRD", "version_missing": True},
        "split unknown": {"split_known": False},
    }[what]  # fmt: skip
    if what == "service":
        r.set(side("v1", exists=False, ready=0, hashes=None))
        del r.sides["v2"]

    r.rest()

    waits = what in ("service", "root", "version missing", "split unknown")
    assert (r.split, r.decision.outlook.blocked) == (None, not waits)


def test_a_first_canary_without_ready_stable_pods_serves_all_the_same(rollout, gone):
    r = rollout()
    r.set(gone("v1"), gone("v2"))

    r.rest()

    assert r.backends == [("v1", 100)]


# Ownership.


def test_a_free_split_is_a_conflict_without_adopt(rollout):
    r = rollout()
    r.split = found(("v1", 100), ownership=Ownership.FREE)

    r.windows(3)

    assert (r.outlook, r.split.state) == ("TrafficConflict", None)


def test_a_free_split_is_taken_over_with_adopt(rollout):
    r = rollout()
    r.seen["adopt"] = True
    r.split = found(("v1", 30), ("v2", 70), ownership=Ownership.FREE)

    r.look()

    assert (r.state.serving, r.backends, r.phase) == ("v2", [("v2", 100)], Phase.IDLE)


def test_a_free_split_that_gitops_tracks_is_not_taken_over(rollout):
    r = rollout()
    r.seen["adopt"] = True
    r.split = found(("v1", 100), ownership=Ownership.FREE, tracked="Flux")

    r.rest()

    assert r.outlook == "TrafficConflict"


@pytest.mark.parametrize("with_state", [True, False])
def test_a_foreign_split_is_never_written(rollout, with_state):
    r = rollout().until(5)
    r.seen["adopt"] = True
    r.split = msgspec.structs.replace(r.split, ownership=Ownership.FOREIGN, owner="other/uid")
    if not with_state:
        lost(r)
    r.abort = "@t"

    r.windows(5)

    assert (r.weight if with_state else 5, r.outlook) == (5, "TrafficConflict")


def test_a_terminating_split_without_state_is_waited_for(rollout):
    r = rollout()
    r.split = found(("v1", 100), terminating=True)

    r.rest()

    assert r.outlook == "WaitingForDeletion"


# State that was lost.


def test_state_lost_mid_rollout_begins_in_rolling_back_and_starts_over(rollout):
    r = rollout().until(50)
    lost(r)

    r.look()
    assert (r.phase, r.backends, r.state.seq) == (Phase.ROLLING_BACK, [("v1", 100)], r.record.seq)
    r.rest()
    assert (r.phase, r.weight) == (Phase.PROGRESSING, 0)

    r.until(5)


def test_a_deleted_split_comes_back_with_the_canary_at_0(rollout):
    r = rollout().until(50)
    seq = r.state.seq
    r.split = None

    decision = r.look()

    assert (decision.change.act, r.backends, r.state.seq) == ("Create", [("v1", 100)], seq + 1)


def test_after_a_promotion_the_record_says_who_serves(rollout):
    r = rollout().promoted()
    r.split = None
    r.restart()

    r.rest()

    assert (r.state.serving, r.backends, r.phase) == ("v2", [("v2", 100)], Phase.IDLE)


def test_what_was_rejected_stays_rejected(rollout):
    r = rollout().rolled_back()
    r.split = None
    r.restart()

    r.windows(10)

    assert (r.phase, r.weight, r.outlook) == (Phase.ROLLED_BACK, 0, "Rejected")


@pytest.mark.parametrize(("backends", "serving"), [((("v1", 10), ("v2", 90)), "v2"), ((("v2", 10), ("v1", 90)), "v1"),
                                                   ((("x", 90), ("v2", 10)), "v1"), ((), "v1")])  # fmt: skip
def test_without_a_record_the_heavier_backend_serves_if_it_is_known(rollout, backends, serving):
    r = rollout()
    r.split = found(*backends)

    r.look()

    assert (r.state.serving, r.backends) == (serving, [(serving, 100)])


def test_nothing_is_written_when_nobody_can_tell_what_serves(rollout, gone, side):
    r = rollout().promoted()
    r.split = None
    r.set(gone("v2"))
    r.rest()
    assert (r.split, r.outlook, r.decision.outlook.blocked) == (None, "ServingUnknown", True)

    r.set(side("v2"))
    r.rest()

    assert r.backends == [("v2", 100)]


def test_a_command_from_before_is_expired_and_dropped(rollout):
    r = rollout(stages=LONG).until(5)
    r.order("promote-full")
    lost(r)

    r.windows(10)

    assert "CommandExpired" in r.said
    assert (r.state.command, max(r.weights[2:])) == (r.command, 5)


def test_an_answered_command_from_before_does_not_expire(rollout):
    r = rollout(stages=LONG).until(5)
    r.order("pause")
    r.rest()
    lost(r)

    r.rest()

    assert "CommandExpired" not in r.said


def test_an_abort_given_while_the_state_was_lost_still_acts(rollout):
    r = rollout(stages=LONG).until(5)
    lost(r)
    r.abort = "@t"

    r.windows(10)

    assert (r.phase, r.weight, r.state.rejected) == (Phase.ROLLED_BACK, 0, (r.revision(),))


def test_an_old_copy_of_the_split_counts_as_missing(rollout, bad):
    r = rollout(failure_limit=1).until(5)
    old = r.split
    r.projects = False
    r.window(bad)
    r.projects = True
    r.split = old

    r.look()
    assert (r.phase, r.weight) == (Phase.ROLLING_BACK, 0)
    assert r.state.seq > old.state.seq + 1


def test_an_old_copy_that_only_the_record_knows_to_be_old_counts_as_missing(rollout, bad):
    r = rollout(failure_limit=1).until(5)
    old = r.split
    r.window(bad)
    r.split = old
    r.restart()

    r.windows(10)

    assert (r.phase, r.weight) == (Phase.ROLLED_BACK, 0)


def test_the_state_of_another_canary_counts_as_missing(rollout):
    r = rollout().until(5)
    r.uid, r.record, r.memory = "canary-2", Record(), type(r.memory)()

    r.look()

    assert (r.state.uid, r.weight, r.phase) == ("canary-2", 0, Phase.IDLE)


def test_seq_goes_on_from_the_record(rollout):
    r = rollout()
    r.record = Record(seq=41, epoch=3, serving="v1")

    r.look()

    assert (r.state.seq, r.phase) == (42, Phase.ROLLING_BACK)


def test_a_rebuild_with_an_invalid_spec_uses_the_last_valid_plan(rollout):
    r = rollout().until(5)
    lost(r)
    r.break_spec()

    r.rest()

    assert (r.phase, r.backends) == (Phase.IDLE, [("v1", 100)])


# Deletion.


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.INITIALIZING])
def test_deletion_in_each_phase_takes_the_weight_and_lets_go(rollout, phase):
    r = rollout().to(phase)
    serving = r.state.serving
    r.seen["deleting"] = True

    r.rest()

    assert (r.backends, r.split.state, r.outlook) == ([(serving, 100)], None, "Deleting")


@pytest.mark.parametrize("hindrance", ["invalid", "conflict", "paused", "version", "foreign", "no split", "newer"])
def test_deletion_ends_whatever_the_world_looks_like(rollout, hindrance):
    r = rollout().until(5)
    if hindrance == "invalid":
        r.break_spec()
    if hindrance == "paused":
        r.order("pause")
        r.rest()
    if hindrance == "foreign":
        r.split = msgspec.structs.replace(r.split, ownership=Ownership.FOREIGN)
    if hindrance == "no split":
        r.split = None
    if hindrance == "newer":
        r.split = msgspec.structs.replace(r.split, state=None, newer=True)
    r.seen |= {"deleting": True, "conflict": "two" if hindrance == "conflict" else ""}
    r.seen |= {"version_problem": "gone" if hindrance == "version" else ""}

    r.rest()

    assert r.outlook == "Deleting"


def test_a_deletion_while_only_the_canary_is_ready_ends_after_the_deadline_with_the_traffic_as_it_is(rollout, gone):
    r = rollout().until(5)
    r.sides["v1"] = gone("v1")
    r.seen |= {"deleting": True, "deleted_at": r.wall}
    r.rest()
    assert (r.outlook, r.decision.outlook.blocked) == ("StableUnavailable", True)
    assert "after progressDeadline the TrafficSplit is left as it is" in r.decision.outlook.message
    r.wait(500)
    r.rest()
    assert r.decision.wake_at == r.monotonic + 100

    r.wait(100)
    r.rest()
    assert (r.backends, r.split.state, r.outlook) == ([("v2", 5), ("v1", 95)], None, "Deleting")


def test_deletion_before_anything_was_written(rollout):
    r = rollout()
    r.seen["deleting"] = True

    r.rest()

    assert (r.split, r.outlook) == (None, "Deleting")


def test_deletion_does_not_reject_the_revision(rollout):
    r = rollout().until(5)
    r.seen["deleting"] = True

    r.rest()

    assert r.log[-1].state.rejected == ()


def test_a_recreated_canary_finds_its_split_again(rollout):
    r = rollout().promoted()
    r.seen["deleting"] = True
    r.rest()
    r.seen = {"adopt": True}
    r.uid, r.record, r.memory = "canary-2", Record(), type(r.memory)()

    r.rest()

    assert (r.state.serving, r.backends) == ("v2", [("v2", 100)])


def test_a_drift_is_not_left_behind_by_deletion(rollout):
    r = rollout().rolled_back()
    r.by_hand(("v2", 60), ("v1", 40))
    r.seen["deleting"] = True

    r.rest()

    assert (r.backends, r.outlook) == ([("v1", 100)], "Deleting")


def test_the_epoch_never_falls_when_another_canary_takes_a_split_over(rollout):
    r = rollout().until(5)
    r.split = msgspec.structs.replace(r.split, state=msgspec.structs.replace(r.split.state, epoch=9))
    r.uid, r.record, r.memory = "canary-2", Record(), type(r.memory)()

    r.look()

    assert r.log[-1].change.state.epoch == 9
