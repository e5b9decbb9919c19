"""The demo as a screen: weights as bars, steps, metrics beside their limits, events, users, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import ceil

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from canary.api.duration import format_duration
from canary.api.status import MetricStatus
from canary.sandbox.demo.columns import columns
from canary.sandbox.demo.managed import ACTS
from canary.sandbox.demo.picture import Event, Picture
from canary.sandbox.demo.scenario import SCENES, Entry
from canary.sandbox.demo.view import Moment
from canary.sandbox.load import Tally

AGENDA: tuple[Entry, ...] = (*SCENES, *ACTS)
_BAR = 40
_EVENTS = 5
_VERDICTS = {"Healthy": "green", "Breach": "bold red"}
_PHASES = {"Promoted": "green", "Idle": "green", "RolledBack": "red", "RollingBack": "yellow"}


class Screen:
    """A `View` that draws on a terminal, a few times a second and without a thread."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._told = ""
        self._last = Moment(0.0, Picture())

    def tell(self, elapsed: float, words: str) -> None:
        self._told = words
        self.tick(replace(self._last, elapsed=elapsed))

    def changed(self, moment: Moment) -> None:
        """Drawn with the next tick."""

    def tick(self, moment: Moment) -> None:
        self._last = moment
        if not self._live.is_started:
            self._live.start()
        self._live.update(Group(*screen(moment, self._told)), refresh=True)

    def close(self) -> None:
        if self._live.is_started:
            self._live.stop()


def screen(moment: Moment, told: str = "") -> list[Text]:
    """All lines; `told` is what the demo did last."""
    picture = moment.picture
    return [
        Text.assemble(("canary demo", "bold"), f"   {moment.elapsed:.0f} s   ", (told, "dim")),
        Text(),
        *_agenda(moment),
        Text(),
        *_weights(picture),
        _steps(picture),
        Text(),
        *_checks(picture),
        Text(),
        *_users(moment.requests),
        Text(),
        Text.assemble(("Next   ", "bold"), _next(picture, moment.wall), no_wrap=True, overflow="ellipsis"),
        *_events(picture.events),
    ]


def _agenda(moment: Moment) -> Iterator[Text]:
    """All rollouts: how the earlier ones ended, which one runs, which ones come next."""
    for number, scene in enumerate(AGENDA):
        if number < len(moment.done):
            yield _entry("✔", "green", scene, moment.done[number])
        elif scene is moment.scene:
            yield _entry("▶", "cyan", scene, scene.goal)
        else:
            yield _entry("·", "dim", scene, f"next: {scene.goal}", dim="dim")


def _entry(mark: str, style: str, scene: Entry, words: str, dim: str = "") -> Text:
    return Text.assemble((f"{mark} ", style), (f"{scene.name} {scene.about}", dim or "bold"), (f"   {words}", dim))


def _weights(picture: Picture) -> Iterator[Text]:
    width = max(map(len, picture.weights), default=0)
    state = picture.state
    for service, weight in picture.weights.items():
        color = "cyan" if state is not None and service == state.canary else "green"
        filled = round(weight * _BAR / 100)
        yield Text.assemble(
            f"{service:<{width}}  ", ("█" * filled, color), ("·" * (_BAR - filled), "dim"), f" {weight:>3}%"
        )
    # The canary is listed only while it has weight; the lines below must not jump.
    yield from [Text()] * (2 - len(picture.weights))


def _steps(picture: Picture) -> Text:
    state, line = picture.state, Text.assemble(("Steps  ", "bold"))
    current = state.step if state is not None and state.running else 0
    for number, stage in enumerate(picture.steps, 1):
        style = "reverse cyan" if number == current else "green" if number < current else "dim"
        line.append(f" {stage.weight}% ", style)
        line.append(" → " if number < len(picture.steps) else "", "dim")
    phase = picture.status.phase
    return line.append(f"   {phase}", _PHASES.get(phase, "cyan"))


def _checks(picture: Picture) -> Iterator[Text]:
    """The metrics beside their limits; dim while they are those of the weight before."""
    head = [Text(word, "bold") for word in ("METRIC", "CANARY", "STABLE", "LIMIT", "VERDICT")]
    current = bool(picture.status.metrics)
    rows = [_check(metric, current=current) for metric in picture.metrics]
    yield from columns([head, *rows, *[[Text("-")] * len(head)] * (2 - len(rows))])


def _check(metric: MetricStatus, *, current: bool) -> list[Text]:
    style = "" if current else "dim"
    values = [Text(value or "-", style) for value in (metric.name, metric.canary, metric.stable, metric.limit)]
    return [*values, Text(metric.verdict, _VERDICTS.get(metric.verdict, "yellow") if current else "dim")]


def _users(requests: Mapping[str, Tally]) -> Iterator[Text]:
    line = Text.assemble(("Users  ", "bold"), no_wrap=True, overflow="ellipsis")
    for version, tally in requests.items():
        line.append(f"v{version} {tally.ok} served" if version else "nobody answered")
        line.append(f", {tally.failed} failed" if tally.failed else "", "red")
        line.append("   ")
    yield line


def _next(picture: Picture, wall: float) -> str:
    state = picture.state
    if state is None or not state.running or not state.weight or state.step > len(picture.steps):
        return picture.status.message or "waiting for the controller"
    left = max(0.0, state.since + picture.steps[state.step - 1].hold - wall)
    hold = f"after {format_duration(float(ceil(left)))} more at {state.weight}% " if left else ""
    goal = f"{picture.steps[state.step].weight}%" if state.step < len(picture.steps) else "promotion"
    return f"{goal}, {hold}if the newest window is Healthy"


def _events(events: tuple[Event, ...]) -> Iterator[Text]:
    shown = events[-_EVENTS:]
    for number, event in enumerate(shown):
        label = ("" if number else "Events").ljust(7)
        style = "yellow" if event.warning else "cyan"
        line = Text.assemble(
            (label, "bold"), (event.reason, style), f"  {event.note}", no_wrap=True, overflow="ellipsis"
        )
        yield line
