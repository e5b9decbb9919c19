"""Commands of people as annotations: which one, bound to which revision, and whether it can apply at all. Pure.

What is refused here would be refused by the controller, too, but only in an event that nobody may be looking at. An
abort is never refused: the status that we see may be older than what runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from canary.api.conditions import Reason
from canary.api.names import ABORT_ANNOTATION, COMMAND_ANNOTATION
from canary.cli.advice import approval_awaited
from canary.cli.canaries import View
from canary.cli.exits import Failure
from canary.core.commands import Verb, command_id, format_command
from canary.core.phases import Phase
from canary.core.plan import Plan

ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Order:
    """An annotation to write. `outlook` says what happens next; `effect` whether a later state shows that it did."""

    annotation: str
    value: str
    outlook: str
    effect: Callable[[View], bool]

    def answered(self, view: View) -> bool:
        """Whether the controller has acted on it, or has said why not."""
        return answered(view, self.annotation, self.value)


class AlreadySo(Exception):
    """There is nothing to do: the Canary already is as it should be; the text says how it is."""


def answered(view: View, annotation: str, value: str) -> bool:
    """Whether the controller has acted on an annotation's value."""
    record = view.status.record
    last = "" if record is None else record.abort if annotation == ABORT_ANNOTATION else record.command
    return last == command_id(value)


def pending(view: View, annotation: str) -> str:
    """The value of an annotation that the controller has yet to answer; empty when there is none."""
    value = view.metadata.annotations.get(annotation, "")
    return "" if not value or answered(view, annotation, value) else value


def timestamp(now: datetime) -> str:
    """RFC 3339 with microseconds: two orders of one person are never the same text."""
    return now.isoformat(timespec="microseconds").replace("+00:00", "Z")


def abort(view: View, now: datetime) -> Order:
    """The abort of what runs. A revision is named only if one runs, so that the order cannot miss by an old status."""
    revision = view.status.canary_revision if view.running else ""
    outlook = (
        f"traffic goes back to {view.status.stable_revision or 'stable'} at once; {revision} is rejected until a retry"
        if revision
        else "no rollout seems to run; whatever runs when the controller reads this is taken back"
    )
    return Order(
        ABORT_ANNOTATION, f"{revision}@{timestamp(now)}", outlook, lambda later: not later.status.canary_weight
    )


def order(view: View, verb: Verb, now: datetime, argument: str = "") -> Order:
    """The order for a command. Raises `Failure` when it cannot apply, `AlreadySo` when there is nothing to do."""
    outlook, effect = _RULES[verb](view, argument)
    revision = view.status.canary_revision
    if not revision:
        raise Failure(f"{view.title} has no revision yet that a command could be for")
    return Order(COMMAND_ANNOTATION, format_command(verb, revision, timestamp(now), argument), outlook, effect)


_Rule = tuple[str, Callable[[View], bool]]


def _promote(view: View, _: str) -> _Rule:
    plan, step, weight = _progressing(view, "promote"), view.status.step or 0, view.status.canary_weight or 0
    following = next((stage for stage in plan.stages[step:] if not stage.approval), None)
    goes = f"goes to {following.weight}% now, without waiting for hold and checks" if following else _promotion(view)
    return (
        f"{view.status.canary_revision} {goes}; a breach still rolls back",
        lambda later: (
            later.status.phase in (Phase.PROMOTING, Phase.PROMOTED)
            or (later.status.canary_weight or 0) > weight
            or (later.status.step or 0) > step
        ),
    )


def _promote_full(view: View, _: str) -> _Rule:
    _progressing(view, "promote --full")
    words = f"{view.status.canary_revision} {_promotion(view)}; a breach still rolls back"
    return words, lambda later: later.status.phase in (Phase.PROMOTING, Phase.PROMOTED)


def _promotion(view: View) -> str:
    """How a rollout is promoted, in either mode."""
    if view.plan is not None and view.plan.target:
        return "is taken over by the stable copy now, then one full Healthy window decides"
    return "goes to 100% now, then one full Healthy window decides"


def _pause(view: View, _: str) -> _Rule:
    _running(view, "pause")
    if view.holds("Paused") and view.reason in (Reason.PAUSED, Reason.MANUAL_WEIGHT):
        raise AlreadySo(f"is already paused at {view.status.canary_weight}%")
    words = f"the weight stays at {view.status.canary_weight}% until canary resume; a breach still rolls back"
    return words, lambda later: later.holds("Paused")


def _resume(view: View, _: str) -> _Rule:
    _running(view, "resume")
    if view.reason not in (Reason.PAUSED, Reason.MANUAL_WEIGHT):
        raise Failure(f"resume: {view.title} is not paused; {_otherwise(view)}")
    return (
        "the hold of the current step starts anew",
        lambda later: (
            later.reason
            not in (
                Reason.PAUSED,
                Reason.MANUAL_WEIGHT,
            )
        ),
    )


def _otherwise(view: View) -> str:
    """What stands in the way instead of a pause."""
    match view.reason:
        case Reason.WAITING_FOR_APPROVAL:
            return f"it waits for an approval: {view.command_line('approve', approval_awaited(view))}"
        case Reason.SUSPENDED:
            return "spec.suspend is true: set it to false where the Canary is kept"
        case Reason.METRICS_HOLD:
            return "it waits for a usable metrics window and goes on by itself"
    return view.status.message or f"it is {view.status.phase}"


def _approve(view: View, name: str) -> _Rule:
    known = [stage.approval for stage in view.plan.stages if stage.approval] if view.plan else []
    if not known:
        raise Failure(f"approve: the steps of {view.title} have no approval")
    if name not in known:
        raise Failure(f"approve: {view.title} has no approval {name!r}; there are: {', '.join(known)}")
    _running(view, "approve")
    now = approval_awaited(view) == name
    return "the rollout goes on" if now else "the rollout will not wait at that step", lambda _: True


def _retry(view: View, _: str) -> _Rule:
    if view.status.phase != Phase.ROLLED_BACK:
        raise Failure(f"retry: {view.title} is not rolled back, it is {view.status.phase or 'new'}")
    words = f"{view.status.canary_revision} is rolled out again from the first step"
    return words, lambda later: later.status.phase != Phase.ROLLED_BACK


def _running(view: View, word: str) -> None:
    if not view.running:
        raise Failure(f"{word}: no rollout of {view.title} is running, it is {view.status.phase or 'new'}")


def _progressing(view: View, word: str) -> Plan:
    _running(view, word)
    if view.status.phase != Phase.PROGRESSING:
        raise Failure(f"{word}: {view.title} is already being promoted")
    if view.suspended:
        raise Failure(f"{word}: spec.suspend of {view.title} is true; set it to false first")
    if view.plan is None:
        raise Failure(f"{word}: the spec of {view.title} is invalid: {view.status.message}")
    return view.plan


_RULES: dict[Verb, Callable[[View, str], _Rule]] = {
    Verb.PROMOTE: _promote,
    Verb.PROMOTE_FULL: _promote_full,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.APPROVE: _approve,
    Verb.RETRY: _retry,
}
