"""How long to wait before the next try: exponential, capped, with jitter, so that many clients do not retry as one."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Beyond this exponent every sensible cap is reached; it keeps `factor ** failures` a finite float.
_MAX_EXPONENT = 64


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits `base · factor^(failures-1)` seconds, at most `cap`, of which the last `jitter` share is random."""

    base: float = 1.0
    cap: float = 60.0
    factor: float = 2.0
    jitter: float = 0.5

    def __post_init__(self) -> None:
        if not (0.0 < self.base <= self.cap and self.factor >= 1.0 and 0.0 <= self.jitter <= 1.0):
            raise ValueError(f"need 0 < base <= cap, factor >= 1 and 0 <= jitter <= 1, not {self}")

    def delay(self, failures: int, rng: random.Random) -> float:
        """Seconds to wait after `failures` failures in a row (counted from 1)."""
        exponent = min(max(failures - 1, 0), _MAX_EXPONENT)
        whole = min(self.cap, self.base * self.factor**exponent)
        return whole * (1.0 - self.jitter * rng.random())


def jittered(seconds: float, rng: random.Random, spread: float = 0.2) -> float:
    """`seconds` moved at random by up to ± `spread` of itself."""
    return seconds * (1.0 + spread * (2.0 * rng.random() - 1.0))
