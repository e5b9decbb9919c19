"""What is judged, and what is found: the log of accepted writes, as the embedded or a real API server keeps it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, fields
from typing import Any, Protocol, TypeVar

FRESH = 16.0
"""Seconds for which a view of endpoints may be old: what a raise may rest on, one write, and a second of grace."""
REQUEST = 15.0
"""The longest time between deciding and the commit: one request."""
MAX_BURST = 12
"""Writes of the split that may fall into one second: three transitions of three processes."""
FASTEST = 1.25
"""How many of its seconds a process may take for one of the world's, where clocks are skewed."""
Broken = Iterable[tuple[str, str]]
"""Invariants that a write broke, each with words."""
_Part = TypeVar("_Part")


class Write(Protocol):
    """One accepted write: a `Commit` of the embedded API server, or made of what a real etcd has stored."""

    @property
    def monotonic(self) -> float: ...
    @property
    def plural(self) -> str: ...
    @property
    def subresource(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def manager(self) -> str: ...
    @property
    def old(self) -> dict[str, Any] | None: ...
    @property
    def new(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that a write broke."""

    invariant: str
    at: float
    words: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.2f} s: {self.words}"


def copied(part: _Part) -> _Part:
    """A judge, or a part of one, that goes on by itself: its containers are copied, what they hold is shared."""
    other = copy(part)
    for field in fields(part):  # type: ignore[arg-type]  # every part is a dataclass
        value = getattr(part, field.name)
        if isinstance(value, (dict, set, list, deque)):
            setattr(other, field.name, value.copy())
    return other


def annotations_of(obj: dict[str, Any] | None) -> dict[str, str]:
    """The annotations of an object; empty when it does not exist."""
    found: dict[str, str] = ((obj or {}).get("metadata") or {}).get("annotations") or {}
    return found
