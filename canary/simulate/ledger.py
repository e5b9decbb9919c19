"""What a source has answered, stretch by stretch, and what the canary's requests came to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from canary.core.window import Missing, Quantile, Reading, Sample, SideReading, Window

Source: TypeAlias = Callable[[float, float, int], Reading]
"""What both sides answered from one second of the rollout to another, while the canary had that weight in percent.

It is asked for each stretch of time once, in order, without a gap and without overlap: a window in which the weight has
changed is asked for in parts.
"""


class Ledger:
    """`requests` and `failed` are the canary's so far."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._asked = 0.0
        self._parts: list[Reading] = []
        self.requests = self.failed = 0.0

    def ask(self, until: float, weight: int) -> None:
        """What was answered since it was last asked for; the canary had `weight` all the time."""
        if until <= self._asked:
            return
        reading = self._source(self._asked, until, weight)
        self._asked = until
        self._parts.append(reading)
        if isinstance(reading, Window) and isinstance(reading.canary, Sample):
            self.requests += reading.canary.requests
            self.failed += reading.canary.failure

    def take(self) -> list[Reading]:
        """The readings that have not been taken before."""
        parts, self._parts = self._parts, []
        return parts


def joined(readings: Sequence[SideReading]) -> SideReading:
    """Several readings of one side as one: counts are summed, quantiles are means that the requests weigh."""
    samples = [reading for reading in readings if isinstance(reading, Sample)]
    if not samples:
        return next(iter(readings), Missing("nothing was asked for"))
    if len(samples) == 1:
        return samples[0]
    good, bad = sum(sample.success for sample in samples), sum(sample.failure for sample in samples)
    return Sample(good, bad, dict(_quantiles(samples)))


def _quantiles(samples: Sequence[Sample]) -> Iterator[tuple[Quantile, float]]:
    total = sum(sample.requests for sample in samples)
    for name in samples[0].latency:
        if all(name in sample.latency for sample in samples):
            yield name, sum(sample.latency[name] * sample.requests for sample in samples) / total
