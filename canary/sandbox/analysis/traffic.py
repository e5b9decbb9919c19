"""Modelled traffic of a canary and of stable, window by window.

Requests arrive as a Poisson process and fail independently, unless a scenario says that failures come in clusters.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import pi, sin

from canary.core.evidence import Counts, WindowCounts
from canary.simulate.clusters import Clusters


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests per second of both sides, and the shares of them that fail.

    `weights` are the canary's share of requests, one for each equal part of the time. `canary` is its rate from
    `onset` seconds on, and stable's before. `outage` is (from second, to second, rate) of both sides. `drift` is by
    how much the load swings up and down once in the whole time. Failures are in clusters of `retries` on average,
    always as many unless `scattered`; each pod has `bursts` an hour.
    """

    rps: float = 100.0
    weights: tuple[float, ...] = (0.1,)
    stable: float = 0.01
    canary: float = 0.01
    seconds: float = 10.0
    windows: int = 360
    onset: float = 0.0
    outage: tuple[float, float, float] | None = None
    drift: float = 0.0
    retries: int = 1
    scattered: bool = False
    bursts: float = 0.0

    def play(self, rng: random.Random) -> Iterator[WindowCounts]:
        for number in range(self.windows):
            start = number * self.seconds
            weight = self.weights[number * len(self.weights) // self.windows]
            load = self.rps * self.seconds * (1.0 + self.drift * sin(2.0 * pi * number / self.windows))
            canary, stable = self._rates(start)
            yield WindowCounts(
                start,
                start + self.seconds,
                self._counts(rng, load * weight, canary, weight),
                self._counts(rng, load * (1.0 - weight), stable, 1.0 - weight),
            )

    def _rates(self, start: float) -> tuple[float, float]:
        if self.outage and self.outage[0] <= start < self.outage[1]:
            return self.outage[2], self.outage[2]
        return (self.canary if start >= self.onset else self.stable), self.stable

    def _counts(self, rng: random.Random, requests: float, rate: float, share: float) -> Counts:
        clusters = Clusters(self.retries, self.scattered, self.bursts)
        good, bad = clusters.counts(rng, requests, rate, clusters.pods * share * self.seconds)
        return Counts(float(good + bad), float(bad))
