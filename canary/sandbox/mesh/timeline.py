"""The traffic of one root Service over time: steady flows between changes, and random arrivals drawn from them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from canary.sandbox.mesh.behaviour import Behaviour
from canary.sandbox.mesh.observations import Source


@dataclass(frozen=True, slots=True)
class Flow:
    """A steady stream of `rate` requests per second."""

    source: Source
    rate: float
    behaviour: Behaviour


@dataclass
class Timeline:
    """The flows of one root since each moment at which they changed, and the seconds drawn so far."""

    rng: random.Random | None
    changes: list[tuple[float, tuple[Flow, ...]]] = field(default_factory=list)
    drawn: dict[int, list[tuple[Flow, int, int]]] = field(default_factory=dict)
    next_second: int = 0

    def set(self, now: float, flows: tuple[Flow, ...]) -> None:
        if self.changes and self.changes[-1][1] == flows:
            return
        if not self.changes:
            self.next_second = math.floor(now)
        if self.changes and self.changes[-1][0] == now:
            self.changes.pop()
        self.changes.append((now, flows))

    def between(self, start: float, end: float) -> Iterator[tuple[Flow, float]]:
        """Flows and how many seconds of the window each lasted."""
        for index in range(len(self.changes) - 1, -1, -1):
            since, flows = self.changes[index]
            until = self.changes[index + 1][0] if index + 1 < len(self.changes) else end
            seconds = min(end, until) - max(start, since)
            if seconds > 0:
                yield from ((flow, seconds) for flow in flows)
            if since <= start:
                return

    def draw(self, rng: random.Random, now: float, retention: float) -> None:
        """Draw the requests of every whole second up to `now`."""
        kept = math.floor(retention)
        if self.next_second < math.floor(now) - kept:
            self.next_second = math.floor(now) - kept
            self.drawn.clear()
        for second in range(self.next_second, math.floor(now)):
            cell = []
            for flow, seconds in self.between(second, second + 1):
                bad = flow.behaviour.error_percent / 100.0
                mean = flow.rate * seconds
                cell.append((flow, poisson(rng, mean * (1.0 - bad)), poisson(rng, mean * bad)))
            self.drawn[second] = cell
            self.drawn.pop(second - kept - 1, None)
        self.next_second = max(self.next_second, math.floor(now))

    def trim(self, oldest: float) -> None:
        """Forget changes that ended before `oldest`."""
        while len(self.changes) > 1 and self.changes[1][0] <= oldest:
            del self.changes[0]


_FEW = 10.0


def poisson(rng: random.Random, mean: float) -> int:
    """How many arrivals of a Poisson process fall into the time in which `mean` are expected; exact."""
    if mean >= _FEW:
        return _many(rng, mean)
    count, elapsed = 0, rng.expovariate(1.0) if mean > 0 else math.inf
    while elapsed < mean:
        count += 1
        elapsed += rng.expovariate(1.0)
    return count


def _many(rng: random.Random, mean: float) -> int:
    """Transformed rejection, at a cost that does not grow with `mean`.

    Source: Hörmann, "The transformed rejection method for generating Poisson random variables", Insurance: Mathematics
    and Economics 12 (1993), algorithm PTRD without its squeeze.
    """
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    while True:
        u, v = rng.random() - 0.5, rng.random()
        us = 0.5 - abs(u)
        if us <= 0.0:
            continue
        count = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if count < 0 or v <= 0.0:
            continue
        accepted = math.log(v * inverse_alpha / (a / (us * us) + b))
        if accepted <= count * math.log(mean) - mean - math.lgamma(count + 1):
            return count
