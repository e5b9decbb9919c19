"""What was recorded of one past release: for each side, what it answered between two looks at its counters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple

from canary.core.window import Missing, Peer, Sample, SideReading
from canary.metrics.prometheus.counters import unusable
from canary.metrics.prometheus.histogram import quantiles
from canary.metrics.source import combined


class HistoryError(Exception):
    """What was recorded cannot be read or played. The message is a sentence for people that says where and why."""


class Stretch(NamedTuple):
    """What one side answered after `since`, up to `until`; both are Unix seconds."""

    since: float
    until: float
    reading: SideReading


class Reach(NamedTuple):
    """A reading, and from when on its requests were counted, which may be before the moment that was asked for."""

    reading: SideReading
    since: float


@dataclass(frozen=True)
class Track:
    """One side, by the end of its stretches. `step` is how far apart they usually are, in seconds.

    Stretches of several pods may overlap: each was looked at by itself.
    """

    name: str
    stretches: tuple[Stretch, ...]
    step: float

    @cached_property
    def _ends(self) -> list[float]:
        return [stretch.until for stretch in self.stretches]

    @property
    def slack(self) -> float:
        """Seconds by which a look may be late and still belong to the window that should have ended with it."""
        return min(1.0, 0.1 * self.step)

    def between(self, start: float, end: float) -> Reach:
        """What was answered in the stretches that ended after `start` and up to `end`, in Unix seconds.

        Each stretch is in one window only, so that windows which follow each other count every request once.
        """
        first, last = (bisect_right(self._ends, moment + self.slack) for moment in (start, end))
        found = self.stretches[first:last]
        since = min((stretch.since for stretch in found), default=start)
        since = start if since > start - self.slack else since
        return Reach(self._reading(found, self._ends[last - 1] if last else None, end), since)

    def _reading(self, found: tuple[Stretch, ...], newest: float | None, end: float) -> SideReading:
        if newest is None:
            return Missing(f"nothing was recorded of {self.name} before {clock(end)}")
        widest = max((stretch.until - stretch.since for stretch in found), default=0.0)
        missing = unusable(newest, widest, end, self.step)
        if missing is not None:
            return missing
        if not found:
            return Missing(f"nothing was recorded of {self.name} in this window")
        reading = combined(stretch.reading for stretch in found)
        if isinstance(reading, Missing) or reading.latency or not reading.histogram or reading.histogram[-1][1] <= 0:
            return reading
        return replace(reading, latency=quantiles(reading.histogram))

    @property
    def served(self) -> tuple[float, float] | None:
        """From when to when it answered requests at all; `None` when it never did."""
        busy = [stretch for stretch in self.stretches if isinstance(stretch.reading, Sample)]
        return (min(stretch.since for stretch in busy), busy[-1].until) if busy else None

    def cut(self, start: float, end: float) -> Track:
        """Only what ended in that time."""
        return replace(self, stretches=tuple(s for s in self.stretches if start < s.until <= end))


class Tracks(NamedTuple):
    canary: Track
    stable: Track


@dataclass(frozen=True)
class Record:
    """All that is known of a past release.

    `title` says in words where it comes from, `looks` how many looks at the counters a window needs. `weights` are the
    canary's weights in percent at Unix seconds, ascending, where somebody has recorded them. `edges` are the requests
    of one peer each. `notes` are sentences about what was found odd.
    """

    title: str
    whole: Tracks
    edges: Mapping[Peer, Tracks] = field(default_factory=dict)
    weights: tuple[tuple[float, float], ...] = ()
    notes: tuple[str, ...] = ()
    looks: int = 1

    @property
    def step(self) -> float:
        """Seconds from one look to the next; the longer one where the sides differ."""
        return max(track.step for track in self.whole if track.stretches or track is self.whole.canary)

    def weight_at(self, moment: float) -> float | None:
        """The recorded weight in percent at Unix seconds `moment`; `None` where nobody has recorded one."""
        place = bisect_right(self.weights, (moment, float("inf")))
        return self.weights[place - 1][1] if place else None

    def cut(self, start: float, end: float) -> Record:
        """Only what was recorded in that time, in Unix seconds."""
        edges = {peer: Tracks(*(track.cut(start, end) for track in tracks)) for peer, tracks in self.edges.items()}
        weights = tuple(pair for pair in self.weights if start <= pair[0] <= end)
        return replace(
            self, whole=Tracks(*(track.cut(start, end) for track in self.whole)), edges=edges, weights=weights
        )


def usual_step(moments: Iterable[float]) -> float:
    """The usual distance (the lower median) of ascending moments, in seconds; 0.0 when there are fewer than two."""
    return median_low([later - earlier for earlier, later in pairwise(moments)] or [0.0])


def clock(moment: float) -> str:
    """Unix seconds for people: `12:05:00`, in UTC."""
    return f"{datetime.fromtimestamp(round(moment), UTC):%H:%M:%S}"


def rfc3339(moment: float) -> str:
    """Unix seconds as a timestamp: `2026-01-01T12:05:00Z`."""
    return f"{datetime.fromtimestamp(round(moment), UTC):%Y-%m-%dT%H:%M:%SZ}"
