"""Which weights a record shows: steps rather than the noise of single windows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

RELATIVE, ABSOLUTE = 0.25, 2.0
"""A share is another weight when it is off by more than this part of it, and by more than so many percent points."""


class Level(NamedTuple):
    """From Unix seconds `since` on the canary had about that weight, in percent."""

    since: float
    weight: float


def levels(shares: Iterable[tuple[float, float]]) -> tuple[Level, ...]:
    """The levels of shares of requests in percent, each with the Unix seconds at which its window began."""
    found: list[Level] = []
    for since, share in shares:
        if not found or abs(share - found[-1].weight) > max(ABSOLUTE, RELATIVE * found[-1].weight):
            found.append(Level(since, share))
    return tuple(found)
