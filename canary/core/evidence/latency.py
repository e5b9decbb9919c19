"""Latency: by the share of requests above a bucket's edge where there are histograms, by the sign of a gauge where not.

With histograms latency is a rate like any other, and one window carries hundreds of answers; `slower` makes counts of
them. A gauge, such as the p99 of a window, is one number, and only "was the canary's higher?" can be counted: ten
windows in a row, at least, for a verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

import msgspec

from canary.core.evidence.counts import Counts, Side
from canary.core.evidence.hypotheses import RateLimit
from canary.core.window import Missing, Sample

_SIGNS = tuple(2.0 * p for p in (0.6, 0.7, 0.8, 0.9, 0.97))
BULK, TAIL = 0.075, 0.01
"""Shares of slower requests that are worth watching: what all requests feel, and what only some do."""


class Gauge(msgspec.Struct, frozen=True):
    """A latency quantile of one side in one window, in seconds, and how many requests it was made of."""

    seconds: float
    requests: float


def sign_test(alpha: float, *, horizon: int = 180) -> RateLimit:
    """Null hypothesis: the canary's latency is above stable's in at most half of the windows.

    The sign test (Arbuthnot 1710; Dixon and Mood, JASA 41, 1946) as an e-process; feed it what `sign` returns. No cap
    is needed, for one window at most nearly doubles the evidence.
    """
    return RateLimit(alpha=alpha, horizon=horizon, limit=0.5, grid=_SIGNS, fewest=1, clustered=False)


def sign(canary: Gauge, stable: Gauge, quantile: float, tolerance: float = 0.1) -> Side:
    """One trial: bad when the canary's `quantile` (0.0 to 1.0) is more than `tolerance` above stable's.

    `Missing` says why a window cannot count. A quantile of few requests is biased low: a p99 needs 200 of them. And
    unless stable has at least as many requests as the canary, and `tolerance` at least 0.1, chance alone favours
    stable.
    """
    flaw = _flaw(canary, "canary") or _flaw(stable, "stable")
    if flaw:
        return Missing(flaw)
    beyond = canary.requests * (1.0 - quantile)
    if not (0.0 < quantile < 1.0) or beyond < 2.0 - 1e-9:
        return Missing(f"{canary.requests:g} requests are too few for a p{100.0 * quantile:g}")
    if stable.requests < canary.requests:
        return Missing("stable has fewer requests than the canary, and its quantile scatters more")
    limit = stable.seconds * (1.0 + max(tolerance, 0.1))
    if canary.seconds == limit:
        return Missing("neither side is the slower one")
    return Counts(1.0, 1.0 if canary.seconds > limit else 0.0)


def _flaw(gauge: Gauge, name: str) -> str:
    if not (isfinite(gauge.seconds) and gauge.seconds > 0.0):
        return f"{name}: {gauge.seconds:g} s is no latency"
    return f"{name}: {flaw}" if (flaw := Counts(gauge.requests).flaw) else ""


def watch_points(stable: Sample) -> tuple[float, ...]:
    """Which of the histogram's edges to watch, in seconds: one for the bulk of stable's requests, one for their tail.

    To be chosen before a step from what stable did before it; choosing by what is then tested would break the promise.
    Empty without a histogram. `slower` counts exactly at an edge and interpolates between edges.
    """
    shares = list(_shares(stable))
    if not shares:
        return ()
    return tuple(sorted({min(shares, key=lambda found: abs(found[1] - wanted))[0] for wanted in (BULK, TAIL)}))


def _shares(sample: Sample) -> Iterator[tuple[float, float]]:
    """Each finite edge, and the share of requests above it."""
    for edge, _ in sample.histogram[:-1]:
        share = sample.slower_than(edge)
        if share is not None:
            yield edge, share
