"""Fewer requests than were recorded: what a side would have had at a lower weight.

Each request of a side is taken to be like any other of it at that time, so that a part of them fails at the same rate.
More requests than were recorded are never made up.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from math import floor, sqrt
from typing import Protocol

from canary.core.window import Bucket, Missing, Sample, SideReading, Sides
from canary.metrics.source import NO_REQUESTS
from canary.simulate.draws import binomial

CHANCE = 2.0
"""So many standard deviations a share of requests may be off a weight, and still be that weight."""


class Pick(Protocol):
    def __call__(self, what: str, count: float, share: float) -> float:
        """How many of `count` are kept, where `share` of them are wanted; `what` names what is counted."""
        ...


@dataclass
class Evenly:
    """Keeps the same part of everything, in whole requests: what is left over is kept for the next time."""

    _left: dict[str, float] = field(default_factory=dict)

    def __call__(self, what: str, count: float, share: float) -> float:
        wanted = count * share + self._left.get(what, 0.0)
        # A rounding error must not hold back the last request of a whole number.
        kept = min(float(floor(wanted + 1e-9)), count)
        self._left[what] = wanted - kept
        return kept


@dataclass
class Drawn:
    """Keeps each request with the same probability: binomial counts, drawn from `rng`."""

    rng: random.Random

    def __call__(self, what: str, count: float, share: float) -> float:
        return float(binomial(self.rng, round(count), share))


def shares(weight: float, recorded: float) -> tuple[float, float]:
    """Which share of its recorded requests canary and stable would have had; both weights from 0.0 to 1.0."""
    canary = min(1.0, weight / recorded) if recorded > 0 else 1.0
    stable = min(1.0, (1.0 - weight) / (1.0 - recorded)) if recorded < 1 else 1.0
    return canary, stable


def same_weight(weight: float, canary: float, requests: float) -> bool:
    """Whether chance explains that the canary had `canary` of all `requests`, at a weight from 0.0 to 1.0."""
    return abs(canary - weight * requests) <= CHANCE * sqrt(requests * weight * (1.0 - weight))


def thinned(sides: Sides, keep: tuple[float, float], pick: Pick, whom: str = "") -> Sides:
    """Both sides with those shares of their requests."""
    names = (f"{whom} canary", f"{whom} stable")
    return Sides(*(_side(side, share, pick, name) for side, share, name in zip(sides, keep, names, strict=True)))


def _side(side: SideReading, share: float, pick: Pick, name: str) -> SideReading:
    if isinstance(side, Missing) or share >= 1.0:
        return side
    success, failure = pick(f"{name} success", side.success, share), pick(f"{name} failure", side.failure, share)
    if success + failure <= 0:
        return NO_REQUESTS
    kept = (success + failure) / side.requests
    histogram = tuple(Bucket(le, count * kept) for le, count in side.histogram)
    return replace(side, success=success, failure=failure, histogram=histogram)


def requests_of(side: SideReading) -> float | None:
    """The requests of a side; `None` where they are not known, 0 where it is known that there were none."""
    if isinstance(side, Sample):
        return side.requests
    return 0.0 if side == NO_REQUESTS else None
