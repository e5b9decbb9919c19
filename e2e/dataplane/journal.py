"""What the mesh has done when: a file with a line for each set of weights, written and then seen at the proxy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from e2e.dataplane.routes import Weights


class Entry(msgspec.Struct, frozen=True):
    """At `at` (`time.monotonic`) the mesh has moved version `version` of the routes to its place (`written`), or Envoy
    said that it uses it (`used`); the weights are those that the splits ask for, or those that Envoy said."""

    at: float
    event: Literal["written", "used"]
    version: int
    weights: dict[str, Weights]


class Shift(NamedTuple):
    """One change of a Service's weights: when they were written and used; `used_at` is `None` if they never were.

    A version that the next one overtook was never used.
    """

    asked: Weights
    written_at: float
    seen: Weights | None
    used_at: float | None


def append(path: Path, entry: Entry) -> None:
    with path.open("ab") as file:
        file.write(msgspec.json.encode(entry) + b"\n")


def read(path: Path) -> list[Entry]:
    """Every entry so far. A line that is still being written is left for the next time."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Entry) for line in lines]


def shifts(entries: Iterable[Entry], root: str) -> Iterator[Shift]:
    """The changes of the weights of one Service, in order."""
    listed = list(entries)
    used = {entry.version: entry for entry in listed if entry.event == "used"}
    last: Weights | None = None
    for entry in listed:
        if entry.event == "written" and root in entry.weights and entry.weights[root] != last:
            last = entry.weights[root]
            seen = used.get(entry.version)
            yield Shift(last, entry.at, seen.weights.get(root) if seen else None, seen.at if seen else None)
