"""How sure one can be of a share that was counted in a sample, and quantiles of what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, exp, fsum, lgamma, log, log1p
from typing import NamedTuple


class Interval(NamedTuple):
    """Shares, 0.0 to 1.0."""

    low: float
    high: float


def clopper_pearson(found: int, tries: int, confidence: float = 0.95) -> Interval:
    """The exact interval of a binomial share: `found` of `tries` (at least 1).

    C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial",
    Biometrika 26 (1934). It covers the true share at least as often as `confidence` says.
    """
    tail = (1.0 - confidence) / 2.0
    low = _solve(lambda share: _at_least(found, tries, share) >= tail) if found else 0.0
    high = _solve(lambda share: _at_least(tries - found, tries, 1.0 - share) <= tail) if found < tries else 1.0
    return Interval(low, high)


def _at_least(found: int, tries: int, share: float) -> float:
    """The probability of so many or more successes."""
    if share <= 0.0 or share >= 1.0:
        return float(share >= 1.0 or not found)
    hit, miss = log(share), log1p(-share)
    whole = lgamma(tries + 1)
    counts = range(found, tries + 1) if 2 * found > tries else range(found)
    total = fsum(exp(whole - lgamma(k + 1) - lgamma(tries - k + 1) + k * hit + (tries - k) * miss) for k in counts)
    return total if 2 * found > tries else 1.0 - total


def _solve(reached: Callable[[float], bool]) -> float:
    """The smallest share for which `reached` holds, to ten digits; it holds for all above."""
    low, high = 0.0, 1.0
    for _ in range(34):
        middle = (low + high) / 2.0
        low, high = (low, middle) if reached(middle) else (middle, high)
    return (low + high) / 2.0


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of them (one at least, in ascending order) does not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
