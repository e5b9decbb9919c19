"""The decision: from what was seen to at most one write. Pure: the same values give the same answer.

Rules are asked in the order of `RULES`; the first that has something to say decides. What takes traffic away comes
before what people ask for, and that before what moves up.
"""

from __future__ import annotations

from collections.abc import Callable

from canary.core.decision import Decision, Outlook
from canary.core.memory import Memory, remember, trusted_state
from canary.core.observed import Now, Observed
from canary.core.outlook import outlook_of, wake_at
from canary.core.rules import commands, deadlines, deletion, onboarding, revisions, safety, steps
from canary.core.rules.rebuild import rebuild
from canary.core.situation import Situation, situation_of, with_state
from canary.core.state import State
from canary.core.window import Reading

Rule = Callable[[Situation], Decision | None]

RULES: tuple[Rule, ...] = (
    safety.newer_state,
    deletion.delete,
    safety.abort,
    safety.undo,
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
    onboarding.finish,
    onboarding.restarted,
    revisions.edited_steps,
    commands.command,
    revisions.start,
    steps.advance,
    steps.keep_evidence,
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
        return safety.newer_state(with_state(observed, memory, now, split, State())) or Decision()
    situation = situation_of(observed, memory, now)
    if observed.deleting and situation is None:
        return deletion.without_state(observed, memory, now)
    if split is None or trusted_state(observed, memory) is None:
        return rebuild(observed, memory, now)
    if situation is None:
        why = f"the TrafficSplit is controlled by {split.owner or 'nobody'}"
        return Decision(outlook=Outlook("TrafficConflict", why, blocked=True))
    decision = next((found for rule in RULES if (found := rule(situation)) is not None), None) or Decision()
    if decision.change is None and decision.outlook is None:
        return Decision(outlook=outlook_of(situation), wake_at=wake_at(situation))
    return Decision(decision.change, decision.outlook, wake_at(situation))
