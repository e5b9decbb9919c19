"""An answer is written once for all who get the same numbers: that of a thousand workloads takes its time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

CAPACITY = 4 * 1024 * 1024
"""Bytes of bodies that are kept."""


@dataclass(frozen=True, slots=True)
class _Written:
    numbers: object
    body: bytes


class Bodies:
    """Keeps the latest body of each key, as long as it was made of the very same `numbers`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._written: OrderedDict[Hashable, _Written] = OrderedDict()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes of all that is kept."""
        return self._size

    def body(self, key: Hashable, numbers: object, write: Callable[[], bytes]) -> bytes:
        """What `write` makes of `numbers`, or has made of them before. They must not change."""
        written = self._written.get(key)
        if written is not None and written.numbers is numbers:
            return written.body
        body = write()
        self._store(key, _Written(numbers, body))
        return body

    def _store(self, key: Hashable, written: _Written) -> None:
        before = self._written.pop(key, None)
        self._size -= len(before.body) if before is not None else 0
        if len(written.body) > self._capacity:
            return
        self._written[key] = written
        self._size += len(written.body)
        while self._size > self._capacity:
            self._size -= len(self._written.popitem(last=False)[1].body)
