"""Latencies of a log-normal shape, as the sources show them: quantiles, and counts of histogram buckets."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, exp, inf, log
from statistics import NormalDist

from canary.core.window import Bucket, Quantile
from canary.simulate.draws import binomial

_NORMAL = NormalDist()
_P99 = _NORMAL.inv_cdf(0.99)
_SHARES: dict[Quantile, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
QUANTILES: tuple[Quantile, ...] = tuple(_SHARES)


@dataclass(frozen=True, slots=True)
class Latency:
    """`median` and `tail` (the 99th percentile) in seconds; the tail is at least the median, and both are positive."""

    median: float = 0.04
    tail: float = 0.2

    @property
    def _sigma(self) -> float:
        return log(self.tail / self.median) / _P99

    def times(self, factor: float) -> Latency:
        """Every request takes so many times as long."""
        return Latency(self.median * factor, self.tail * factor) if factor != 1.0 else self

    def at(self, share: float) -> float:
        """The latency in seconds that this share of requests (above 0.0, below 1.0) does not exceed."""
        return self.median * exp(self._sigma * _NORMAL.inv_cdf(min(max(share, 1e-12), 1.0 - 1e-12)))

    def above(self, seconds: float) -> float:
        """The share of requests (0.0 to 1.0) that take longer."""
        if seconds <= 0.0:
            return 1.0
        if self._sigma == 0.0:
            return float(self.median > seconds)
        return 1.0 - _NORMAL.cdf(log(seconds / self.median) / self._sigma)

    def quantiles(self, rng: random.Random, requests: int, wanted: tuple[Quantile, ...]) -> dict[Quantile, float]:
        """The quantiles of so many requests, one at least: the order statistics themselves, drawn together.

        The k-th smallest of n uniform numbers has a Beta(k, n + 1 - k) distribution.
        """
        found: dict[Quantile, float] = {}
        before, below = 0, 0.0
        for name in (name for name in QUANTILES if name in wanted):
            rank = max(1, ceil(_SHARES[name] * requests))
            if rank > before:
                below += (1.0 - below) * rng.betavariate(rank - before, requests + 1 - rank)
                before = rank
            found[name] = self.at(below)
        return found

    def histogram(self, rng: random.Random, requests: int, edges: tuple[float, ...]) -> tuple[Bucket, ...]:
        """Cumulative buckets of so many requests; `edges` are seconds and ascend."""
        return tuple(self._buckets(rng, requests, edges)) if edges else ()

    def _buckets(self, rng: random.Random, requests: int, edges: tuple[float, ...]) -> Iterator[Bucket]:
        slower, above = requests, 1.0
        for edge in edges:
            beyond = self.above(edge)
            slower, above = binomial(rng, slower, min(beyond / above, 1.0) if above > 0.0 else 0.0), beyond
            yield Bucket(edge, float(requests - slower))
        yield Bucket(inf, float(requests))
