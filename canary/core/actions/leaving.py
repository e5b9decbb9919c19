"""A deleted Canary: traffic goes back to the user's Deployment, and everything of ours goes.

The order is that of kubernetes' own rolling update: what will serve is ready first, then the Services select it, and
only then what served before ends. Nothing moves traffic to a template that was not promoted.
"""

from __future__ import annotations

from canary.core.actions.action import Action, Deed
from canary.core.actions.scalers import resume
from canary.core.memory import Memory, left, trusted_state
from canary.core.observed import Now, Observed, Ownership
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
        return restore_stable(state, w) if state is not None and state.reason and state.running else ()
    if resumed := resume(w, state.entered if ours and state is not None else 0, state.seq if state is not None else 0):
        return tuple(resumed)
    if observed.depends_on_stable:
        return restore_stable(state, w) or _hand_over(observed, state, w, now)
    if ours and state is not None:
        return _stamps(w, state)
    if memory.released_at is None or now.monotonic < memory.released_at:
        return ()
    return tuple(Action(Deed.REMOVE, part=part) for part in w.leftovers)


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


def gives_up(observed: Observed, now: Now) -> bool:
    """The user's Deployment cannot take over: it is gone, or has had its time."""
    w, plan = observed.workload, observed.plan or observed.last_plan
    if w is None or w.candidate is None:
        return True
    deadline = plan.deadline if plan else NO_PLAN_DEADLINE
    return observed.deleted_at is not None and left(deadline, observed.deleted_at, now) <= 0


def left_behind(observed: Observed, now: Now) -> bool:
    """What serves is left as it is, without our marks: nothing else can serve."""
    w = observed.workload
    return w is not None and not w.terminating and observed.depends_on_stable and gives_up(observed, now)


def _hand_over(observed: Observed, state: State | None, w: Workload, now: Now) -> tuple[Action, ...]:
    if left_behind(observed, now) or w.candidate is None:
        return tuple(Action(Deed.REMOVE if _kept_for_us(part) else Deed.DISOWN, part=part) for part in w.leftovers)
    candidate, stable = w.candidate, w.stable
    stamp = state.seq if state is not None else observed.record.seq
    promoted = state.promoted if state is not None else observed.record.promoted
    promoted = promoted or (stable.revision if stable is not None else candidate.revision)
    if candidate.revision != promoted and promoted in w.pins:
        return (Action(Deed.RESTORE_CANDIDATE, promoted, stamp=stamp),)
    if candidate.revision != promoted:
        return ()
    size = _size(candidate, stable)
    if candidate.replicas < size:
        return (Action(Deed.SCALE_CANDIDATE, replicas=size, stamp=stamp),)
    plan = observed.plan or observed.last_plan
    side = observed.side(plan.canary) if plan else None
    if side is None or side.ready < size or side.revision != promoted:
        return ()
    found = []
    if w.backend is Selects.STABLE:
        found.append(Action(Deed.POINT_BACKEND, to=Selects.CANDIDATE, stamp=stamp))
    if w.root.exists and w.root.selects is Selects.STABLE:
        found.append(Action(Deed.POINT_ROOT, to=Selects.CANDIDATE, stamp=stamp))
    return tuple(found)


def _kept_for_us(part: str) -> bool:
    """Kept templates serve nobody: without our marks they would never be found again."""
    return part.startswith("ControllerRevision/")


def _size(candidate: Candidate, stable: Copy | None) -> int:
    return max(stable.replicas if stable is not None else candidate.replicas, candidate.size or 0, 1)
