"""What managed mode must keep to at every single write: of the split, and of any other object."""

from __future__ import annotations

from canary.core.actions import Deed
from canary.core.actions.upkeep import CLOSED
from canary.core.phases import Phase
from canary.core.scale import replicas_for
from canary.core.workload import Selects
from tests.core.cluster import CANARY_SERVICE, STABLE_SERVICE
from tests.core.invariants import check_moves_to_something, check_rejected, check_split, check_write, rebuilt


def reach(r):
    """Ways by which requests come in, and whether each finds a ready pod."""
    ways = {}
    if r.cluster.root.exists:
        ways["root"] = bool(r.cluster.pods(r.cluster.root.selects))
    if r.split is not None:
        ways |= {b.service: bool(r.cluster.behind(b.service)) for b in r.split.backends if b.weight}
    return ways


def check_reach(r, before):
    """S8, S11: no way that found a ready pod loses it by a write of ours."""
    now = reach(r)
    lost = {way for way, found in before.items() if found and not now.get(way, True)}
    assert not lost, (lost, r.writes[-6:])


def check_commit(r, commit):
    check_split(commit)
    check_write(commit)
    check_moves_to_something(commit)
    check_rejected(r.log)
    state, cluster = commit.state, r.cluster
    before = None if commit.before is None else commit.before.state
    if before is None or rebuilt(commit):
        return
    if state.weight > before.weight:
        _check_pods_lead(commit, cluster, before)
    if state.phase is Phase.PROMOTED and before.phase is not Phase.PROMOTED and state.promoted != before.promoted:
        # S9, design: traffic returns when every pod of stable runs the revision.
        assert {pod.named for pod in cluster.stable.pods} == {state.promoted}
        assert len(cluster.stable.pods) == cluster.stable.replicas
    if before.phase is Phase.ROLLING_BACK and state.phase is not Phase.ROLLING_BACK and state.promoted in cluster.pins:
        assert cluster.stable.revision == state.promoted
        assert not cluster.stable.drifted
        assert cluster.stable.stamp >= before.entered


def _check_pods_lead(commit, cluster, before):
    """S7: enough pods carry the weight before it comes, and each of them is of the revision."""
    plan, pods = commit.observed.plan, cluster.candidate.pods
    wanted = replicas_for(plan, cluster.stable.replicas, commit.state.weight)
    asked = wanted if cluster.minimum is None else min(wanted, cluster.candidate.replicas)
    assert len(pods) >= asked
    assert {pod.named for pod in pods} == {commit.state.revision}
    if before.weight == 0:
        assert {pod.read for pod in pods} == {commit.state.revision}
        assert cluster.candidate.stamp >= max(before.entered, before.change.seq)


def check_action(r, action):
    state = r.split.state if r.split is not None else None
    phase = state.phase if state is not None else None
    check = _CHECKS.get(action.deed)
    if check is not None:
        check(r, action, state, phase)


def _scale_candidate(r, action, state, phase):
    """S11: never smaller under weight, nor while requests sent before may still be under way."""
    if action.replicas >= r.candidate.replicas:
        return
    assert r.split.weight_of(CANARY_SERVICE) == 0 == state.weight
    assert r.monotonic >= r.lowered_at + r.last_plan.settle
    assert r.cluster.root.selects is not Selects.CANDIDATE
    assert not r.cluster.root.elsewhere
    if phase is Phase.PROGRESSING and not state.restart:
        assert action.replicas > 0


def _scale_stable(r, action, state, phase):
    """Smaller only as somebody asked for, and while no rollout may send all traffic back."""
    if action.replicas < r.stable.replicas:
        assert phase in CLOSED
        assert action.replicas == ((r.candidate and r.candidate.size) or r.cluster.stable_size)


def _template(r, action, state, phase):
    """S9, S25: only what is promoted, or passed every step and is being promoted."""
    if state is None or state.uid != r.uid:
        assert action.revision == (r.record.promoted or r.candidate.revision)
        return
    under_promotion = phase is Phase.PROMOTING and not state.reason and action.revision == state.revision
    assert action.revision == state.promoted or under_promotion
    assert not under_promotion or action.revision not in state.rejected


def _root(r, action, state, phase):
    leaving = bool(r.seen.get("deleting"))
    assert (action.to is Selects.CANDIDATE) == leaving
    assert not r.cluster.root.elsewhere or leaving


def _leaving(r, action, state, phase):
    assert r.seen.get("deleting")
    assert state is None or state.weight == 0


def _remove(r, action, state, phase):
    """S16: what serves is not ours any more, and nothing is sent to what was. A kept template serves nobody."""
    assert r.seen.get("deleting")
    if action.part.startswith("ControllerRevision/"):
        return
    assert r.split is None
    assert not r.cluster.root.exists or r.cluster.root.selects is not Selects.STABLE


def _unpin(r, action, state, phase):
    """S10: what serves, and what was tried last, can be put back."""
    assert phase in CLOSED
    assert action.revision not in (state.promoted, state.revision, r.stable and r.stable.revision)


_CHECKS = {
    Deed.SCALE_CANDIDATE: _scale_candidate,
    Deed.SCALE_STABLE: _scale_stable,
    Deed.CREATE_STABLE: _template,
    Deed.WRITE_STABLE: _template,
    Deed.POINT_ROOT: _root,
    Deed.RESTORE_CANDIDATE: _leaving,
    Deed.DISOWN: _leaving,
    Deed.REMOVE: _remove,
    Deed.UNPIN: _unpin,
}


def check_end(r):
    """S16: nothing of ours is left, and what served still serves; in a namespace that goes, everything goes."""
    if r.cluster.terminating:
        return
    rejected = r.log[-1].state.rejected if r.log else ()
    if r.split is not None and r.split.weight_of(CANARY_SERVICE):
        # Nothing but what was rejected, or is mixed, can serve: then nothing is touched.
        runs = {pod.named for pod in r.cluster.behind(CANARY_SERVICE)}
        assert runs
        assert not r.cluster.behind(STABLE_SERVICE)
        assert runs != {r.candidate.revision} or r.candidate.revision in r.state.rejected
        return
    assert not r.cluster.leftovers
    if r.cluster.root.exists and r.cluster.root.selects is Selects.STABLE:
        assert r.stable is not None or r.candidate is None or r.candidate.revision in rejected
    assert STABLE_SERVICE not in r.cluster.parts
