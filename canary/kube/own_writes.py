"""What this process has written or read, for as long as a watch has not told of it.

Without it the next look at a cache would find the world as it was before the write, and wish for the same again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

from canary.kube.store import Object

PATIENCE = 10.0
"""Seconds for which a write of ours is believed against a watch that has not told of it."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Object)


class _Written(NamedTuple, Generic[V]):
    """What our last write made of an object, which versions of it are older, and until when (monotonic) that counts."""

    older: frozenset[str]
    made: V | None
    until: float


class OwnWrites(Generic[K, V]):
    """Writes by key. `now` is a monotonic clock, in seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._written: dict[K, _Written[V]] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._written

    def __iter__(self) -> Iterator[K]:
        return iter(self._written)

    def note(self, key: K, made: V | None, *, over: str) -> None:
        """A write, or a live read, gave `made` (`None`: there is no such object), where the watch told of version
        `over` before that (empty: of none)."""
        before = self._written.get(key)
        older = frozenset({over}) if before is None else before.older | {over, version_of(before.made)}
        self._written[key] = _Written(older - {version_of(made)}, made, self._now() + PATIENCE)

    def current(self, key: K, stored: V | None) -> V | None:
        """The object as it is, as far as this process knows, where the watch has told of `stored` last."""
        written = self._written.get(key)
        if written is None:
            return stored
        if self._now() <= written.until and older(version_of(stored), version_of(written.made), written.older):
            return written.made
        del self._written[key]
        return stored

    def told(self, key: K, _: V | None, stored: V | None) -> None:
        """What a store calls for a change: what the watch has told of need not be kept."""
        self.current(key, stored)


def older(version: str, made: str, known: Container[str]) -> bool:
    """Whether `version` of an object is older than `made`; an empty one stands for no object.

    Versions of one object count up. Source: Kubernetes API concepts, "Resource versions"; KEP-5504. What does not look
    like a number is compared with those that are `known` to be older.
    """
    if version.isdecimal() and made.isdecimal():
        return int(version) < int(made)
    return version in known


def version_of(obj: Object | None) -> str:
    """The resourceVersion; empty for an object that is not there."""
    return "" if obj is None else obj.metadata.resource_version
