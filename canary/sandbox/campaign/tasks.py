"""What a campaign is made of, in tasks that one process plays in a minute or so, each known by its name."""

from __future__ import annotations

from collections.abc import Iterator

from canary.sandbox.campaign import runs
from canary.sandbox.campaign.tally import Tally
from canary.sandbox.exhaustive.pieces import pieces

CHUNK = 20
"""Seeds that one task plays."""
_SEEDS, _POINTS = "seeds", "points"


def tasks(first: int, count: int, *, exhaustive: bool) -> Iterator[str]:
    """Runs of chaos for `count` seeds from `first`; before them, being longer, every point there is."""
    if exhaustive:
        yield from (f"{_POINTS} {piece}" for piece in pieces())
    for start in range(first, first + count, CHUNK):
        yield f"{_SEEDS} {start} {min(start + CHUNK, first + count)}"


def play(task: str) -> tuple[str, Tally]:
    """Play a task, in whatever process; its name with what was counted. Raises `ValueError` for an unknown one."""
    kind, _, rest = task.partition(" ")
    if kind == _POINTS:
        return task, runs.points(rest)
    if kind == _SEEDS:
        start, stop = map(int, rest.split())
        return task, runs.seeds(range(start, stop))
    raise ValueError(f"no such task: {task}")
