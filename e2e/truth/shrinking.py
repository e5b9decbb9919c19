"""Makes a failing sequence small."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


async def shrunk(sequence: Sequence[T], fails: Callable[[Sequence[T]], Awaitable[bool]]) -> tuple[T, ...]:
    """A part of `sequence` that `fails`, and none of whose operations can be left out without it succeeding.

    Larger pieces are left out first: delta debugging, Zeller and Hildebrandt 2002.
    """
    kept = tuple(sequence)
    size = max(len(kept) // 2, 1)
    while True:
        start, dropped = 0, False
        while start < len(kept) and len(kept) > 1:
            shorter = kept[:start] + kept[start + size :]
            if shorter and await fails(shorter):
                kept, dropped = shorter, True
            else:
                start += size
        if size == 1 and not dropped:
            return kept
        size = max(size // 2, 1)
