"""How often something may happen: a burst at once, a rate in the long run."""

from __future__ import annotations

from dataclasses import dataclass

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_second`."""

    burst: float
    per_second: float


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """`missing` tokens were gone at `at`, in monotonic seconds of one process; a new bucket is full."""

    rate: Rate
    missing: float = 0.0
    at: float = 0.0

    def wait(self, now: float) -> float:
        """In how many seconds there is a token; 0 if there is one."""
        lacking = self._missing(now) + 1.0 - self.rate.burst
        return lacking / self.rate.per_second if lacking > _ROUNDING else 0.0

    def take(self, now: float) -> TokenBucket:
        """What is left after one more, whether there was one or not."""
        return TokenBucket(self.rate, min(self._missing(now) + 1.0, self.rate.burst), now)

    def _missing(self, now: float) -> float:
        return max(0.0, self.missing - (now - self.at) * self.rate.per_second)
