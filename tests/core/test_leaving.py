"""A deleted Canary in managed mode: the user's Deployment serves again before anything of ours goes."""

from __future__ import annotations

import msgspec
import pytest

from canary.core.actions.leaving import gives_up
from canary.core.phases import Phase
from canary.core.workload import Root, Selects, Workload

ALL = list(Phase)


def leave(r, seconds=900):
    """Time passes, until the finalizer may go."""
    for _ in range(seconds // 10):
        r.rest()
        if r.finalized:
            return r
        r.wait(10)
    raise AssertionError(f"not let go: {r.decision} {r.writes[-5:]}")


def test_the_order_is_target_services_stamps_split_and_only_then_the_copy(managed):
    r = managed().onboard()
    count = len(r.writes)
    r.delete()
    leave(r)

    assert r.writes[count:-4] == [
        "Split Idle 0", "ScaleCandidate 4", "PointBackend Candidate", "PointRoot Candidate", "Split gone",
    ]  # fmt: skip
    assert sorted(r.writes[-4:]) == [
        "Remove ControllerRevision/r1", "Remove Deployment/shop-stable", "Remove Service/shop-canary",
        "Remove Service/shop-stable",
    ]  # fmt: skip
    assert r.cluster.root.selects is Selects.CANDIDATE


def test_a_backend_that_somebody_deletes_meanwhile_comes_back_for_the_handover(managed):
    r = managed().onboard()
    r.delete()
    while "ScaleCandidate 4" not in r.writes:
        assert r.step()
    r.cluster.parts.remove("Service/shop-canary")
    leave(r)

    assert r.writes[-10:].count("FillGap Service/shop-canary") == 1
    assert len(r.candidate.pods) == 4
    assert r.cluster.root.selects is Selects.CANDIDATE
    assert not r.cluster.leftovers


@pytest.mark.parametrize("phase", ALL)
def test_from_every_phase_the_promoted_template_serves_at_the_end(managed, phase):
    r = managed().to(phase)
    promoted = r.state.promoted
    r.delete()
    leave(r)

    assert r.candidate.revision == promoted
    assert {pod.named for pod in r.candidate.pods} == {promoted}
    assert len(r.candidate.pods) == 4
    assert (r.stable, r.split) == (None, None)
    assert r.cluster.root.selects is Selects.CANDIDATE


@pytest.mark.parametrize("phase", ALL)
def test_nothing_is_due_before_the_split_says_that_the_canary_is_deleted(managed, phase):
    r = managed().to(phase)
    r.delete()
    assert r.due == []

    r.look()
    assert r.due != []


@pytest.mark.parametrize("phase", ALL)
def test_a_restart_after_every_write_changes_nothing_of_the_outcome(managed, phase):
    r = managed().to(phase)
    promoted = r.state.promoted
    r.delete()
    for _ in range(60):
        while not r.finalized and r.step():
            if r.split is not None:
                r.restart()
        if r.finalized:
            break
        r.wait(10)

    assert r.finalized
    assert {pod.named for pod in r.candidate.pods} == {promoted}


@pytest.mark.parametrize("phase", ALL)
def test_a_target_that_is_gone_leaves_stable_serving_without_our_marks(managed, phase):
    r = managed().to(phase)
    r.cluster.candidate = None
    r.delete()
    leave(r)

    assert r.stable is not None
    assert r.cluster.root.selects is Selects.STABLE or phase is Phase.INITIALIZING
    assert not [write for write in r.writes if write.startswith("Remove")] or phase is Phase.INITIALIZING
    assert "Disown Deployment/shop-stable" in r.writes or phase is Phase.INITIALIZING


def test_a_target_that_does_not_become_ready_is_given_up_after_the_deadline(managed):
    r = managed().promoted()
    r.candidate.quota = 0
    r.delete()
    r.rest()
    r.wait(590)
    r.rest()
    assert r.decision.wake_at is not None
    assert not r.finalized

    r.wait(10)
    leave(r, 20)
    assert r.cluster.root.selects is Selects.STABLE
    assert r.stable.revision == "r2"


@pytest.mark.parametrize("left", [True, False], ids=["it has let go", "it has not"])
def test_a_process_whose_clock_is_behind_follows_one_that_has_let_go(managed, left):
    r = managed().promoted()
    r.candidate.quota = 0
    r.delete()
    r.rest()
    count = len(r.writes)
    r.cluster.parts.remove("Service/shop-canary")
    r.cluster.left = left
    for _ in range(3):
        r.rest()
        r.wait(10)

    assert r.finalized is left
    assert ("FillGap Service/shop-canary" in r.writes[count:]) is not left
    assert ("Disown Deployment/shop-stable" in r.writes) is left


@pytest.mark.parametrize(("seq", "given_up"), [(0, False), (1, True)], ids=["no split yet", "a split"])
def test_what_is_left_before_there_was_a_split_an_earlier_canary_has_left(managed, seq, given_up):
    r = managed().onboard()
    r.cluster.left = True
    observed = msgspec.structs.replace(r.observed, record=msgspec.structs.replace(r.observed.record, seq=seq))
    assert gives_up(observed, r.state, r.now) is given_up


def test_a_promotion_that_is_cut_off_is_undone_before_stable_is_left_behind(managed):
    r = managed().promoting()
    r.rest()
    r.cluster.candidate = None
    r.delete()
    leave(r)

    assert r.stable.revision == "r1"


def test_before_there_is_a_split_what_was_made_goes_at_once(managed):
    r = managed()
    r.cluster.broken = {"r1"}
    r.rest()
    r.delete()
    r.cluster.broken = set()
    leave(r, 60)

    assert r.cluster.root.selects is Selects.CANDIDATE
    assert r.stable is None


def test_before_anything_was_made_the_finalizer_goes(managed):
    r = managed()
    r.delete()
    leave(r, 20)

    assert [w for w in r.writes if "Candidate" in w] == []


def test_in_a_terminating_namespace_only_the_finalizer_goes(managed):
    r = managed().until(50)
    count = len(r.writes)
    r.cluster.terminating = True
    r.delete()
    r.rest()

    assert r.finalized
    assert r.writes[count:] == []


def test_a_stable_copy_that_somebody_deleted_does_not_leave_the_root_without_pods(managed):
    r = managed().onboard()
    r.cluster.stable, r.cluster.pins = None, set()
    r.delete()
    leave(r)

    assert r.cluster.root.selects is Selects.CANDIDATE
    assert len(r.candidate.pods) == 4


def test_a_split_that_somebody_removed_before_still_hands_over_and_waits(managed):
    r = managed().onboard()
    r.split = None
    r.delete()
    r.rest()
    r.wait(10)
    r.rest()
    assert r.cluster.root.selects is Selects.CANDIDATE
    assert r.stable is not None

    r.wait(5)
    r.rest()
    assert r.stable is None


def test_state_that_was_lost_under_weight_is_rebuilt_before_anything_is_handed_over(managed):
    r = managed().until(50)
    r.split = msgspec.structs.replace(r.split, state=None)
    r.delete()
    r.look()
    assert r.split.weight_of("shop-canary") == 0

    leave(r)
    assert {pod.named for pod in r.candidate.pods} == {"r1"}


def test_an_invalid_spec_does_not_keep_a_canary(managed):
    r = managed().until(50)
    r.break_spec()
    r.delete()
    leave(r)

    assert {pod.named for pod in r.candidate.pods} == {"r1"}


@pytest.mark.parametrize("phase", [Phase.IDLE, Phase.ROLLED_BACK])
def test_nothing_goes_before_the_workload_was_read(managed, phase):
    r = managed().to(phase)
    r.delete()
    r.look()
    r.restart()
    r.seen["workload"] = Workload("shop", known=False)
    r.wait(600)
    r.rest()
    assert (r.outlook, r.decision.outlook.message) == ("Deleting", "the workload has not been read yet")
    assert r.split is not None

    del r.seen["workload"]
    leave(r)
    assert r.split is None


def test_without_a_root_service_there_is_none_to_point(managed):
    r = managed().onboard()
    r.cluster.root = Root()
    r.delete()
    leave(r)

    assert not r.cluster.root.exists
    assert len(r.candidate.pods) == 4


def _bereft(managed, weight=50):
    """In mid-rollout somebody deletes the stable copy and the template that it ran, then the Canary."""
    r = managed().until(weight)
    r.cluster.stable = None
    r.cluster.pins.discard("r1")
    r.cluster.parts.discard("Deployment/shop-stable")
    r.delete()
    r.wait(5)
    r.rest()
    return r


def test_what_nobody_can_make_again_is_asked_for_and_traffic_stays(managed):
    r = _bereft(managed)

    assert (r.outlook, r.decision.outlook.blocked) == ("StableUnavailable", True)
    assert "nobody can make r1 again, so put it into Deployment shop" in r.decision.outlook.message
    assert "after progressDeadline Deployment shop takes over as it is" in r.decision.outlook.message
    assert r.split.weight_of("shop-canary") == 50
    assert r.decision.wake_at is not None


def test_the_promoted_template_in_the_target_takes_over_at_once(managed):
    r = _bereft(managed)
    r.push("r1")
    r.wait(10)
    leave(r, 60)

    assert {pod.named for pod in r.candidate.pods} == {"r1"}
    assert r.cluster.root.selects is Selects.CANDIDATE


def test_after_the_deadline_the_target_takes_over_as_it_is(managed):
    r = _bereft(managed)
    r.wait(580)
    r.rest()
    assert r.cluster.root.selects is Selects.STABLE

    r.wait(20)
    leave(r, 60)
    assert {pod.named for pod in r.candidate.pods} == {"r2"}
    assert r.cluster.root.selects is Selects.CANDIDATE
    assert (r.split, r.stable) == (None, None)


def test_the_same_holds_for_a_copy_of_which_no_pod_is_ready_any_more(managed):
    r = managed().until(50)
    r.stable.pods, r.stable.quota = [], 0
    r.delete()
    r.rest()
    assert (r.outlook, r.split.weight_of("shop-canary")) == ("StableUnavailable", 50)
    assert "make it ready, or put r1 into Deployment shop" in r.decision.outlook.message

    r.wait(600)
    leave(r, 60)
    assert r.cluster.root.selects is Selects.CANDIDATE
    assert {pod.named for pod in r.candidate.pods} == {"r2"}


def test_a_rejected_release_never_takes_over_and_everything_is_left_as_it_is(managed):
    r = _bereft(managed)
    r.split = msgspec.structs.replace(r.split, state=msgspec.structs.replace(r.state, rejected=("r2",)))
    r.rest()
    assert "everything is left as it is" in r.decision.outlook.message
    count = len(r.writes)
    r.wait(600)
    r.rest()

    assert r.finalized
    assert r.writes[count:] == []
    assert r.split.weight_of("shop-canary") == 50


def test_a_canary_of_several_revisions_does_not_take_over(managed):
    r = _bereft(managed)
    r.cluster.broken = {"r3"}
    r.push("r3")
    r.wait(600)
    r.rest()

    assert r.finalized
    assert r.cluster.root.selects is Selects.STABLE


def test_pods_that_nobody_has_looked_at_yet_are_waited_for(managed):
    r = _bereft(managed)
    r.wait(600)
    sides = {n: msgspec.structs.replace(side, hashes=None, named=None) for n, side in r.cluster.sides().items()}
    r.cluster.sides = lambda: sides
    r.rest()

    assert not r.finalized
    assert r.cluster.root.selects is Selects.STABLE


@pytest.mark.parametrize("rejected", [False, True])
def test_without_anything_that_runs_the_target_takes_over_unless_it_was_rejected(managed, rejected):
    r = managed().rolled_back() if rejected else managed().onboard()
    r.push("r2")
    r.cluster.stable, r.cluster.pins = None, set()
    r.delete()
    r.wait(5)
    r.rest()
    assert r.outlook == "StableUnavailable"
    assert "put r1 into Deployment shop" in r.decision.outlook.message

    r.wait(600)
    leave(r, 60)
    assert r.cluster.root.selects is (Selects.STABLE if rejected else Selects.CANDIDATE)
    assert bool(r.candidate.pods) is not rejected
