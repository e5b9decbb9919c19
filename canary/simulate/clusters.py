"""How failures come: each by itself, or several at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from canary.simulate.draws import geometric, poisson

BURST = 20
"""Failures of one pod in trouble, all within one moment."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Failures are in clusters of `retries` on average, always as many unless `scattered`.

    Each of the `pods` of both sides, of which each side has its share, has `bursts` an hour.
    """

    retries: float = 1
    scattered: bool = False
    bursts: float = 0.0
    pods: int = 10

    def counts(
        self,
        rng: random.Random,
        requests: float,
        rate: float,
        pod_seconds: float,
        draw: Callable[[random.Random, float], int] = poisson,
    ) -> tuple[int, int]:
        """How many of the `requests` that are expected succeed and fail, where `rate` (0.0 to 1.0) of them do.

        Bursts come on top, over `pod_seconds`: how many pods there are for how long.
        """
        # Arrivals that are thinned by chance are two independent Poisson processes.
        good, bad = draw(rng, requests * (1.0 - rate)), draw(rng, requests * rate / self.retries)
        scattered = self.scattered
        bad = sum(geometric(rng, self.retries) for _ in range(bad)) if scattered else round(bad * self.retries)
        if self.bursts:
            bad += BURST * draw(rng, self.bursts * pod_seconds / 3600.0)
        return good, bad
