"""A deleted Canary: traffic to what serves, then what is ours goes and the finalizer with it.

In services mode the split is left as it is, so that no traffic moves. In managed mode it goes, after the user's
Deployment serves again.
"""

from __future__ import annotations

from canary.core.actions.leaving import (
    LEAVING,
    NO_PLAN_DEADLINE,
    heard,
    left_behind,
    restore_stable,
    stamped_for_leaving,
)
from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.memory import Memory, left
from canary.core.observed import Now, Observed, Ownership
from canary.core.phases import Trigger
from canary.core.rules.rebuild import rebuild
from canary.core.rules.safety import drift, roll_back
from canary.core.situation import Situation, propose, say
from canary.core.state import State

FINALIZE = Outlook("Deleting", "traffic is where it stays; the finalizer can go")


_NAMESPACE = Outlook("Deleting", "whether the namespace goes, too, is being looked at")


def delete(s: Situation) -> Decision | None:
    """First the weight, then our annotations; a rollout that is cut off is not counted against its revision."""
    if not s.observed.deleting:
        return None
    if s.workload is not None and s.workload.terminating:
        return Decision(outlook=FINALIZE)
    if s.state.running and (s.state.weight or s.split.weight_of(s.state.canary) or s.workload is not None):
        return roll_back(s, Trigger.DELETED, LEAVING, "the Canary is being deleted", rejects=False)
    if s.workload is not None and s.workload.terminating is None:
        return Decision(outlook=_NAMESPACE)
    if (found := drift(s)) is not None:
        return found
    if s.workload is None:
        return Decision(Change(Act.RELEASE, s.state, s.split.backends, Direction.LEVEL))
    if not heard(s.state):
        # From here on nothing that was prepared earlier is permitted any more, whoever has not heard of the deletion.
        said = say("Deleting", "the Canary is being deleted")
        return propose(s, None, said, reason=LEAVING, note="", entered=s.state.seq + 1)
    return _managed(s.observed, s.state, s.now)


def without_state(observed: Observed, memory: Memory, now: Now) -> Decision:
    """A deleted Canary whose split is gone, is another's, or has no state to be trusted."""
    w, split = observed.workload, observed.split
    if w is None or w.terminating:
        return Decision(outlook=FINALIZE)
    if w.terminating is None:
        return Decision(outlook=_NAMESPACE)
    if not w.known:
        return Decision(outlook=Outlook("Deleting", "the workload has not been read yet"))
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
        return Decision(outlook=Outlook("Deleting", _words(observed, now)), wake_at=wake_at)
    return Decision(outlook=FINALIZE)


def _gives_up_at(observed: Observed, now: Now) -> float | None:
    plan = observed.plan or observed.last_plan
    if observed.deleted_at is None:
        return None
    rest = left(plan.deadline if plan else NO_PLAN_DEADLINE, observed.deleted_at, now)
    return now.monotonic + rest if rest > 0 else None


def _managed(observed: Observed, state: State, now: Now) -> Decision:
    w, split = observed.workload, observed.split
    assert w is not None  # callers have checked them
    assert split is not None
    stays = left_behind(observed, now) and not restore_stable(state, w)
    if (w.handed_over and stamped_for_leaving(w, state)) or stays:
        return Decision(Change(Act.DELETE, state, split.backends, Direction.LEVEL, guarded=True))
    return Decision(outlook=Outlook("Deleting", _words(observed, now)))


def _words(observed: Observed, now: Now) -> str:
    w = observed.workload
    if w is None or w.candidate is None or left_behind(observed, now):
        return "the target cannot take over: the stable copy is left serving, without our marks"
    if observed.depends_on_stable:
        trouble = f" ({w.candidate.trouble})" if w.candidate.trouble else ""
        return f"Deployment {w.target} takes over again before the stable copy goes{trouble}"
    return "what belongs to the Canary is being removed"
