"""Exact Poisson counts, fast: the same few means are drawn from millions of times."""

from __future__ import annotations

import random
from bisect import bisect
from functools import cache
from math import log, sqrt


@cache
def _table(mean: float) -> tuple[int, list[float]]:
    """The smallest count that is worth a row, and the cumulative probabilities from there on."""
    spread = 9.0 * sqrt(mean) + 20.0
    low, mode = max(0, int(mean - spread)), int(mean)
    weights = {mode: 1.0}
    for count in range(mode, low, -1):
        weights[count - 1] = weights[count] * count / mean
    for count in range(mode, int(mean + spread)):
        weights[count + 1] = weights[count] * mean / (count + 1)
    total, cumulative = sum(weights.values()), []
    below = 0.0
    for count in sorted(weights):
        below += weights[count] / total
        cumulative.append(below)
    return low, cumulative


def poisson(rng: random.Random, mean: float) -> int:
    """A count of independent events of which `mean` are expected."""
    if mean <= 0.0:
        return 0
    low, cumulative = _table(mean)
    return low + bisect(cumulative, rng.random(), hi=len(cumulative) - 1)


def geometric(rng: random.Random, mean: float) -> int:
    """How many tries until the first success, where `mean` are expected; at least 1."""
    return 1 + int(log(1.0 - rng.random()) / log(1.0 - 1.0 / mean)) if mean > 1.0 else 1
