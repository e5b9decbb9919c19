"""What a person can do about a Canary that waits for one."""

from __future__ import annotations

from canary.api.conditions import Reason
from canary.cli.canaries import View
from canary.core.phases import Phase


def approval_awaited(view: View) -> str:
    """The approval that the rollout waits for, if it waits for one."""
    plan, step = view.plan, view.status.step
    if plan is None or step is None or view.reason != Reason.WAITING_FOR_APPROVAL:
        return ""
    return plan.stage(step).approval


def advice(view: View) -> str:
    """One sentence with the command that helps; empty when nobody has to do anything."""
    name = view.metadata.name
    if view.status.phase == Phase.ROLLED_BACK:
        return f"roll out another revision, or try this one again: canary retry {name}"
    match view.reason:
        case Reason.WAITING_FOR_APPROVAL:
            return f"approve it: canary approve {name} {approval_awaited(view)}".rstrip()
        case Reason.PAUSED | Reason.MANUAL_WEIGHT:
            return f"go on: canary resume {name}; or take the traffic back: canary abort {name}"
        case Reason.SUSPENDED:
            return "set spec.suspend to false to go on"
        case Reason.METRICS_HOLD:
            return f"ends by itself at the next usable window; or decide: canary promote {name}, canary abort {name}"
        case Reason.INVALID_SPEC:
            return "correct the spec; a rollout that ran starts over afterwards"
    return _meaning(view) if view.holds("Stalled") else ""


def _meaning(view: View) -> str:
    return next((reason.meaning for reason in Reason if reason == view.reason), "")
