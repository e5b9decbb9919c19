"""A deleted Canary: traffic to what serves, then what is ours goes and the finalizer with it.

In services mode the split is left as it is, so that no traffic moves. In managed mode it goes, after the user's
Deployment serves again.
"""

from __future__ import annotations

from canary.core.actions.leaving import (
    LEAVING,
    barred,
    gives_up,
    heard,
    left_behind,
    overdue,
    patience,
    promoted_revision,
    restore_stable,
    stamped_for_leaving,
)
from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.memory import Memory, left
from canary.core.observed import Now, Observed, Ownership
from canary.core.phases import Trigger
from canary.core.rules.rebuild import rebuild
from canary.core.rules.safety import drift, roll_back
from canary.core.situation import Situation, propose, say, stable_unavailable
from canary.core.state import State
from canary.core.workload import Selects, Workload

FINALIZE = Outlook("Deleting", "traffic is where it stays; the finalizer can go")


_NAMESPACE = Outlook("Deleting", "whether the namespace goes, too, is being looked at")
_UNREAD = Outlook("Deleting", "the workload has not been read yet")


def delete(s: Situation) -> Decision | None:
    """First the weight, then our annotations; a rollout that is cut off is not counted against its revision."""
    if not s.observed.deleting:
        return None
    if s.workload is not None and s.workload.terminating:
        return Decision(outlook=FINALIZE)
    if s.state.running and (s.state.weight or s.split.weight_of(s.state.canary) or s.workload is not None):
        lowered = roll_back(s, Trigger.DELETED, LEAVING, _reason(s.workload), rejects=False)
        return lowered if lowered.change is not None else _held(s)
    if s.workload is not None and s.workload.terminating is None:
        return Decision(outlook=_NAMESPACE)
    if s.workload is not None and not s.workload.known:
        return Decision(outlook=_UNREAD)
    if (found := drift(s)) is not None:
        return found
    if s.workload is None:
        return Decision(Change(Act.RELEASE, s.state, s.split.backends, Direction.LEVEL))
    if not heard(s.state):
        # From here on nothing that was prepared earlier is permitted any more, whoever has not heard of the deletion.
        said = say("Deleting", "the Canary is being deleted")
        return propose(s, None, said, reason=LEAVING, note="", entered=s.state.seq + 1)
    return _managed(s.observed, s.state, s.now)


def _reason(w: Workload | None) -> str:
    taken_over = w is not None and w.root.selects is Selects.CANDIDATE and w.backend is Selects.CANDIDATE
    over = f", Deployment {w.target} has taken over" if w is not None and taken_over else ""
    return f"the Canary is being deleted{over}"


def _held(s: Situation) -> Decision:
    """What serves has no ready endpoint and the canary has some: traffic stays, and somebody must look; but not for
    ever."""
    stays = overdue(s.observed, s.now)
    if s.workload is None:
        if stays:
            return Decision(Change(Act.RELEASE, s.state, s.split.backends, Direction.LEVEL))
        return Decision(outlook=_while_held(s, "put ready pods behind it", "the TrafficSplit is left as it is"))
    if stays and s.workload.known and gives_up(s.observed, s.state, s.now):
        return Decision(outlook=FINALIZE)
    then = f"Deployment {s.workload.target} takes over as it is"
    if s.workload.candidate is None or barred(s.observed, s.state):
        then = f"everything is left as it is, since {s.state.revision} must not take over"
    return Decision(outlook=_while_held(s, _way_out(s.workload, s.state), then))


def _while_held(s: Situation, way_out: str, then: str) -> Outlook:
    blocked = stable_unavailable(s)
    return Outlook(blocked.reason, f"{blocked.message}; {way_out}; after progressDeadline {then}", blocked=True)


def _way_out(w: Workload, state: State) -> str:
    """What people can do while nothing that was promoted is ready."""
    if w.stable is None and state.promoted not in w.pins:
        return f"nobody can make {state.promoted} again, so put it into Deployment {w.target}, which then takes over"
    return f"make it ready, or put {state.promoted} into Deployment {w.target}, which then takes over"


def without_state(observed: Observed, memory: Memory, now: Now) -> Decision:
    """A deleted Canary whose split is gone, is another's, or has no state to be trusted."""
    w, split = observed.workload, observed.split
    if w is None or w.terminating:
        return Decision(outlook=FINALIZE)
    if w.terminating is None:
        return Decision(outlook=_NAMESPACE)
    if not w.known:
        return Decision(outlook=_UNREAD)
    if split is not None and split.ownership is Ownership.OURS:
        found = Decision() if split.newer else rebuild(observed, memory, now)
        if found.change is not None:
            return found  # First the traffic, and a state from which the rest follows.
        state = State(uid=observed.uid, seq=observed.record.seq)
        return _managed(observed, state, now)
    waits = memory.released_at is None or now.monotonic < memory.released_at
    if w.leftovers or (waits and not observed.depends_on_stable):
        released = memory.released_at if waits else None  # A moment that has passed would wake us all the time.
        wake_at = _gives_up_at(observed, now) if memory.released_at is None else released
        return Decision(outlook=_waiting(observed, None, now), wake_at=wake_at)
    return Decision(outlook=FINALIZE)


def _gives_up_at(observed: Observed, now: Now) -> float | None:
    if observed.deleted_at is None:
        return None
    rest = left(patience(observed), observed.deleted_at, now)
    return now.monotonic + rest if rest > 0 else None


def _managed(observed: Observed, state: State, now: Now) -> Decision:
    w, split = observed.workload, observed.split
    assert w is not None  # callers have checked them
    assert split is not None
    stays = left_behind(observed, state, now) and not restore_stable(state, w)
    if (w.handed_over and stamped_for_leaving(w, state)) or stays:
        return Decision(Change(Act.DELETE, state, split.backends, Direction.LEVEL, guarded=True))
    return Decision(outlook=_waiting(observed, state, now))


def _waiting(observed: Observed, state: State | None, now: Now) -> Outlook:
    w = observed.workload
    if w is None or w.candidate is None or left_behind(observed, state, now):
        words = "the target cannot take over: the stable copy is left serving, without our marks"
    elif observed.depends_on_stable and _lost(observed, w, state):
        return Outlook("StableUnavailable", _after_loss(observed, w, state), blocked=True)
    elif observed.depends_on_stable:
        trouble = f" ({w.candidate.trouble})" if w.candidate.trouble else ""
        words = f"Deployment {w.target} takes over again before the stable copy goes{trouble}"
    else:
        words = "what belongs to the Canary is being removed"
    return Outlook("Deleting", words)


def _lost(observed: Observed, w: Workload, state: State | None) -> bool:
    """Nobody runs what was promoted, and nobody can make it again."""
    promoted = promoted_revision(observed, state)
    held = w.candidate.revision if w.candidate is not None else ""
    return w.stable is None and promoted not in (*w.pins, held)


def _after_loss(observed: Observed, w: Workload, state: State | None) -> str:
    promoted = promoted_revision(observed, state)
    then = f"the root Service is left as it is, since {w.target} holds what was rejected"
    if not barred(observed, state):
        then = "it takes over as it is"
    return (
        f"the stable copy of Deployment {w.target} and its template {promoted} are gone: put {promoted} into "
        f"Deployment {w.target}, which then takes over; after progressDeadline {then}"
    )
