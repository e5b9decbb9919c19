"""`canary status` as a screen: where the rollout stands, why it waits, and what comes next.

Pure: a view, its events and the time in, lines out. Only facts of the object are shown, nothing is judged anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.text import Text

from canary.api.duration import format_duration
from canary.api.status import MetricStatus
from canary.cli.advice import advice
from canary.cli.canaries import View, moment
from canary.cli.events import Happening
from canary.cli.listing import STYLES, target
from canary.cli.terminal import clean
from canary.cli.workload import Part
from canary.core.phases import Phase
from canary.core.plan import Stage
from canary.sandbox.apiserver.table.ages import human

MARKS = {
    "Progressing": "◌",
    "Promoting": "◌",
    "RollingBack": "↺",
    "RolledBack": "✖",
    "Promoted": "✔",
    "Idle": "✔",
    "Invalid": "✖",
}
_VERDICTS = {"Healthy": ("✔", "green"), "Breach": ("✖", "red"), "SharedDegradation": ("⚠", "yellow")}
_BAR = 20
_LABEL = 12
_EVENTS = 6
_HISTORY = 5
HIDDEN = "may not be read with these credentials"


def screen(
    view: View, events: Sequence[Happening] | None, now: datetime, parts: Sequence[Part] | None = ()
) -> list[Text]:
    """The whole screen; `events` and `parts`, what runs in managed mode, are `None` when they may not be read."""
    return [
        *_header(view),
        *_section("Weight", _weight(view, now)),
        *_section("Waits for", _why(view, now)),
        *_section("Steps", _steps(view)),
        *_section("Checks", _checks(view)),
        *_section("Workload", _workload(view, parts)),
        *_section("Conditions", _conditions(view, now)),
        *_section("History", _history(view)),
        *_section("Events", _events(events, now)),
    ]


def _section(label: str, lines: Iterator[Text]) -> Iterator[Text]:
    """Lines with the label before the first; nothing without lines."""
    for number, line in enumerate(lines):
        text = Text.assemble((("" if number else label).ljust(_LABEL), "bold"), line)
        text.rstrip()
        yield text


def _header(view: View) -> Iterator[Text]:
    status = view.status
    phase = "Deleting" if view.metadata.deletion_timestamp else status.phase or "Unknown"
    paused = view.holds("Paused")
    mark = "॥" if paused else MARKS.get(phase, "◌")
    reason = f" ({view.reason})" if view.reason and view.reason != phase else ""
    revision = status.canary_revision or "none yet"
    if status.last_applied_revision:
        revision = f"{status.last_applied_revision} ({revision})"
    line = Text.assemble(
        (clean(view.title), "bold"),
        "   ",
        (f"{mark} {phase}", "yellow" if paused else STYLES.get(phase, "")),
        clean(reason),
        f"   revision {clean(revision)}",
    )
    if view.running and status.stable_revision:
        line.append(f"   stable {clean(status.stable_revision)}")
    yield line


def _weight(view: View, now: datetime) -> Iterator[Text]:
    weight, plan = view.status.canary_weight, view.plan
    if weight is None or not (weight or view.running):
        return
    filled = round(weight * _BAR / 100)
    line = Text.assemble(("█" * filled, "cyan"), ("·" * (_BAR - filled), "dim"), f" {weight}%")
    if view.running and view.status.step is not None and view.status.steps:
        line.append(f"   step {view.status.step} of {view.status.steps}")
    yield line
    if plan is not None and view.status.phase == Phase.PROGRESSING and view.status.step is not None:
        following = plan.stages[view.status.step :]
        words = [f"next: {_next(following)}"]
        left = _left(view, now)
        if left is not None:
            words.append(f"next look in {human(left)}")
            held = left + sum(stage.hold for stage in following)
            approvals = sum(1 for stage in following if stage.approval)
            people = f" after {approvals} approval{'s' * (approvals > 1)}" if approvals else ""
            words.append(f"promotion in {format_duration(float(round(held)))} at the earliest{people}")
        yield Text("   ".join(words))


def _next(following: Sequence[Stage]) -> str:
    """The next weight, and the approvals before it."""
    weighted = next((number for number, stage in enumerate(following) if not stage.approval), len(following))
    approvals = [stage.approval for stage in following[:weighted]]
    goal = f"{following[weighted].weight}%" if weighted < len(following) else "promotion"
    return f"{goal} after approval {' and '.join(approvals)}" if approvals else goal


def _left(view: View, now: datetime) -> float | None:
    """Seconds to the next evaluation."""
    at = moment(view.status.next_evaluation)
    return None if at is None else max((at - now) / timedelta(seconds=1), 0.0)


def _why(view: View, now: datetime) -> Iterator[Text]:
    if not view.observed:
        yield Text(
            f"the controller, which has not seen generation {view.metadata.generation} yet; "
            "if this lasts, look whether it runs",
            "yellow",
        )
    if view.status.message:
        yield Text(clean(view.status.message), "red" if view.holds("Stalled") else "")
    hint = advice(view)
    if hint:
        yield Text(f"→ {clean(hint)}", "bold")


def _steps(view: View) -> Iterator[Text]:
    if view.plan is None:
        return
    current = view.status.step if view.running else None
    width = len(str(len(view.plan.stages)))
    for number, stage in enumerate(view.plan.stages, 1):
        mark, style = _mark(view, number, current)
        yield Text.assemble((f"{mark} ", style), f"{number:>{width}}  {_stage(stage)}")


def _mark(view: View, number: int, current: int | None) -> tuple[str, str]:
    if view.status.phase == Phase.PROMOTED:
        return "✔", "green"
    if current is None or number > current:
        return "·", "dim"
    if number < current:
        return "✔", "green"
    return ("॥", "yellow") if view.holds("Paused") else ("▶", "cyan")


def _stage(stage: Stage) -> str:
    if stage.approval:
        return f"approval {stage.approval}"
    parts = [f"{stage.weight:>3}%"]
    if stage.hold:
        parts.append(f"hold {format_duration(stage.hold)}")
    if stage.min_requests:
        parts.append(f"at least {stage.min_requests} requests")
    return "  ".join(parts)


def _checks(view: View) -> Iterator[Text]:
    if not view.status.metrics:
        return
    rows = [("METRIC", "CANARY", "STABLE", "LIMIT"), *map(_values, view.status.metrics)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    verdicts: list[Text] = [Text("VERDICT"), *map(_verdict, view.status.metrics)]
    for row, verdict in zip(rows, verdicts, strict=True):
        cells = "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield Text.assemble(cells, "   ", verdict)
    if view.plan is not None and view.running:
        yield Text(f"failed windows: {view.status.failed_windows} of {view.plan.failure_limit}")


def _values(metric: MetricStatus) -> tuple[str, ...]:
    return tuple(clean(value) or "-" for value in (metric.name, metric.canary, metric.stable, metric.limit))


def _verdict(metric: MetricStatus) -> Text:
    mark, style = _VERDICTS.get(metric.verdict, ("◷", "yellow"))
    return Text.assemble((f"{mark} {metric.verdict}", style), f"  {clean(metric.message)}" if metric.message else "")


def _workload(view: View, parts: Sequence[Part] | None) -> Iterator[Text]:
    if parts is None:
        yield Text(HIDDEN, "dim")
    rows = [(part, (part.kind, clean(part.name), _pods(part), _share(view, part))) for part in parts or ()]
    widths = [max(map(len, column)) for column in zip(*(cells for _, cells in rows), strict=True)]
    for part, cells in rows:
        mark, style = _health(part)
        line = Text.assemble((f"{mark} ", style))
        line.append("   ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)))
        words = "does not exist" if not part.exists else clean(part.detail)
        yield line.append(f"   {words}" + (f" ({part.about})" if part.about else ""))


def _health(part: Part) -> tuple[str, str]:
    if not part.exists:
        return "✖", "red"
    if part.kind != "Deployment":
        return "✔", "green"
    return ("·", "dim") if not part.wanted else ("✔", "green") if part.ready >= part.wanted else ("◌", "yellow")


def _pods(part: Part) -> str:
    return f"{part.ready}/{part.wanted} ready" if part.kind == "Deployment" and part.exists else ""


def _share(view: View, part: Part) -> str:
    """The share of traffic that the split gives to a side, beside its Deployment."""
    weight = view.status.canary_weight
    if part.kind != "Deployment" or weight is None:
        return ""
    return f"{weight if part.name == target(view) else 100 - weight}%"


def _conditions(view: View, now: datetime) -> Iterator[Text]:
    width = max((len(condition.type) for condition in view.status.conditions), default=0)
    width = max(width, _LABEL)
    for condition in view.status.conditions:
        at = moment(condition.last_transition_time)
        since = f" for {human((now - at).total_seconds())}" if at else ""
        stale = condition.observed_generation and condition.observed_generation < view.metadata.generation
        yield Text.assemble(
            (f"{clean(condition.type):<{width}} {condition.status:<8}", STYLES.get(condition.status, "")),
            clean(condition.reason) + since,
            f", of generation {condition.observed_generation}" if stale else "",
        )


def _history(view: View) -> Iterator[Text]:
    for entry in view.status.history[:_HISTORY]:
        started, ended = moment(entry.started_at), moment(entry.ended_at)
        took = f" in {human((ended - started).total_seconds())}" if started and ended else ""
        reason = f" ({entry.reason})" if entry.reason and entry.reason != entry.outcome else ""
        yield Text.assemble(
            f"{clean(entry.ended_at)}  ",
            (clean(entry.outcome), STYLES.get(entry.outcome, "")),
            f"{took}{clean(reason)}  {clean(entry.revision)}",
        )


def _events(events: Sequence[Happening] | None, now: datetime) -> Iterator[Text]:
    if events is None:
        yield Text(HIDDEN, "dim")
        return
    for event in events[-_EVENTS:]:
        age = f"{human((now - event.at).total_seconds())} ago" if event.at else ""
        times = f" (×{event.count})" if event.count > 1 else ""
        style = "yellow" if event.warning else ""
        yield Text.assemble(f"{age:>9}  ", (clean(event.reason), style), f"  {clean(event.note)}{times}")
