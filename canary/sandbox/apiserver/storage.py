"""Objects, their history, and one counter of versions for all of them, as etcd keeps them.

Every change gets the next resourceVersion and an entry in the history of its collection, from which watches read and
from which older states are reconstructed. Compaction forgets the oldest entries.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from canary.sandbox.apiserver.objects import Object

Collection = tuple[str, str]
Key = tuple[str, str]

# A collection's history may grow to twice this before the older half is forgotten.
HISTORY = 10_000


@dataclass(slots=True, eq=False)
class Event:
    """One change: `old` is `None` for a creation, `new` for a deletion.

    The last state of a deleted object (`old`) is re-versioned when it is sent. `lines` caches encoded watch lines.
    """

    version: int
    key: Key
    old: Object | None
    new: Object | None
    lines: dict[Any, bytes] = field(default_factory=dict)


class Compacted(Exception):
    """The history asked for is gone."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"history before {oldest} is compacted")
        self.oldest = oldest


class _Shelf:
    """One collection: the objects and their history. `compacted` is the newest version that is forgotten."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.events: list[Event] = []
        self.compacted = 0
        # In the order of arrival: equal runs stay equal.
        self.waiting: dict[asyncio.Future[None], None] = {}


class Storage:
    """All collections; a collection comes into being when it is first named."""

    def __init__(self, *, history: int = HISTORY) -> None:
        self.version = 1
        self._history = history
        self._shelves: dict[Collection, _Shelf] = {}

    def _shelf(self, collection: Collection) -> _Shelf:
        shelf = self._shelves.get(collection)
        if shelf is None:
            shelf = self._shelves[collection] = _Shelf()
        return shelf

    def get(self, collection: Collection, key: Key) -> Object | None:
        return self._shelf(collection).objects.get(key)

    def objects(self, collection: Collection) -> dict[Key, Object]:
        """The live objects; not to be changed by the caller."""
        return self._shelf(collection).objects

    def put(self, collection: Collection, key: Key, make: Callable[[int], Object | None]) -> Event:
        """Store what `make` gives for the next resourceVersion; `None` removes the object."""
        shelf = self._shelf(collection)
        old = shelf.objects.get(key)
        self.version += 1
        new = make(self.version)
        if new is None:
            shelf.objects.pop(key, None)
        else:
            shelf.objects[key] = new
        event = Event(self.version, key, old, new)
        shelf.events.append(event)
        if len(shelf.events) > 2 * self._history:
            self._forget(shelf, len(shelf.events) - self._history)
        self._wake(shelf)
        return event

    def snapshot(self, collection: Collection, version: int) -> dict[Key, Object]:
        """The collection as it was at `version`. Raises `Compacted`."""
        shelf = self._shelf(collection)
        if version >= self.version:
            return shelf.objects
        if version < shelf.compacted:
            raise Compacted(shelf.compacted)
        objects = dict(shelf.objects)
        for event in reversed(shelf.events):
            if event.version <= version:
                break
            if event.old is None:
                objects.pop(event.key, None)
            else:
                objects[event.key] = event.old
        return objects

    def after(self, collection: Collection, version: int, limit: int = 1000) -> list[Event]:
        """At most `limit` events newer than `version`, oldest first. Raises `Compacted`."""
        shelf = self._shelf(collection)
        if version < shelf.compacted:
            raise Compacted(shelf.compacted)
        start = bisect_right(shelf.events, version, key=lambda event: event.version)
        return shelf.events[start : start + limit]

    def oldest(self, collection: Collection) -> int:
        """The oldest version from which a watch of `collection` can still start."""
        return self._shelf(collection).compacted

    def compact(self, version: int | None = None) -> None:
        """Forget the history up to `version` (default: all of it) in every collection."""
        limit = self.version if version is None else version
        for shelf in self._shelves.values():
            self._forget(shelf, bisect_right(shelf.events, limit, key=lambda event: event.version))
            shelf.compacted = max(shelf.compacted, limit)

    def _forget(self, shelf: _Shelf, count: int) -> None:
        if count > 0:
            shelf.compacted = shelf.events[count - 1].version
            del shelf.events[:count]

    def changed(self, collection: Collection) -> asyncio.Future[None]:
        """A future of the running loop that is done at the next change of `collection`, or when someone sets it."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._shelf(collection).waiting[future] = None
        return future

    def forget_waiter(self, collection: Collection, future: asyncio.Future[None]) -> None:
        self._shelf(collection).waiting.pop(future, None)

    def wake_all(self) -> None:
        """Wake every watch, so that it looks at its state again."""
        for shelf in self._shelves.values():
            self._wake(shelf)

    def _wake(self, shelf: _Shelf) -> None:
        waiting, shelf.waiting = shelf.waiting, {}
        for future in waiting:
            if not future.done():
                future.set_result(None)
