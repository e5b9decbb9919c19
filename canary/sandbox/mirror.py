"""A typed copy of one collection in all namespaces, and a way to wait for one's own writes to show in it.

The parts of the embedded cluster that stand for kubelet, workload controllers and mesh see the API server through
mirrors. A copy changes only in the order of the server's history. So a controller that has written waits until its copy
shows the write (`shows`, `lacks`) before it looks again, and never acts twice for lack of news.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable
from typing import Any, Generic, TypeVar

from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.resources import Resource
from canary.kube.store import Key, Object, Store, key_of
from canary.kube.watch import Reflector

T = TypeVar("T", bound=Object)

_PATIENCE = 10.0
_INDEX = "by"


class Mirror(Store[T], Generic[T]):
    """Objects of `resource`, decoded as `kind`; `index` gives the values under which `by` finds an object."""

    def __init__(
        self,
        client: Client,
        resource: Resource,
        kind: type[T],
        clock: Clock,
        rng: random.Random,
        index: Callable[[T], Iterable[Hashable]] = lambda _: (),
    ) -> None:
        super().__init__({_INDEX: index})
        self._reflector = Reflector(client, resource, kind, self, clock=clock, rng=rng)
        self._waiting: dict[Key, list[tuple[Callable[[T | None], bool], asyncio.Event]]] = defaultdict(list)
        self.subscribe(self._wake)

    async def run(self) -> None:
        """Keep the copy until cancelled."""
        await self._reflector.run()

    def by(self, value: Hashable) -> Collection[T]:
        """The objects found under an index value: a live view."""
        return self.indexed(_INDEX, value)

    async def shows(self, written: T) -> None:
        """Return when the copy has this version of the object, a later one, or lost it. Raises `TimeoutError`."""
        version = int(written.metadata.resource_version)
        await self._soon(key_of(written), lambda now: now is None or int(now.metadata.resource_version) >= version)

    async def shows_new(self, created: T) -> None:
        """Return when the copy has an object that was just created. Raises `TimeoutError`."""
        await self._soon(key_of(created), lambda now: now is not None)

    async def lacks(self, deleted: T) -> None:
        """Return when the copy has lost an object, or shows that it is on its way out. Raises `TimeoutError`."""
        uid = deleted.metadata.uid
        await self._soon(key_of(deleted), lambda now: now is None or now.metadata.uid != uid or _leaving(now))

    async def until(self, key: Key, done: Callable[[T | None], bool]) -> None:
        """Return when `done` is true of the object (`None`: absent). The caller bounds the time."""
        if done(self.get(*key)):
            return
        # The watch asks `done` at each change: what comes and goes at once is seen, too.
        waiter = (done, asyncio.Event())
        self._waiting[key].append(waiter)
        try:
            await waiter[1].wait()
        finally:
            self._waiting[key].remove(waiter)
            if not self._waiting[key]:
                del self._waiting[key]

    async def _soon(self, key: Key, done: Callable[[T | None], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            await self.until(key, done)

    def _wake(self, key: Key, before: T | None, after: T | None) -> None:
        for done, event in self._waiting.get(key, ()):
            if done(after):
                event.set()


def _leaving(obj: Any) -> bool:
    return bool(obj.metadata.deletion_timestamp)
