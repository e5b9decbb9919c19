"""A deleted Canary: traffic goes back to the user's Deployment, and everything of ours goes.

The order is that of kubernetes' own rolling update: what will serve is ready first, then the Services select it, and
only then what served before ends. Nothing moves traffic to a template that was not promoted.
"""

from __future__ import annotations

from canary.core.actions.action import Action, Deed
from canary.core.actions.scalers import resume
from canary.core.actions.upkeep import yields
from canary.core.memory import Memory, left, trusted_state
from canary.core.observed import Now, Observed, Ownership, Side
from canary.core.state import State
from canary.core.workload import Candidate, Copy, Selects, Workload

LEAVING = "Deleted"
"""The reason in a state that knows of the deletion."""
NO_PLAN_DEADLINE = 600.0
"""progressDeadline, in seconds, where no valid spec says so: the default of the resource."""


def due_leaving(observed: Observed, memory: Memory, now: Now) -> tuple[Action, ...]:
    """What is due before the finalizer may go; empty when it may, or while something is waited for."""
    w = observed.workload
    if w is None or w.terminating:
        return ()
    state = trusted_state(observed, memory)
    ours = observed.split is not None and observed.split.ownership is Ownership.OURS
    if ours and not heard(state):
        # First the traffic, and the word that stops whoever is late. Traffic may be waiting for stable to be restored.
        restored = restore_stable(state, w) if state is not None and state.reason and state.running else ()
        return restored or _relieve(observed, state, w, now)
    if resumed := resume(w, state.entered if ours and state is not None else 0, state.seq if state is not None else 0):
        return tuple(resumed)
    if observed.depends_on_stable:
        return restore_stable(state, w) or _hand_over(observed, state, w, now)
    if ours and state is not None:
        return _stamps(w, state)
    if memory.released_at is None or now.monotonic < memory.released_at:
        return ()
    return (*yields(w), *(Action(Deed.REMOVE, part=part) for part in w.leftovers))


def heard(state: State | None) -> bool:
    """The split says that the Canary is being deleted, and the canary has no traffic by it."""
    return state is not None and state.reason == LEAVING and not state.running and not state.weight


def stamped_for_leaving(w: Workload, state: State) -> bool:
    """Writes that were prepared before the split said so can no longer succeed."""
    return not _stamps(w, state)


def _stamps(w: Workload, state: State) -> tuple[Action, ...]:
    since, stamp, found = state.entered, state.seq, []
    if w.root.exists and w.root.stamp < since:
        found.append(Action(Deed.STAMP_ROOT, stamp=stamp))
    if w.backend is Selects.CANDIDATE and w.backend_stamp < since:
        found.append(Action(Deed.POINT_BACKEND, to=Selects.CANDIDATE, stamp=stamp))
    if w.candidate is not None and w.candidate.stamp < since:
        found.append(Action(Deed.SCALE_CANDIDATE, replicas=w.candidate.replicas, stamp=stamp))
    return (*found, *resume(w, since, stamp))


def restore_stable(state: State | None, w: Workload) -> tuple[Action, ...]:
    """A promotion that was cut off: what serves until the handover, or for good, is what was promoted."""
    if state is None or w.stable is None or state.promoted not in w.pins:
        return ()
    if w.stable.revision == state.promoted and not w.stable.drifted:
        return ()
    return (Action(Deed.WRITE_STABLE, state.promoted, stamp=state.seq),)


def patience(observed: Observed) -> float:
    """progressDeadline, in seconds."""
    plan = observed.plan or observed.last_plan
    return plan.deadline if plan else NO_PLAN_DEADLINE


def overdue(observed: Observed, now: Now) -> bool:
    """The user's Deployment has had its time to take over."""
    return observed.deleted_at is not None and left(patience(observed), observed.deleted_at, now) <= 0


def barred(observed: Observed, state: State | None) -> bool:
    """The user's Deployment holds a revision that was rejected."""
    candidate = observed.workload.candidate if observed.workload is not None else None
    rejected = state.rejected if state is not None else ()
    return candidate is not None and candidate.revision in (*rejected, *observed.record.rejected)


def replaces(observed: Observed, state: State | None, now: Now) -> bool:
    """The user's Deployment takes over with what it holds, though that was not promoted, for nothing else can serve.

    Its time is up, and of what was promoted no pod is ready; either all pods that are ready here are of the revision
    that it holds, or there is no stable copy to wait for. Never with a rejected one. Once the root Service selects the
    Deployment there is no way back.
    """
    w = observed.workload
    if w is None or w.candidate is None or not w.candidate.revision or not overdue(observed, now):
        return False
    stable, trial = _sides(observed, state)
    lost = stable.gone or w.root.selects is Selects.CANDIDATE
    able = trial.revision == w.candidate.revision if trial.ready else w.stable is None
    return lost and able and not barred(observed, state)


