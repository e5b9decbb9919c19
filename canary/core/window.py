"""One metrics window: what each side of a rollout answered between two moments, or why nobody knows.

Counts are requests and may be fractional (a source may extrapolate between scrapes); latencies are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Quantile: TypeAlias = Literal["p50", "p90", "p99"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A usable reading of one side: `success + failure` is above 0, both are finite and not negative.

    `latency` holds only the quantiles that are known, in seconds; an absent quantile is unknown, never zero.
    """

    success: float
    failure: float
    latency: Mapping[Quantile, float] = field(default_factory=dict, hash=False)

    @property
    def requests(self) -> float:
        return self.success + self.failure

    @property
    def success_rate(self) -> float:
        """The share of requests that succeeded, 0.0 to 1.0."""
        return self.success / self.requests


@dataclass(frozen=True, slots=True)
class Missing:
    """The source answered, yet has no usable numbers for this side; `reason` says why, in words."""

    reason: str


SideReading: TypeAlias = Sample | Missing


@dataclass(frozen=True, slots=True)
class Window:
    """One answer of the metrics source that could be read, even if it knows nothing of either side.

    `start` and `end` are monotonic seconds of this process and mean nothing in another one; `wall_end` is unix seconds,
    for display and for the record.
    """

    start: float
    end: float
    wall_end: float
    canary: SideReading
    stable: SideReading


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """The metrics source failed or answered nonsense; `at` is monotonic seconds, `wall` unix seconds."""

    at: float
    wall: float
    reason: str


Reading: TypeAlias = Window | SourceFailure
