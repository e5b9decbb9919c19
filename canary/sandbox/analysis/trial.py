"""One trial: some traffic, some rule that judges it, and when the rule decided."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from canary.core.evidence import (
    Counts,
    Early,
    Evidence,
    Finding,
    RateRatio,
    Test,
    WindowCounts,
    count,
    interval,
    sign_test,
)
from canary.sandbox.analysis.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Watched:
    """A test that is looked at after every window; the trial ends when it decides."""

    traffic: Traffic
    test: Test = field(default_factory=RateRatio)

    def run(self, rng: random.Random) -> float | None:
        """Seconds from the onset to the decision; `None` when there was none. A decision before it is below 0."""
        evidence = Evidence()
        for window in self.traffic.play(rng):
            outcome = count(self.test, evidence, window)
            evidence = outcome.evidence
            if outcome.finding is Finding.SHOWN:
                return window.end - self.traffic.onset
        return None


@dataclass(frozen=True, slots=True)
class Threshold:
    """The rule to beat: every minute the canary's rate alone, `strikes` of them above `limit` end the rollout.

    Strikes are never forgiven, and the end comes with the next look.
    """

    traffic: Traffic
    limit: float
    strikes: int = 5

    def run(self, rng: random.Random) -> float | None:
        failed, minute = 0, Counts()
        for window in self.traffic.play(rng):
            minute += window.canary if isinstance(window.canary, Counts) else Counts()
            if window.end % 60.0:
                continue
            if failed >= self.strikes:
                return window.end
            failed, minute = failed + (minute.rate > self.limit), Counts()
        return None


@dataclass(frozen=True, slots=True)
class Signs:
    """The sign test, where the canary is the slower one with `probability` in each window."""

    probability: float
    alpha: float = 0.01
    windows: int = 360

    def run(self, rng: random.Random) -> float | None:
        """Windows to the decision."""
        test, evidence = sign_test(self.alpha), Evidence()
        for number in range(1, self.windows + 1):
            slower = Counts(1.0, 1.0 if rng.random() < self.probability else 0.0)
            outcome = count(test, evidence, WindowCounts(number - 1.0, float(number), slower))
            evidence = outcome.evidence
            if outcome.finding is Finding.SHOWN:
                return float(number)
        return None


@dataclass(frozen=True, slots=True)
class Passing:
    """A step that may end early."""

    traffic: Traffic
    early: Early = field(default_factory=Early)

    def run(self, rng: random.Random) -> float | None:
        """Seconds until enough was shown."""
        evidence, test = Evidence(), self.early.test
        for window in self.traffic.play(rng):
            evidence = count(test, evidence, window).evidence
            if self.early.finding(evidence) is Finding.SHOWN:
                return window.end
        return None


@dataclass(frozen=True, slots=True)
class Missed:
    """An interval that is looked at a thousand times: when, if ever, the true rate was outside."""

    rate: float
    alpha: float
    requests: float = 50.0

    def run(self, rng: random.Random) -> float | None:
        """Windows until the true rate was outside."""
        traffic = Traffic(rps=self.requests, weights=(1.0,), canary=self.rate, seconds=1.0, windows=1000)
        seen = Counts()
        for window in traffic.play(rng):
            seen += window.canary if isinstance(window.canary, Counts) else Counts()
            low, high = interval(seen, self.alpha)
            if not low <= self.rate <= high:
                return window.end
        return None
