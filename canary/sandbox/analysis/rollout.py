"""A whole rollout in five steps, ended by evidence or promoted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from canary.core.evidence import Counts, Early, Evidence, Finding, RateRatio, WindowCounts, count
from canary.sandbox.analysis.traffic import Traffic

STEPS = (0.1, 0.2, 0.3, 0.4, 0.5)
SHORTEST, LONGEST = 60.0, 300.0
"""Seconds that a step takes."""


class Ended(NamedTuple):
    """How a rollout ended, after how many seconds, and how many requests the canary had failed."""

    promoted: bool
    seconds: float
    failed: float


@dataclass(frozen=True, slots=True)
class Rollout:
    """Rolled back when the test decides. A step ends when enough is shown, or after five minutes without a decision."""

    traffic: Traffic
    test: RateRatio
    early: Early

    def play(self, rng: random.Random) -> Ended:
        worse, begun, failed = Evidence(), 0.0, 0.0
        for weight in STEPS:
            step, test, elapsed = Evidence(), self.early.test, 0.0
            for window in _from(replace(self.traffic, weights=(weight,)).play(rng), begun):
                outcome = count(self.test, worse, window)
                worse, elapsed = outcome.evidence, window.end - begun
                failed += window.canary.bad if isinstance(window.canary, Counts) else 0.0
                if outcome.finding is Finding.SHOWN:
                    return Ended(False, window.end, failed)
                step = count(test, step, window).evidence
                if elapsed >= LONGEST or (elapsed >= SHORTEST and self.early.finding(step) is Finding.SHOWN):
                    break
            begun += elapsed
        return Ended(True, begun, failed)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing about a rollout, as a trial: when it was `promoted` or `rolled back`, or how many requests `failed`."""

    rollout: Rollout
    of: str

    def run(self, rng: random.Random) -> float | None:
        ended = self.rollout.play(rng)
        if self.of == "failed":
            return ended.failed
        return ended.seconds if ended.promoted == (self.of == "promoted") else None


def _from(windows: Iterator[WindowCounts], begin: float) -> Iterator[WindowCounts]:
    """The same windows, later."""
    for window in windows:
        yield WindowCounts(begin + window.start, begin + window.end, window.canary, window.stable)