def gives_up(observed: Observed, state: State | None, now: Now) -> bool:
    """The user's Deployment cannot take over: it is gone, or has had its time, by the clock of any process."""
    w = observed.workload
    if w is None or w.candidate is None or _let_go(observed, w):
        return True
    unseen = _sides(observed, state)[1].unseen
    return overdue(observed, now) and not unseen and not replaces(observed, state, now)


def _let_go(observed: Observed, w: Workload) -> bool:
    """Another process has begun to leave everything as it is, and takes nothing of that back: its clock is ahead.

    What an earlier Canary of this name had left was taken over before this one had a split.
    """
    return w.left and observed.record.seq > 0


def left_behind(observed: Observed, state: State | None, now: Now) -> bool:
    """What serves is left as it is, without our marks: nothing else can serve."""
    w = observed.workload
    return w is not None and not w.terminating and observed.depends_on_stable and gives_up(observed, state, now)


def _sides(observed: Observed, state: State | None) -> tuple[Side, Side]:
    """Stable's side and the canary's."""
    plan = observed.plan or observed.last_plan
    stable = (state.serving if state is not None else "") or (plan.stable if plan else "")
    return observed.side(stable), observed.side(_canary_service(observed, state))


def _canary_service(observed: Observed, state: State | None) -> str:
    plan = observed.plan or observed.last_plan
    return plan.canary if plan else state.canary if state is not None else ""


def _relieve(observed: Observed, state: State | None, w: Workload, now: Now) -> tuple[Action, ...]:
    """Traffic cannot be taken back: what serves has no ready endpoint, and the canary has some.

    Once its Service selects the user's Deployment it has, and nothing is in the way any more.
    """
    stable, trial = _sides(observed, state)
    if state is None or w.candidate is None or not (stable.gone and trial.ready):
        return ()
    replaced = replaces(observed, state, now)
    if not replaced and w.candidate.revision != state.promoted:
        return ()
    return _take_over(w, w.candidate, trial, state.seq, replaced=replaced)


def _hand_over(observed: Observed, state: State | None, w: Workload, now: Now) -> tuple[Action, ...]:
    if left_behind(observed, state, now) or w.candidate is None:
        return tuple(Action(Deed.DISOWN, part=part) for part in w.leftovers)
    if (service := f"Service/{_canary_service(observed, state)}") in w.gaps:
        # By it the pods that take over are seen to be ready: whoever has deleted it would stop the handover.
        return (Action(Deed.FILL_GAP, part=service),)
    candidate, stamp = w.candidate, state.seq if state is not None else observed.record.seq
    promoted = promoted_revision(observed, state)
    replaced = replaces(observed, state, now)
    if candidate.revision != promoted and not replaced:
        restorable = promoted in w.pins
        return (Action(Deed.RESTORE_CANDIDATE, promoted, stamp=stamp),) if restorable else ()
    return _take_over(w, candidate, _sides(observed, state)[1], stamp, replaced=replaced)


def promoted_revision(observed: Observed, state: State | None) -> str:
    """What the user's Deployment must hold to take over."""
    w = observed.workload
    promoted = state.promoted if state is not None else observed.record.promoted
    runs = (w.stable or w.candidate) if w is not None else None
    return promoted or (runs.revision if runs is not None else "")


def _take_over(w: Workload, candidate: Candidate, side: Side, stamp: int, *, replaced: bool) -> tuple[Action, ...]:
    """Pods for all the traffic, then the Services. Where nothing else can serve nobody waits for the last pod."""
    size = _size(candidate, w.stable)
    if candidate.replicas < size:
        return (Action(Deed.SCALE_CANDIDATE, replicas=size, stamp=stamp),)
    if not replaced and (side.ready < size or side.revision != candidate.revision):
        return ()
    found = []
    if w.backend is Selects.STABLE:
        found.append(Action(Deed.POINT_BACKEND, to=Selects.CANDIDATE, stamp=stamp))
    if w.root.exists and w.root.selects is Selects.STABLE:
        found.append(Action(Deed.POINT_ROOT, to=Selects.CANDIDATE, stamp=stamp))
    return tuple(reversed(found) if replaced else found)


def _size(candidate: Candidate, stable: Copy | None) -> int:
    return max(stable.replicas if stable is not None else candidate.replicas, candidate.size or 0, 1)
