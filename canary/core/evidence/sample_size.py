"""What a given traffic can show: how many requests a claim needs, and how small a regression is seen in what time."""

from __future__ import annotations

from math import exp, log, sqrt

import msgspec

from canary.core.evidence.counts import Counts, WindowCounts
from canary.core.evidence.interval import interval
from canary.core.evidence.process import Test

_NINE_IN_TEN = 1.2815515655446004
"""The quantile of the normal distribution."""
_FOREVER = 1_000_000
"""Windows: longer than any rollout."""


class Traffic(msgspec.Struct, frozen=True):
    """Requests of each side in one window, and the share of stable's that is bad anyway, 0.0 to 1.0."""

    canary: float
    stable: float
    rate: float = 0.0


def requests_to_show(limit: float, alpha: float, rate: float = 0.0) -> float | None:
    """How many requests until `interval` at `alpha` is below `limit`, if `rate` of them are bad.

    The interval is that of a Beta mixture around the limit. `None` where no number of requests is enough.
    """
    if not 0.0 <= rate < limit < 1.0:
        return None

    def shown(requests: float) -> bool:
        return interval(Counts(requests, rate * requests), alpha, prior=(0.5, 0.5 / limit)).high <= limit

    few, many = 0.0, 1.0
    while not shown(many):
        few, many = many, 2.0 * many
        if many > 1e12:
            return None
    while many - few > max(0.5, 1e-6 * many):
        middle = (few + many) / 2.0
        few, many = (few, middle) if shown(middle) else (middle, many)
    return many


def windows_to_detect(test: Test, traffic: Traffic, rate: float) -> int | None:
    """In how many windows a canary with `rate` (0.0 to 1.0) is found, from the first window on, in nine of ten
    rollouts.

    An estimate: sums of windows are taken as normally distributed, which flatters where few failures are expected.
    `None` for never, for a rate that the test does not look for, or without requests.
    """
    gains = _gains(test, traffic, rate)
    few, many = test.fewest - 1, test.fewest
    while not _found(test, gains, many):
        few, many = many, 2 * many
        if many > _FOREVER:
            return None
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _found(test, gains, middle) else (middle, many)
    return many


def detectable_rate(test: Test, traffic: Traffic, windows: int) -> float | None:
    """The smallest rate of a canary (0.0 to 1.0) that is found within so many windows, in nine of ten rollouts.

    `None` when even a canary that fails every request would not be found.
    """

    def found(rate: float) -> bool:
        return _found(test, _gains(test, traffic, rate), windows)

    if windows < test.fewest or not found(1.0):
        return None
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2.0
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


class _Gain(msgspec.Struct, frozen=True):
    """What one window adds to the logarithm of one alternative: its mean and its variance."""

    mean: float
    variance: float


def _gains(test: Test, traffic: Traffic, rate: float) -> list[_Gain]:
    canary, stable = traffic.canary, traffic.stable
    if test.flaw(WindowCounts(0.0, 1.0, Counts(canary, rate * canary), Counts(stable, traffic.rate * stable))):
        return []

    def increments(bad: float, stable_bad: float) -> list[float]:
        return test.increments(Counts(canary, bad), Counts(stable, stable_bad))

    # What a window adds is linear in either side's bad requests.
    neither, ours, theirs = increments(0.0, 0.0), increments(1.0, 0.0), increments(0.0, 1.0)
    scatter, stable_scatter = canary * rate * (1.0 - rate), stable * traffic.rate * (1.0 - traffic.rate)
    return [
        _Gain(
            base + canary * rate * (a - base) + stable * traffic.rate * (b - base),
            scatter * (a - base) ** 2 + stable_scatter * (b - base) ** 2,
        )
        for base, a, b in zip(neither, ours, theirs, strict=True)
    ]


def _found(test: Test, gains: list[_Gain], windows: int) -> bool:
    """Whether all but one in ten rollouts have enough. What helps one alternative helps its neighbours too."""
    if not gains:
        return False
    cap = min(test.cap, log(test.needed) + log(len(gains) / test.first))
    totals = [windows * min(gain.mean - _NINE_IN_TEN * sqrt(gain.variance / windows), cap) for gain in gains]
    top = max(totals)
    together = top + log(sum(exp(total - top) for total in totals) / len(totals))
    return together + log(test.first) >= log(test.needed)
