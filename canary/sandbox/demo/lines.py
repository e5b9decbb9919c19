"""The demo as a log: one line for each new weight, verdict and event."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from canary.api.status import MetricStatus
from canary.sandbox.demo.picture import Picture
from canary.sandbox.demo.view import Moment


class Lines:
    """A `View` that calls `write` with one line at a time."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._shown = Picture()

    def tell(self, elapsed: float, words: str) -> None:
        self._write(line(elapsed, "demo", words))

    def changed(self, moment: Moment) -> None:
        for kind, words in changes(self._shown, moment.picture):
            self._write(line(moment.elapsed, kind, words))
        self._shown = moment.picture

    def tick(self, moment: Moment) -> None:
        """Time alone is no news."""

    def close(self) -> None:
        """Every line is out already."""


def line(elapsed: float, kind: str, words: str) -> str:
    return f"{elapsed:5.1f}s  {kind:<8} {words}"


def changes(before: Picture, now: Picture) -> Iterator[tuple[str, str]]:
    """What is new, as pairs of a kind and words."""
    if now.weights and now.weights != before.weights:
        yield "weight", weights(now)
    for metric in now.status.metrics if now.status.metrics != before.status.metrics else ():
        yield "verdict", verdict(metric)
    if now.status.phase and now.status.phase != before.status.phase:
        yield "phase", now.status.phase
    fresh = now.heard - before.heard
    for event in now.events[-fresh:] if fresh else ():
        yield "event", f"{event.reason}: {event.note}"


def weights(picture: Picture) -> str:
    """`podinfo-v2 10%  podinfo-v1 90%  (step 1 of 3)`."""
    shares = "  ".join(f"{service} {weight}%" for service, weight in picture.weights.items())
    state = picture.state
    running = state is not None and state.running and state.step and picture.steps
    return f"{shares}  (step {state.step} of {len(picture.steps)})" if state and running else shares


def verdict(metric: MetricStatus) -> str:
    """`Breach success-rate: canary 79.2%, stable 100.00%, min 99%`."""
    values = (("canary", metric.canary), ("stable", metric.stable))
    parts = [*(f"{side} {value}" for side, value in values if value), metric.limit]
    return f"{metric.verdict} {metric.name}: {', '.join(filter(None, parts)) or metric.message}"
