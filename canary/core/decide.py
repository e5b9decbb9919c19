"""The decision: from what was seen to at most one write. Pure: the same values give the same answer.

Rules are asked in the order of `RULES`; the first that has something to say decides. What takes traffic away comes
before what people ask for, and that before what moves up.
"""

from __future__ import annotations

from collections.abc import Callable

from canary.core.decision import Decision, Outlook
from canary.core.memory import Memory, remember, trusted_state
from canary.core.observed import Now, Observed, Ownership
from canary.core.outlook import outlook_of, wake_at
from canary.core.phases import Phase
from canary.core.rules import commands, deadlines, deletion, revisions, safety, steps
from canary.core.rules.rebuild import rebuild
from canary.core.situation import Situation
from canary.core.state import State
from canary.core.window import Reading

Rule = Callable[[Situation], Decision | None]

RULES: tuple[Rule, ...] = (
    safety.newer_state,
    deletion.delete,
    safety.abort,
    safety.breach,
    safety.endpoints_lost,
    safety.drift,
    safety.invalid_spec,
    revisions.back_to_serving,
    revisions.changed,
    revisions.close_rollback,
    deadlines.pods,
    deadlines.no_data,
    deadlines.source_error,
    safety.obstacle,
    revisions.edited_steps,
    commands.command,
    revisions.start,
    steps.advance,
    revisions.serving_changed,
    revisions.label,
)


def evaluate(observed: Observed, memory: Memory, readings: tuple[Reading, ...], now: Now) -> tuple[Memory, Decision]:
    """Remembers what was seen, then decides. `readings` are given once; the memory keeps what still matters."""
    memory = remember(memory, observed, readings, now)
    return memory, decide(observed, memory, now)


def decide(observed: Observed, memory: Memory, now: Now) -> Decision:
    """The one write that is due, or what is waited for and until when."""
    if not observed.split_known:
        return Decision(outlook=Outlook("WaitingForTrafficSplit", "the TrafficSplit has not been read yet"))
    split = observed.split
    if split is not None and split.newer and not observed.deleting:
        return safety.newer_state(_situation(observed, memory, now, State())) or Decision()
    state = trusted_state(observed, memory)
    if observed.deleting and (split is None or state is None or split.ownership is not Ownership.OURS):
        return Decision(outlook=deletion.FINALIZE)
    if split is None or state is None:
        return rebuild(observed, memory, now)
    if split.ownership is not Ownership.OURS:
        why = f"the TrafficSplit is controlled by {split.owner or 'nobody'}"
        return Decision(outlook=Outlook("TrafficConflict", why, blocked=True))
    situation = _situation(observed, memory, now, state)
    decision = next((found for rule in RULES if (found := rule(situation)) is not None), None) or Decision()
    if decision.change is None and decision.outlook is None:
        return Decision(outlook=outlook_of(situation), wake_at=wake_at(situation))
    return Decision(decision.change, decision.outlook, wake_at(situation))


def _situation(observed: Observed, memory: Memory, now: Now, state: State) -> Situation:
    assert observed.split is not None  # callers have checked it
    # A promotion that was opened by a valid plan is finished by it.
    plan = observed.plan or (observed.last_plan if state.phase is Phase.PROMOTING else None)
    return Situation(observed, observed.split, state, memory, now, plan)
