"""Objects in memory, kept by watches: one writer per object, any number of readers.

- Objects are frozen and handed out as they are; nothing is copied.
- An object, its indexes and its absence change in one step; handlers run right after the step, in the same turn of the
  event loop, and see the new state.
- An object that was deleted and made anew under its name (another uid) is told as a removal and an addition.

A store is fed by one or more sources (a watch per namespace, say). They must not overlap, but for a while in which one
takes the place of another: then the younger one's word counts. It is not a history: two changes may arrive as one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

Key: TypeAlias = tuple[str, str]
"""(namespace, name); the namespace of a cluster-wide object is empty."""


class Meta(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...


class Object(Protocol):
    """What a store needs to know of an object."""

    @property
    def metadata(self) -> Meta: ...


T = TypeVar("T", bound=Object)
Handler: TypeAlias = Callable[[Key, T | None, T | None], None]
"""Called with (key, old, new); `None` stands for "not there". It must not block; it usually queues a key."""
Index: TypeAlias = Callable[[T], Iterable[Hashable]]
"""The values under which an object is found."""


def key_of(obj: Object) -> Key:
    return obj.metadata.namespace, obj.metadata.name


class Store(Generic[T]):
    """A mapping from key to object with named indexes. Iterating must not be interrupted by an await."""

    def __init__(self, indexes: Mapping[str, Index[T]] | None = None) -> None:
        self._objects: dict[Key, T] = {}
        self._index_functions = dict(indexes or {})
        self._indexes: dict[str, dict[Hashable, dict[Key, T]]] = {name: {} for name in self._index_functions}
        self._handlers: list[Handler[T]] = []
        self._sources: list[Source[T]] = []
        self._synced = asyncio.Event()

    def get(self, namespace: str, name: str) -> T | None:
        return self._objects.get((namespace, name))

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects.values())

    def keys(self) -> Collection[Key]:
        return self._objects.keys()

    def indexed(self, index: str, value: Hashable) -> Collection[T]:
        """The objects found under `value`: a live view. Raises KeyError for an index that was not declared."""
        return self._indexes[index].get(value, {}).values()

    @property
    def synced(self) -> bool:
        """Whether there are sources and each has delivered everything once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def subscribe(self, handler: Handler[T]) -> Callable[[], None]:
        """Call `handler` for every object that is here and for every change from now on; returns how to stop that.

        An exception from a handler goes to the event loop's exception handler and stops nobody else.
        """
        self._handlers.append(handler)
        for key, obj in list(self._objects.items()):
            self._call(handler, key, None, obj)
        return lambda: self._handlers.remove(handler)

    def source(self) -> Source[T]:
        """A new writer; the store is not synced until it is."""
        source = Source(self)
        self._sources.append(source)
        self._check_synced()
        return source

    def _check_synced(self) -> None:
        if self._sources and all(source.synced for source in self._sources):
            self._synced.set()
        else:
            self._synced.clear()

    def _forget(self, source: Source[T]) -> None:
        if source in self._sources:
            self._sources.remove(source)
            self._check_synced()

    def _owns_elsewhere(self, key: Key, asking: Source[T]) -> bool:
        return any(key in source.keys for source in self._sources if source is not asking)

    def _superseded(self, key: Key, source: Source[T]) -> bool:
        """Whether a younger source has `key`: the watch that it replaces may lag behind."""
        for other in reversed(self._sources):
            if other is source:
                break
            if key in other.keys:
                return True
        return False

    def _commit(self, changes: Iterable[tuple[Key, T | None]]) -> None:
        """Apply all `changes`, then tell of those that were any."""
        told: list[tuple[Key, T | None, T | None]] = []
        for key, new in changes:
            old = self._objects.get(key)
            if old is None and new is None:
                continue
            if old is not None and new is not None:
                if _same_version(old, new):
                    continue
                if old.metadata.uid != new.metadata.uid:
                    told += ((key, old, None), (key, None, new))
                    self._set(key, old, new)
                    continue
            told.append((key, old, new))
            self._set(key, old, new)
        for change in told:
            for handler in tuple(self._handlers):
                self._call(handler, *change)

    def _set(self, key: Key, old: T | None, new: T | None) -> None:
        if new is None:
            del self._objects[key]
        else:
            self._objects[key] = new
        for name, values_of in self._index_functions.items():
            index = self._indexes[name]
            before = set(values_of(old)) if old is not None else set()
            after = set(values_of(new)) if new is not None else set()
            for value in before - after:
                del index[value][key]
                if not index[value]:
                    del index[value]
            if new is not None:
                for value in after:
                    index.setdefault(value, {})[key] = new

    def _call(self, handler: Handler[T], key: Key, old: T | None, new: T | None) -> None:
        try:
            handler(key, old, new)
        except Exception as error:
            context: dict[str, Any] = {"message": f"a handler of store changes failed on {key}", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)


class Source(Generic[T]):
    """The writing end of a store, held by one watch."""

    def __init__(self, store: Store[T]) -> None:
        self._store = store
        # In order: what is told first must not hang on how strings are hashed.
        self.keys: dict[Key, None] = {}
        self.synced = False

    def put(self, obj: T) -> None:
        """Add or change an object; the version that is stored already changes nothing."""
        key = key_of(obj)
        self.keys[key] = None
        if not self._store._superseded(key, self):
            self._store._commit([(key, obj)])

    def remove(self, key: Key, uid: str) -> None:
        """Remove the object if it still is the one with `uid`: a late word of an older namesake changes nothing."""
        stored = self._store.get(*key)
        if key in self.keys and stored is not None and stored.metadata.uid == uid:
            self._drop([key])

    def replace(self, objects: Collection[T], keep: Collection[Key] = ()) -> None:
        """Make `objects` all that this source has, in one step, and count as synced.

        Keys in `keep` stay as they are: the server has them, but in a form that could not be read.
        """
        new = {key_of(obj): obj for obj in objects}
        gone = [key for key in self.keys if key not in new and key not in keep]
        kept = [key for key in gone if self._store._owns_elsewhere(key, self)]
        self.keys = {**{key: None for key in self.keys if key in keep}, **dict.fromkeys(new)}
        changes: list[tuple[Key, T | None]] = [(key, None) for key in gone if key not in kept]
        changes += ((key, obj) for key, obj in new.items() if not self._store._superseded(key, self))
        self.synced = True
        self._store._check_synced()
        self._store._commit(changes)

    def withdraw(self) -> None:
        """Leave the store, and take along what no other source has put there meanwhile.

        To put one watch in another's place without a gap: start the new one, stop the old one when the new one is
        synced, and withdraw the old source.
        """
        self._store._forget(self)
        self._drop(list(self.keys))

    def _drop(self, keys: Collection[Key]) -> None:
        for key in keys:
            self.keys.pop(key, None)
        self._store._commit([(key, None) for key in keys if not self._store._owns_elsewhere(key, self)])


def _same_version(old: Object, new: Object) -> bool:
    version = new.metadata.resource_version
    return bool(version) and version == old.metadata.resource_version and old.metadata.uid == new.metadata.uid
