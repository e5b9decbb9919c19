"""What a comparison counts: requests of each side in one window, and the bad ones among them."""

from __future__ import annotations

import msgspec

from canary.api.duration import format_duration
from canary.core.window import Missing, SideReading

MOST = 1e15
"""No side has answered that many requests: beyond it a count is a mistake, and near it a float stops counting by ones.
"""


class Counts(msgspec.Struct, frozen=True, array_like=True):
    """Requests, and how many of them were bad: failed, or took longer than some limit.

    Counts may be fractional. A source that extrapolates between scrapes, or an interpolated histogram, gives each
    request a share between 0 and 1 of being bad, and such a share is never more variable than the yes or no that the
    tests allow for (Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58, 1963).
    """

    requests: float = 0.0
    bad: float = 0.0

    @property
    def flaw(self) -> str:
        """Why these cannot be counts of anything; empty when they can. A counter that was reset shows as negative."""
        # Both comparisons are false for NaN.
        if not (0.0 <= self.requests <= MOST and 0.0 <= self.bad <= MOST):
            return f"{self.bad:g} of {self.requests:g} requests are no counts"
        if self.bad > self.requests:
            return f"{self.bad:g} bad requests are more than the {self.requests:g} requests"
        return ""

    @property
    def rate(self) -> float:
        """The share of bad requests, 0.0 to 1.0; 0.0 without requests."""
        return self.bad / self.requests if self.requests else 0.0

    def __add__(self, other: Counts) -> Counts:
        # Sources count in thousandths; more digits would only be rounding errors that are stored.
        return Counts(round(self.requests + other.requests, 3), round(self.bad + other.bad, 3))


Side = Counts | Missing


class WindowCounts(msgspec.Struct, frozen=True):
    """One window of both sides. `start` and `end` are seconds of one clock that all windows of a rollout share.

    A side that nobody knows is a `Missing`, never zero requests.
    """

    start: float
    end: float
    canary: Side
    stable: Side = Missing("stable was not counted")


def flaw_of(side: Side, name: str) -> str:
    """Why a test that needs this side cannot use it; empty when it can. `name` is the side's, for the words."""
    if isinstance(side, Missing):
        return f"{name}: {side.reason}"
    flaw = side.flaw or ("" if side.requests else "no requests")
    return f"{name}: {flaw}" if flaw else ""


def failures(side: SideReading) -> Side:
    """The requests of a reading, and its failures."""
    return side if isinstance(side, Missing) else Counts(side.requests, side.failure)


def slower(side: SideReading, seconds: float) -> Side:
    """The requests of a reading, and those that took longer than `seconds`; `Missing` without a usable histogram."""
    if isinstance(side, Missing):
        return side
    share = side.slower_than(seconds)
    if share is None:
        return Missing(f"no histogram, so nobody knows how many took longer than {format_duration(seconds)}")
    return Counts(side.requests, share * side.requests)
