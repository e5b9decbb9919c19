"""One metrics window: what each side of a rollout answered between two moments, or why nobody knows.

Counts are requests and may be fractional (a source may extrapolate between scrapes); latencies are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Quantile: TypeAlias = Literal["p50", "p90", "p99"]


class Peer(NamedTuple):
    """Who sends requests, as a source of its own: a workload of the same namespace, and what it sees."""

    kind: str
    name: str


class Bucket(NamedTuple):
    """How many `requests` took at most `le` seconds; infinity in the last bucket of a histogram."""

    le: float
    requests: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A usable reading of one side: `success + failure` is above 0, both are finite and not negative.

    `latency` holds only the quantiles that are known, in seconds; an absent quantile is unknown, never zero.
    `histogram` has cumulative buckets with ascending `le`, the last one infinite, or is empty when the source has none;
    its total may differ from `requests`, for the source may count and time at different moments.
    """

    success: float
    failure: float
    latency: Mapping[Quantile, float] = field(default_factory=dict, hash=False)
    histogram: tuple[Bucket, ...] = ()

    @property
    def requests(self) -> float:
        return self.success + self.failure

    @property
    def success_rate(self) -> float:
        """The share of requests that succeeded, 0.0 to 1.0."""
        return self.success / self.requests

    def slower_than(self, seconds: float) -> float | None:
        """The share of requests that took longer, 0.0 to 1.0; `None` without a histogram.

        Requests are taken to be spread evenly over their bucket. How long those of the last bucket took is unknown, so
        all of them count as slower.
        """
        total = self.histogram[-1][1] if self.histogram else 0.0
        if total <= 0:
            return None
        low, below = 0.0, 0.0
        for le, count in self.histogram:
            if seconds < le:
                inside = (seconds - low) / (le - low) if seconds > low else 0.0
                return (total - below - (count - below) * inside) / total
            low, below = le, count
        return 0.0


@dataclass(frozen=True, slots=True)
class Missing:
    """The source answered, yet has no usable numbers for this side; `reason` says why, in words."""

    reason: str


SideReading: TypeAlias = Sample | Missing


class Sides(NamedTuple):
    """What was read of each side."""

    canary: SideReading
    stable: SideReading


_NOT_ASKED = Sides(Missing("nobody has asked for this edge yet"), Missing("nobody has asked for this edge yet"))


@dataclass(frozen=True, slots=True)
class Window:
    """One answer of the metrics source that could be read, even if it knows nothing of either side.

    `edges` holds what was asked for besides: the requests of one peer. `start` and `end` are monotonic seconds of this
    process and mean nothing in another one; `wall_end` is unix seconds, for display and for the record.
    """

    start: float
    end: float
    wall_end: float
    canary: SideReading
    stable: SideReading
    edges: Mapping[Peer, Sides] = field(default_factory=dict, hash=False)

    def seen_by(self, peer: Peer | None) -> Sides:
        """The two sides by what they answered a peer; without one, by what they answered anybody."""
        if peer is None:
            return Sides(self.canary, self.stable)
        return self.edges.get(peer, _NOT_ASKED)


@dataclass(frozen=True, slots=True)
class SourceFailure:
    """The metrics source failed or answered nonsense; `at` is monotonic seconds, `wall` unix seconds."""

    at: float
    wall: float
    reason: str


Reading: TypeAlias = Window | SourceFailure
