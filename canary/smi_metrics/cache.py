"""One set of queries for all who ask the same at once, and for who asks the same a moment later."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from canary.kube.clock import Clock

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Busy(Exception):
    """So many different questions are under way that no other is begun."""


@dataclass(frozen=True, slots=True)
class _Kept(Generic[V]):
    value: V
    weight: int
    until: float


class Flights(Generic[K, V]):
    """Asks `ask` once for all who want the same key at the same time, and keeps its answer for `keep(key)` seconds.

    The time counts from when the question was asked, so that a slow answer is not also an old one. An error is told to
    all who wait for it, and is not kept. What is kept has at most `capacity` in weight, the latest first; more than
    `most` different questions at once raise `Busy`.
    """

    def __init__(
        self,
        ask: Callable[[K], Awaitable[V]],
        *,
        clock: Clock,
        keep: Callable[[K], float],
        weigh: Callable[[V], int],
        capacity: int,
        most: int,
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._keep = keep
        self._weigh = weigh
        self._capacity = capacity
        self._most = most
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._weight = 0
        self._flying: dict[K, asyncio.Task[V]] = {}

    @property
    def weight(self) -> int:
        """Of all that is kept."""
        return self._weight

    async def get(self, key: K) -> V:
        """The answer to `key`. Raises what `ask` raised, or `Busy`. Who gives up waiting stops nobody else's flight."""
        self._forget_old()
        if key in self._kept:
            return self._kept[key].value
        flight = self._flying.get(key)
        if flight is None:
            if len(self._flying) >= self._most:
                raise Busy(f"{self._most} different questions are being answered")
            flight = asyncio.create_task(self._fly(key, self._clock.monotonic()), name="measure")
            flight.add_done_callback(_retrieved)
            self._flying[key] = flight
        return await asyncio.shield(flight)

    async def close(self) -> None:
        """Give up what is under way."""
        flights = list(self._flying.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _fly(self, key: K, began: float) -> V:
        try:
            value = await self._ask(key)
        finally:
            del self._flying[key]
        self._store(key, _Kept(value, 1 + self._weigh(value), began + self._keep(key)))
        return value

    def _store(self, key: K, kept: _Kept[V]) -> None:
        if kept.until <= self._clock.monotonic() or kept.weight > self._capacity:
            return
        self._kept[key] = kept
        self._weight += kept.weight
        while self._weight > self._capacity:
            self._weight -= self._kept.popitem(last=False)[1].weight

    def _forget_old(self) -> None:
        now = self._clock.monotonic()
        for key in [key for key, kept in self._kept.items() if kept.until <= now]:
            self._weight -= self._kept.pop(key).weight


def _retrieved(flight: asyncio.Task[V]) -> None:
    """An error that nobody waits for any more is no news."""
    if not flight.cancelled():
        flight.exception()
