"""Bounds of a rate that hold at all times at once: whoever looks at every window is wrong no more often.

Such an interval is about one and a half times as wide as one for a single look at a sample size fixed in advance.
"""

from __future__ import annotations

from collections.abc import Callable
from math import lgamma, log, log1p
from typing import NamedTuple

from canary.core.evidence.counts import Counts

_ENOUGH = 1e12
"""Beyond it the logarithms of the gamma function lose the digits that matter; as many requests are never too narrow."""


class Interval(NamedTuple):
    """A rate lies between `low` and `high`, each 0.0 to 1.0."""

    low: float
    high: float


def interval(
    counts: Counts, alpha: float, *, prior: tuple[float, float] = (0.5, 0.5), dispersion: float = 1.0
) -> Interval:
    """The rates that the beta-binomial mixture does not refute at `alpha`: the confidence sequence of Robbins
    ("Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41(5), 1970);
    Howard, Ramdas, McAuliffe and Sekhon, Annals of Statistics 49(2), 2021.

    For a rate that stays the same. `prior` is the Beta mixture, fixed in advance; (0.5, 0.5 / limit) gives the
    narrowest bounds around a limit. Clustered counts weigh 1/`dispersion`. Counts that mean nothing give 0 to 1.
    """
    if counts.flaw or not counts.requests:
        return Interval(0.0, 1.0)
    scale = min(1.0 / max(dispersion, 1.0), _ENOUGH / counts.requests)
    bad, requests = counts.bad * scale, counts.requests * scale
    observed = min(max(bad / requests, 1e-12), 1.0 - 1e-12)

    def refuted(rate: float) -> bool:
        return mixture - bad * log(rate) - (requests - bad) * log1p(-rate) >= needed

    needed, mixture = -log(alpha), log_mixture(bad, requests, prior)
    low = _edge(observed, 1e-15, refuted) if bad else 0.0
    return Interval(low, _edge(observed, 1.0 - 1e-15, refuted) if bad < requests else 1.0)


def log_mixture(bad: float, requests: float, prior: tuple[float, float]) -> float:
    """The logarithm of the probability of these requests, in their order, where the rate is drawn from Beta(*prior)."""
    a, b = prior
    return _log_beta(a + bad, b + requests - bad) - _log_beta(a, b)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _edge(inside: float, outside: float, refuted: Callable[[float], bool]) -> float:
    """The border between rates that are refuted and those that are not, on the refuted side."""
    if not refuted(outside):
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2.0
        if refuted(middle):
            outside = middle
        else:
            inside = middle
    return outside
