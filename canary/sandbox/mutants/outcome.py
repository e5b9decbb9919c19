"""What became of a mutant in one run, as the child tells it to the parent."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class End(StrEnum):
    LIVED = "lived"
    """The run ended well: nothing was noticed."""
    FAILED = "failed"
    """An invariant was broken, or the named test failed."""
    STOPPED = "stopped"
    """It used up its CPU time, or its process died."""
    UNFIT = "unfit"
    """It could not be run at all: a defect of the catalogue, and no kill."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`seed` is `None` where a test was run; `words` is what the failure said."""

    end: End
    seed: int | None = None
    invariants: frozenset[str] = frozenset()
    words: str = ""

    @property
    def died(self) -> bool:
        return self.end in (End.FAILED, End.STOPPED)

    def caught(self, expected: tuple[str, ...]) -> bool:
        """Whether it died by one of the invariants that had to catch it."""
        return self.died and not self.invariants.isdisjoint(expected)
