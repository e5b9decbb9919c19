"""Quantiles of latencies that come from pods which behave differently."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from canary.sandbox.mesh.behaviour import Behaviour
from canary.sandbox.mesh.observations import QUANTILES

_HALVINGS = 60


class Mixture:
    """A mixture of log-normals; `weights` are the requests that each behaviour answered."""

    def __init__(self, weights: Mapping[Behaviour, float]) -> None:
        self._total = sum(weights.values())
        self._parts = {behaviour: weight for behaviour, weight in weights.items() if weight > 0}

    def quantile(self, share: float) -> float:
        """The latency in seconds that `share` of the requests do not exceed."""
        bounds = [behaviour.quantile(share) for behaviour in self._parts]
        low, high = min(bounds), max(bounds)
        if low == high:
            return low
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            if self._below(middle) < share:
                low = middle
            else:
                high = middle
        return high

    def quantiles(self) -> tuple[float, float, float]:
        """The seconds of QUANTILES."""
        p50, p90, p99 = (self.quantile(share) for share in QUANTILES)
        return p50, p90, p99

    def sampled(self, rng: random.Random, count: int) -> tuple[float, float, float]:
        """The seconds of QUANTILES in a random sample of `count` requests.

        The k-th of n ordered uniform numbers is Beta(k, n - k + 1), and the j-th given a later k-th is its product
        with Beta(j, k - j) (order statistics): three draws stand for `count` of them.
        """
        ranks = [max(1, math.ceil(share * count - 1e-9)) for share in QUANTILES]
        uniform, above = 1.0, count + 1
        shares = []
        for rank in reversed(ranks):
            if rank < above:
                uniform *= rng.betavariate(rank, above - rank)
            above = rank
            shares.append(uniform)
        p99, p90, p50 = (self.quantile(share) for share in shares)
        return p50, p90, p99

    def _below(self, seconds: float) -> float:
        return sum(weight * behaviour.below(seconds) for behaviour, weight in self._parts.items()) / self._total
