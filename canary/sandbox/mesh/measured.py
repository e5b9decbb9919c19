"""Measurements of single requests, kept for a while: true windows and exact quantiles."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

from canary.kube.clock import Clock
from canary.sandbox.mesh.observations import QUANTILES, Reading, Source


class _Series:
    """Samples of one source in order of time; 17 bytes each."""

    def __init__(self) -> None:
        self.times = array("d")
        self.seconds = array("d")
        self.failures = bytearray()

    def since(self, moment: float) -> int:
        """Where samples later than `moment` begin."""
        return bisect_right(self.times, moment)

    def drop(self, moment: float) -> None:
        """Forget what is not later than `moment`, once that is half of it."""
        old = self.since(moment)
        if old * 2 > len(self.times):
            del self.times[:old], self.seconds[:old], self.failures[:old]


class Measured:
    """What a proxy has measured; samples are kept for `retention` seconds."""

    def __init__(self, clock: Clock, retention: float = 3600.0) -> None:
        self._clock = clock
        self._retention = retention
        self._series: dict[Source, _Series] = defaultdict(_Series)

    def record(self, source: Source, success: bool, seconds: float) -> None:
        """A request was answered just now, after `seconds`."""
        now = self._clock.monotonic()
        series = self._series[source]
        series.times.append(now)
        series.seconds.append(seconds)
        series.failures.append(not success)
        if len(series.times) % 1024 == 0:
            series.drop(now - self._retention)

    def readings(self, plural: str, namespace: str | None, seconds: float) -> Sequence[Reading]:
        """See `Observations`."""
        start = self._clock.monotonic() - seconds
        groups: dict[tuple[str, str], list[tuple[_Series, int]]] = defaultdict(list)
        for source, series in self._series.items():
            name = source.subject(plural)
            first = series.since(start)
            if name and namespace in (None, source.namespace) and first < len(series.times):
                groups[source.namespace, name].append((series, first))
        return [_reading(key, parts) for key, parts in sorted(groups.items())]


def _reading(key: tuple[str, str], parts: Sequence[tuple[_Series, int]]) -> Reading:
    latencies = sorted(value for series, first in parts for value in series.seconds[first:])
    failure = sum(series.failures.count(1, first) for series, first in parts)
    p50, p90, p99 = (nearest_rank(latencies, share) for share in QUANTILES)
    return Reading(*key, len(latencies) - failure, failure, (p50, p90, p99))


def nearest_rank(ordered: Sequence[float], share: float) -> float:
    """The smallest of the `ordered` values that at least `share` of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]
