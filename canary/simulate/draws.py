"""Exact random counts, fast, with nothing but the generator that is given.

`poisson` keeps a table for each mean: for few means that are drawn from millions of times. `poisson_once` and
`binomial` need none: for means that hardly come twice.
"""

from __future__ import annotations

import random
from bisect import bisect
from functools import cache
from math import exp, floor, lgamma, log, log1p, sqrt


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


def poisson_once(rng: random.Random, mean: float) -> int:
    """The same without a table.

    Small means by multiplication, others by transformed rejection: W. Hörmann, "The transformed rejection method for
    generating Poisson random variables", Insurance: Mathematics and Economics 12 (1993), algorithm PTRS.
    """
    if mean < 10.0:
        return _multiplied(rng, mean)
    b = 0.931 + 2.53 * sqrt(mean)
    a = -0.059 + 0.02483 * b
    most = 0.9277 - 3.6224 / (b - 2.0)
    scale, log_mean = log(1.1239 + 1.1328 / (b - 3.4)), log(mean)
    while True:
        u, v = rng.random() - 0.5, rng.random()
        us = 0.5 - abs(u)
        if us <= 0.0:
            continue
        count = floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= most:
            return count
        if count < 0 or v <= 0.0 or (us < 0.013 and v > us):
            continue
        if log(v) + scale - log(a / (us * us) + b) <= count * log_mean - mean - lgamma(count + 1):
            return count


def _multiplied(rng: random.Random, mean: float) -> int:
    if mean <= 0.0:
        return 0
    least, product, count = exp(-mean), rng.random(), 0
    while product > least:
        product *= rng.random()
        count += 1
    return count


def binomial(rng: random.Random, tries: int, share: float) -> int:
    """How many of independent `tries` succeed, each with probability `share`.

    Few by their distances, others by transformed rejection: W. Hörmann, "The generation of binomial random variates",
    Journal of Statistical Computation and Simulation 46 (1993), algorithm BTRS.
    """
    if share > 0.5:
        return tries - binomial(rng, tries, 1.0 - share)
    if tries * share < 10.0:
        return _by_distance(rng, tries, share)
    spread = sqrt(tries * share * (1.0 - share))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * share
    most, scale = 0.92 - 4.2 / b, (2.83 + 5.1 / b) * spread
    odds, mode = log(share / (1.0 - share)), floor((tries + 1) * share)
    top = lgamma(mode + 1) + lgamma(tries - mode + 1)
    while True:
        u, v = rng.random() - 0.5, rng.random()
        us = 0.5 - abs(u)
        if us <= 0.0:
            continue
        count = floor((2.0 * a / us + b) * u + tries * share + 0.5)
        if not 0 <= count <= tries:
            continue
        if us >= 0.07 and v <= most:
            return count
        v *= scale / (a / (us * us) + b)
        if v > 0.0 and log(v) <= top - lgamma(count + 1) - lgamma(tries - count + 1) + (count - mode) * odds:
            return count


def _by_distance(rng: random.Random, tries: int, share: float) -> int:
    if share <= 0.0 or tries <= 0:
        return 0
    count, at, miss = 0, 0, log1p(-share)
    while True:
        at += int(log(1.0 - rng.random()) / miss) + 1
        if at > tries:
            return count
        count += 1


def geometric(rng: random.Random, mean: float) -> int:
    """How many tries until the first success, where `mean` are expected; at least 1."""
    return 1 + int(log(1.0 - rng.random()) / log(1.0 - 1.0 / mean)) if mean > 1.0 else 1
