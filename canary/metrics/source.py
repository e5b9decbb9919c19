"""The port to a metrics source, and the arithmetic of one side that is made of several workloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from canary.core.window import Bucket, Missing, Peer, Quantile, Sample, SideReading

NO_SERIES = Missing("no series")
"""The source answered and does not know the workload."""
NO_REQUESTS = Missing("no requests")
"""The source knows the workload, and it received nothing: a rate of nothing is not 100 %."""
_EMPTY = (NO_SERIES, NO_REQUESTS)


class Series(NamedTuple):
    """Whose numbers. Make it with `series_of`: sources differ in how they spell a kind (`Daemonset`)."""

    kind: str
    namespace: str
    name: str


def series_of(kind: str, namespace: str, name: str) -> Series:
    return Series(kind.casefold(), namespace, name)


Readings = Mapping[Series, SideReading]


class Asked(NamedTuple):
    """What is asked of a source: numbers of workloads of one `kind`, over the last whole `seconds`.

    `names` are those that somebody wants; a source may answer for more. With a `peer`, only requests from it count.
    """

    namespace: str
    kind: str
    seconds: int
    names: frozenset[str]
    peer: Peer | None = None


class Answer(NamedTuple):
    """What a source answered. Counts may reach back `reach` seconds before the window that was asked for."""

    readings: Readings
    reach: float = 0.0


class SourceError(Exception):
    """The source failed or answered nonsense. The message is a sentence for people, without a full stop."""


class Source(Protocol):
    async def read(self, asked: Asked, *, timeout: float) -> Answer:
        """What the workloads answered. Raises `SourceError`, after `timeout` seconds at the latest."""
        ...


def combined(readings: Iterable[SideReading]) -> SideReading:
    """Several workloads as one side: requests are summed, and a latency is that of the slowest workload.

    Quantiles cannot be added; the largest of the known ones is never below the true quantile of all requests
    together, so that it can only err towards caution. Histograms can be added where their bounds are the same; else the
    side has none. A workload without requests adds nothing. One that has numbers which cannot be used makes the whole
    side unusable: the rest would be taken for all.
    """
    readings = tuple(readings)
    samples = [reading for reading in readings if isinstance(reading, Sample)]
    missing = [reading for reading in readings if isinstance(reading, Missing)]
    for reading in missing:
        if reading not in _EMPTY:
            return reading
    if not samples:
        return NO_REQUESTS if NO_REQUESTS in missing else NO_SERIES
    latency: dict[Quantile, float] = {}
    for sample in samples:
        for quantile, seconds in sample.latency.items():
            latency[quantile] = max(seconds, latency.get(quantile, 0.0))
    success, failure = sum(sample.success for sample in samples), sum(sample.failure for sample in samples)
    return Sample(success, failure, latency, _added([sample.histogram for sample in samples]))


def _added(histograms: list[tuple[Bucket, ...]]) -> tuple[Bucket, ...]:
    """One histogram of the requests of all; empty when their bounds differ, or one of them is unknown."""
    bounds = {tuple(le for le, _ in histogram) for histogram in histograms}
    if len(bounds) != 1:
        return ()
    return tuple(Bucket(column[0][0], sum(count for _, count in column)) for column in zip(*histograms, strict=True))


def side(answer: Readings, kind: str, namespace: str, names: tuple[str, ...]) -> SideReading:
    """The reading of the workloads `names` together; none known is a `Missing` that names them."""
    reading = combined(answer.get(series_of(kind, namespace, name), NO_SERIES) for name in names)
    if reading == NO_SERIES:
        return Missing(f"no series for {kind} {', '.join(names) or '(none)'}")
    return reading
