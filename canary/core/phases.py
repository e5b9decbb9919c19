"""The phases of a Canary and every way from one to another.

`TRANSITIONS` is the whole state machine: a rule of the decision names a trigger, and `move` looks it up. What is not in
the table cannot happen. `docs/state-machine.md` is drawn from it.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Where a Canary stands. The split's state carries it; the status shows it."""

    INITIALIZING = "Initializing"
    IDLE = "Idle"
    PROGRESSING = "Progressing"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    PROMOTED = "Promoted"


class Trigger(StrEnum):
    """What moves a Canary on. The value is the label in the diagram."""

    SPLIT_CREATED = "split created or adopted"
    COPY_READY = "stable copy ready, split created"
    ONBOARDED = "root Service selects stable, target scaled down"
    REBUILT = "state rebuilt"
    REVISION_FOUND = "new revision ready"
    REVISION_CHANGED = "another revision appears"
    STEP_PASSED = "step passed"
    STEPS_PASSED = "last step passed"
    BAKE_PASSED = "bake at 100 passed"
    WINDOW_PASSED = "full Healthy window at 100"
    STABLE_FOLLOWED = "stable runs the revision"
    PROMOTE_FULL = "promote-full"
    BREACH = "failureLimit or rollbackAt"
    ABORT = "abort"
    BACK_TO_SERVING = "the serving revision is asked for"
    ENDPOINTS_LOST = "canary endpoints lost"
    ENDPOINTS_LOST_AGAIN = "canary endpoints lost too often"
    DEADLINE = "progressDeadline"
    NO_DATA = "noData action Rollback"
    SOURCE_ERROR = "sourceError action Rollback"
    INVALID_SPEC = "spec invalid"
    DELETED = "Canary deleted"
    REJECTED = "revision rejected before"
    LOWERED_TO_ZERO = "weight set to 0 by hand"
    CLOSED_REJECTED = "closed, revision rejected"
    CLOSED_IDLE = "closed, nothing to roll out"
    CLOSED_ANEW = "closed, start over"
    RETRY = "retry"


_P = Phase
_T = Trigger

TRANSITIONS: dict[tuple[Phase, Trigger], Phase] = {
    (_P.INITIALIZING, _T.SPLIT_CREATED): _P.IDLE,
    (_P.INITIALIZING, _T.COPY_READY): _P.INITIALIZING,
    (_P.INITIALIZING, _T.ONBOARDED): _P.IDLE,
    (_P.INITIALIZING, _T.REBUILT): _P.ROLLING_BACK,
    (_P.IDLE, _T.REVISION_FOUND): _P.PROGRESSING,
    (_P.IDLE, _T.REJECTED): _P.ROLLED_BACK,
    (_P.PROGRESSING, _T.STEP_PASSED): _P.PROGRESSING,
    (_P.PROGRESSING, _T.STEPS_PASSED): _P.PROMOTING,
    (_P.PROGRESSING, _T.BAKE_PASSED): _P.PROMOTED,
    (_P.PROGRESSING, _T.PROMOTE_FULL): _P.PROMOTING,
    (_P.PROGRESSING, _T.REVISION_CHANGED): _P.PROGRESSING,
    (_P.PROGRESSING, _T.ENDPOINTS_LOST): _P.PROGRESSING,
    (_P.PROGRESSING, _T.INVALID_SPEC): _P.PROGRESSING,
    (_P.PROGRESSING, _T.ENDPOINTS_LOST_AGAIN): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.BREACH): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.ABORT): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.LOWERED_TO_ZERO): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.DEADLINE): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.NO_DATA): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.SOURCE_ERROR): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.REJECTED): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.BACK_TO_SERVING): _P.ROLLING_BACK,
    (_P.PROGRESSING, _T.DELETED): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.WINDOW_PASSED): _P.PROMOTED,
    (_P.PROMOTING, _T.STABLE_FOLLOWED): _P.PROMOTED,
    (_P.PROMOTING, _T.DEADLINE): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.BREACH): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.ABORT): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.LOWERED_TO_ZERO): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.ENDPOINTS_LOST): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.REVISION_CHANGED): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.BACK_TO_SERVING): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.NO_DATA): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.SOURCE_ERROR): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.INVALID_SPEC): _P.ROLLING_BACK,
    (_P.PROMOTING, _T.DELETED): _P.ROLLING_BACK,
    (_P.ROLLING_BACK, _T.CLOSED_REJECTED): _P.ROLLED_BACK,
    (_P.ROLLING_BACK, _T.CLOSED_IDLE): _P.IDLE,
    (_P.ROLLING_BACK, _T.CLOSED_ANEW): _P.PROGRESSING,
    (_P.ROLLED_BACK, _T.RETRY): _P.PROGRESSING,
    (_P.ROLLED_BACK, _T.REVISION_FOUND): _P.PROGRESSING,
    (_P.ROLLED_BACK, _T.REJECTED): _P.ROLLED_BACK,
    (_P.ROLLED_BACK, _T.BACK_TO_SERVING): _P.IDLE,
    (_P.PROMOTED, _T.REVISION_FOUND): _P.PROGRESSING,
    (_P.PROMOTED, _T.REJECTED): _P.ROLLED_BACK,
}

RUNNING = frozenset({Phase.PROGRESSING, Phase.PROMOTING})
"""Phases in which the canary may have weight."""


class IllegalMove(Exception):
    """A rule asked for a transition that the table does not have: a defect of the rule."""


def move(phase: Phase, trigger: Trigger) -> Phase:
    """The phase after `trigger`. Raises `IllegalMove` for a pair that the table lacks."""
    try:
        return TRANSITIONS[phase, trigger]
    except KeyError:
        raise IllegalMove(f"{trigger.name} in {phase.value}") from None


def mermaid() -> str:
    """The table as a Mermaid state diagram: one arrow for each pair of phases, labelled with its triggers."""
    arrows: dict[tuple[Phase, Phase], list[str]] = {}
    for (source, trigger), target in TRANSITIONS.items():
        arrows.setdefault((source, target), []).append(trigger.value)
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.INITIALIZING}"]
    for (source, target), labels in arrows.items():
        lines.append(f"    {source} --> {target}: {'<br/>'.join(labels)}")
    return "\n".join(lines) + "\n"
