"""What is counted of runs, and added up."""

from __future__ import annotations

import msgspec

from canary.sandbox.exhaustive.pieces import Played


class Tally(msgspec.Struct, kw_only=True):
    """Sums over runs.

    `seconds` are virtual, `cpu` those of the processor that the runs took, `requests` those to the API server,
    `commits` its accepted writes. `faults` counts by effect, `deeds` by name, `ends` by phase. `delays` are those from
    the answer that decided a rollback to weight 0, in virtual seconds. `failures` tells by seed what broke; all these
    are of chaos. `points` are the exhaustive runs beside it.
    """

    runs: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    requests: int = 0
    commits: int = 0
    raises: int = 0
    processes: int = 0
    faults: dict[str, int] = {}
    deeds: dict[str, int] = {}
    ends: dict[str, int] = {}
    delays: list[float] = []
    failures: dict[int, str] = {}
    points: Played = msgspec.field(default_factory=Played)

    @property
    def failed(self) -> int:
        """How many runs broke something."""
        return len(self.failures) + len(self.points.failures)

    def add(self, other: Tally) -> None:
        """Take another tally into this one."""
        _add(self, other)


def _add(into: msgspec.Struct, other: msgspec.Struct) -> None:
    for name in into.__struct_fields__:
        mine, theirs = getattr(into, name), getattr(other, name)
        match mine:
            case msgspec.Struct():
                _add(mine, theirs)
            case dict():
                # Counts add up. What broke has a key of its own.
                setattr(into, name, {**mine, **theirs, **{k: mine[k] + theirs[k] for k in mine.keys() & theirs.keys()}})
            case _:
                setattr(into, name, mine + theirs)
