"""Many trials of one kind, and what is claimed of them."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Trial(Protocol):
    def run(self, rng: random.Random) -> float | None:
        """When it ended, or `None` when what is looked for did not happen."""
        ...


class Claim(Protocol):
    """What many trials of a kind must show."""

    @property
    def words(self) -> str: ...

    def measured(self, ends: Sequence[float | None]) -> tuple[str, bool | None]:
        """The figure, and whether it is as claimed; `None` where nothing is."""
        ...


@dataclass(frozen=True, slots=True)
class Seldom:
    """What must not happen does so in at most this share of trials."""

    share: float

    @property
    def words(self) -> str:
        return f"≤ {percent(self.share)}" if self.share else "never"

    def measured(self, ends: Sequence[float | None]) -> tuple[str, bool]:
        found = sum(end is not None for end in ends)
        return f"{percent(found / len(ends))} ({found}/{len(ends)})", found <= self.share * len(ends)


@dataclass(frozen=True, slots=True)
class Always:
    """It happens in at least this share of trials, and within so many seconds."""

    share: float = 1.0
    seconds: float = math.inf

    @property
    def words(self) -> str:
        return f"≥ {percent(self.share)}" + (f" within {self.seconds:g} s" if self.seconds < math.inf else "")

    def measured(self, ends: Sequence[float | None]) -> tuple[str, bool]:
        found = sum(end is not None and end <= self.seconds for end in ends)
        return f"{percent(found / len(ends))}", found >= self.share * len(ends)


@dataclass(frozen=True, slots=True)
class Soon:
    """It happens within `median` in half of the trials, within `late` in 95 of 100. `unit` is that of both."""

    median: float
    late: float = math.inf
    unit: str = "s"

    @property
    def words(self) -> str:
        half = f"median ≤ {self.median:g} {self.unit}"
        return half if self.late == math.inf else f"{half}, p95 ≤ {self.late:g} {self.unit}"

    def measured(self, ends: Sequence[float | None]) -> tuple[str, bool]:
        ordered = sorted(math.inf if end is None else end for end in ends)
        median, late = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95))
        met = median <= self.median and late <= self.late
        return f"median {median:g} {self.unit}, p95 {late:g} {self.unit}", met


@dataclass(frozen=True, slots=True)
class Shown:
    """Nothing is claimed: the share of trials in which it happened."""

    words: str = ""

    def measured(self, ends: Sequence[float | None]) -> tuple[str, None]:
        return Seldom(1.0).measured(ends)[0], None


@dataclass(frozen=True, slots=True)
class Kind:
    """Trials of one kind. `fraction` of the runs asked for are enough, where there are many kinds like it.

    Those of one `group` differ in the traffic alone.
    """

    target: str
    what: str
    trial: Trial
    claim: Claim
    fraction: float = 1.0
    group: str = ""

    def seeds(self, runs: int) -> range:
        return range(max(1, round(runs * self.fraction)))


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    target: str
    what: str
    claim: str
    measured: str
    met: bool | None
    group: str = ""


def play(kind: Kind, seeds: range) -> list[float | None]:
    """The ends of the trials with these seeds; the same seeds give the same ends."""
    return [kind.trial.run(random.Random(f"{kind.target}/{kind.what}/{seed}")) for seed in seeds]


def row(kind: Kind, ends: Sequence[float | None]) -> Row:
    measured, met = kind.claim.measured(ends)
    return Row(kind.target, kind.what, kind.claim.words, measured, met, kind.group)


def percent(share: float) -> str:
    """`0.65 %`"""
    return f"{100.0 * share:.3g} %"
