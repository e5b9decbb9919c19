"""The values of a search: worlds, processes and requests. All are frozen and hashable."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from canary.controller.session import Session
from canary.core.window import Reading

TICK = 10.0
"""Seconds of one step of time: one metrics window."""
EPOCH = 1_767_225_600.0
"""Unix seconds at which a search begins."""
LOST = 0
"""The status of an answer that never came: the request was executed, its sender does not know."""


class Request(NamedTuple):
    """One call as it leaves a process."""

    method: str
    path: str
    body: bytes
    selector: str = ""

    @property
    def writes(self) -> bool:
        return self.method != "GET"

    @property
    def lists(self) -> bool:
        return self.method == "GET" and self.path.endswith(("/endpointslices", "/pods"))


class Answer(NamedTuple):
    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Kept:
    """What a process keeps between two looks: two that have the same `key` behave the same."""

    key: bytes
    attempts: int
    session: Session = field(compare=False)


class Seen(NamedTuple):
    """The caches of a process when a look begins: the Canary, the split, and which revision is behind the canary."""

    canary: bytes
    split: bytes | None
    revision: int


class Run(msgspec.Struct, frozen=True, cache_hash=True):
    """A look under way. `began` and the moments of `answers` are steps of time."""

    seen: Seen
    readings: tuple[Reading, ...]
    began: int
    answers: tuple[tuple[int, Answer], ...] = ()


class Process(msgspec.Struct, frozen=True, cache_hash=True):
    """One replica. `life` counts its restarts; `view` is the Canary that a lagging watch has left it with."""

    name: str
    life: int
    kept: Kept
    readings: tuple[Reading, ...] = ()
    view: bytes | None = None
    run: Run | None = None

    @property
    def identity(self) -> str:
        """The name under which it writes, unique across restarts."""
        return f"{self.name}{self.life}"


class Known(msgspec.Struct, frozen=True, cache_hash=True):
    """What a judge of a list of events must know of the past, beside what the world still shows.

    `highest` is the largest seq so far, `phase` that of the last write of a controller. `barred` are revisions that
    must get no traffic, `late` those of which the record tells again after it was forgotten, so that they bind whoever
    has read it; `told` are those whose abort was taken off the Canary. `acted` are the commands that have
    had an effect, `unheard` is an abort that stood on the Canary when promotion was opened. When somebody destroyed a
    state last, the record knew `lost` and the state had got to `gone`; `restored` says that an older state has come in
    its place that nobody can tell from the newest.
    """

    highest: int = 0
    phase: str = ""
    barred: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset()
    acted: frozenset[str] = frozenset()
    unheard: str = ""


class World(msgspec.Struct, frozen=True, cache_hash=True):
    """Everything that can differ between two moments of a search.

    `split` and `canary` are the stored objects. `splits` counts the uids given so far, `version` the writes of splits.
    `revision` numbers the pods behind the canary Service, `traffic` is Good, Bad or None. `copy` is an old split that
    somebody has kept. `moves` are the things that may still happen (if `ordered`, in this order), `left` is how many of
    them; likewise `crashes`, `refusals` (a failing API server), `losses` (of an answer) and `stops` (a process that a
    window passes by).
    """

    clock: int
    canary: bytes
    processes: tuple[Process, ...]
    split: bytes | None = None
    splits: int = 0
    version: int = 0
    revision: int = 1
    traffic: str = "Good"
    copy: bytes | None = None
    moves: tuple[str, ...] = ()
    ordered: bool = False
    left: int = 0
    crashes: int = 0
    refusals: int = 0
    losses: int = 0
    stops: int = 0
    known: Known = Known()

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self.clock * TICK
