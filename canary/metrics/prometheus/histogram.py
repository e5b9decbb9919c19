"""Classic histograms: buckets as Prometheus answers them, and quantiles as PromQL computes them.

Source: https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile, "Special cases for classic
histograms" and what follows on monotonicity.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from math import inf, isfinite, isnan
from typing import Literal

from canary.core.window import Bucket, Quantile

QUANTILES: Mapping[Quantile, float] = {"p50": 0.50, "p90": 0.90, "p99": 0.99}

_PER_SECOND: Mapping[Literal["s", "ms"], float] = {"s": 1.0, "ms": 1000.0}
_TOLERANCE = 1e-12
"""Relative difference of neighbours that is a rounding error, as in PromQL."""


def buckets(counts: Iterable[tuple[str, float]], unit: Literal["s", "ms"]) -> tuple[Bucket, ...]:
    """The histogram of cumulative `counts` by the text of their `le`, in seconds, ascending.

    Counts of the same bound are added, and a count below the one before it is raised to it. Empty when it is no
    histogram: fewer than two buckets, none up to infinity, a bound or a count that is no number, or no requests.
    """
    sums: dict[float, float] = {}
    for text, count in counts:
        le = _bound(text)
        if isnan(le) or not isfinite(count) or count < 0:
            return ()
        sums[le] = sums.get(le, 0.0) + count
    if len(sums) < 2 or inf not in sums:
        return ()
    found: list[Bucket] = []
    highest = 0.0
    for le, count in sorted(sums.items()):
        if count - highest > _TOLERANCE * (count + highest):
            highest = count
        found.append(Bucket(le / _PER_SECOND[unit], highest))
    return tuple(found) if highest > 0 else ()


def _bound(text: str) -> float:
    """The number that an `le` means: `0.5`, `+Inf`; NaN for any other text."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


def quantile(share: float, histogram: tuple[Bucket, ...]) -> float | None:
    """Seconds within which this `share` of requests was answered; `None` for an empty histogram.

    Requests are taken to be spread evenly over their bucket. Those of the last bucket took at least the bound before
    it, and nobody knows how long, so that bound is the answer.
    """
    if not histogram:
        return None
    bounds, counts = zip(*histogram, strict=True)
    rank = share * counts[-1]
    place = bisect_left(counts, rank, hi=len(counts) - 1)
    if place == len(counts) - 1:
        return float(bounds[-2])
    if place == 0 and bounds[0] <= 0:
        return float(bounds[0])
    low, below = (bounds[place - 1], counts[place - 1]) if place else (0.0, 0.0)
    return float(low + (bounds[place] - low) * (rank - below) / (counts[place] - below))


def quantiles(histogram: tuple[Bucket, ...]) -> dict[Quantile, float]:
    """The latencies of a `Sample`, in seconds. What is not above zero is unknown."""
    found = {name: quantile(share, histogram) for name, share in QUANTILES.items()}
    return {name: seconds for name, seconds in found.items() if seconds is not None and seconds > 0}
