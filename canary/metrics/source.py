"""The port to a metrics source, and the arithmetic of one side that is made of several workloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from canary.core.window import Missing, Quantile, Sample, SideReading

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


Answer = Mapping[Series, SideReading]


class SourceError(Exception):
    """The source failed or answered nonsense. The message is a sentence for people, without a full stop."""


class Source(Protocol):
    async def read(self, namespace: str, kind: str, seconds: int, *, timeout: float) -> Answer:
        """What every workload of `kind` in `namespace` answered in the last `seconds`.

        Raises `SourceError`, after `timeout` seconds at the latest.
        """
        ...


def combined(readings: Iterable[SideReading]) -> SideReading:
    """Several workloads as one side: requests are summed, and a latency is that of the slowest workload.

    Quantiles cannot be added; the largest of the known ones is never below the true quantile of all requests
    together, so that it can only err towards caution. A workload without requests adds nothing. One that has numbers
    which cannot be used makes the whole side unusable: the rest would be taken for all.
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
    return Sample(sum(sample.success for sample in samples), sum(sample.failure for sample in samples), latency)


def side(answer: Answer, kind: str, namespace: str, names: tuple[str, ...]) -> SideReading:
    """The reading of the workloads `names` together; none known is a `Missing` that names them."""
    reading = combined(answer.get(series_of(kind, namespace, name), NO_SERIES) for name in names)
    if reading == NO_SERIES:
        return Missing(f"no series for {kind} {', '.join(names) or '(none)'}")
    return reading
