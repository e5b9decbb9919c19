"""What must be done to the workload in managed mode, beside the split: decided here, carried out elsewhere.

Like the decision this is pure and level-based: `due` says what is to be done now, from what was seen and what the state
in the split permits. Whoever carries an action out reads the object, then the split, and asks `due` again.
"""

from __future__ import annotations

from canary.core.actions.action import Action, Deed
from canary.core.actions.leaving import LEAVING, due_leaving
from canary.core.actions.onboarding import due_unsplit
from canary.core.actions.upkeep import due_in_phase
from canary.core.memory import Memory
from canary.core.observed import Now, Observed
from canary.core.situation import situation_of

__all__ = ["Action", "Deed", "due"]


def due(observed: Observed, memory: Memory, now: Now) -> tuple[Action, ...]:
    """The actions that are due, in the order in which they must be done; none while too little is known."""
    workload = observed.workload
    if workload is None or not workload.known or workload.terminating or not observed.split_known:
        return ()
    if observed.deleting and workload.terminating is None:
        return ()
    if observed.deleting:
        return due_leaving(observed, memory, now)
    if workload.problem is not None:
        return ()
    situation = situation_of(observed, memory, now)
    if situation is None:
        return due_unsplit(observed)
    if situation.state.reason == LEAVING:
        return ()  # Who has not heard of the deletion yet reads it in the split.
    return due_in_phase(situation)
