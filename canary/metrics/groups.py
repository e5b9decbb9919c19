"""Metrics windows for many canaries with few calls: one per window for each (source, namespace, kind, interval).

Each peer whose requests somebody judges by themselves is one more.

Subscribers get one `Reading` per window. A `Window` spans from the earliest moment that the source can have counted
from (sent - interval) to the latest that it can have counted to (the answer). The next call of a group leaves one
interval after the last answer; hence windows of a group never overlap, whatever the source's latency.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from canary.core.window import Missing, Peer, Reading, Sides, SourceFailure, Window
from canary.kube.clock import Clock
from canary.metrics.source import Answer, Asked, Readings, Source, SourceError, side

MAX_TIMEOUT = 10.0
"""Seconds that a call may take at most; never longer than the interval."""
MAX_JITTER = 5.0
"""Seconds by which the first call of a group is delayed at most; never more than a quarter of the interval."""
PROBE_AFTER = 60.0
"""Seconds after which a group asks for the first time, however long its interval is."""
MAX_PENDING = 16
"""Readings that are kept for a subscriber who does not take them; the oldest go first."""
BEFORE_SUBSCRIPTION = Missing("the window began before the subscription")
_EARLY = 1e-3
"""Seconds by which a timer may fire early."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whose numbers are wanted: workloads of one kind in one namespace, and how many seconds a window has.

    `source` is the name of who measures; the requests of each of the `peers` are wanted by themselves, too.
    """

    namespace: str
    kind: str
    interval: float
    stable: tuple[str, ...]
    canary: tuple[str, ...]
    source: str = "SMI"
    peers: tuple[Peer, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.stable + self.canary


class GroupKey(NamedTuple):
    """`seconds` are whole, since that is what the metrics API can be asked for."""

    source: str
    namespace: str
    kind: str
    seconds: int


def group_of(target: Target) -> GroupKey:
    """The group that serves `target`; an interval with a fraction is rounded up."""
    return GroupKey(target.source, target.namespace, target.kind, max(1, math.ceil(target.interval)))


@dataclass(slots=True)
class _Subscription:
    target: Target
    since: float
    pending: deque[Reading] = field(default_factory=lambda: deque(maxlen=MAX_PENDING))


@dataclass(slots=True)
class _Group:
    key: GroupKey
    members: dict[Hashable, _Subscription] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None
    last_end: float = -math.inf


class MetricsGroups:
    """Owns one task per group while `run` runs. Everything else is called from the same event loop.

    `on_reading` is called with a subscriber's key whenever `take` has something for it; it must not raise.
    """

    def __init__(
        self, sources: Mapping[str, Source], *, clock: Clock, rng: random.Random, on_reading: Callable[[Hashable], None]
    ) -> None:
        self._sources = sources
        self._clock = clock
        self._rng = rng
        self._on_reading = on_reading
        self._groups: dict[GroupKey, _Group] = {}
        self._membership: dict[Hashable, _Group] = {}
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Serve subscriptions until cancelled; no task outlives this call."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                for group in self._groups.values():
                    self._start(group)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None
            for group in self._groups.values():
                group.task = None

    def subscribe(self, key: Hashable, target: Target) -> None:
        """Ask for the windows of `target` from now on; a changed target starts anew, the same one changes nothing."""
        group = self._membership.get(key)
        if group is not None:
            if group.members[key].target == target:
                return
            self.unsubscribe(key)
        group_key = group_of(target)
        group = self._groups.setdefault(group_key, _Group(group_key))
        group.members[key] = _Subscription(target, self._clock.monotonic())
        self._membership[key] = group
        if group.task is None:
            self._start(group)

    def unsubscribe(self, key: Hashable) -> None:
        """Forget `key` and its readings; the last subscriber of a group ends its calls at once."""
        group = self._membership.pop(key, None)
        if group is None:
            return
        del group.members[key]
        if not group.members:
            del self._groups[group.key]
            if group.task is not None:
                group.task.cancel()

    def take(self, key: Hashable) -> tuple[Reading, ...]:
        """The readings since the last call, oldest first; none for an unknown key."""
        group = self._membership.get(key)
        if group is None:
            return ()
        pending = group.members[key].pending
        readings = tuple(pending)
        pending.clear()
        return readings

    def _start(self, group: _Group) -> None:
        if self._tasks is not None:
            group.task = self._tasks.create_task(self._serve(group), name=f"metrics {'/'.join(map(str, group.key))}")

    async def _serve(self, group: _Group) -> None:
        seconds = group.key.seconds
        # With a long interval the first answer is a probe: its window began before the subscription and is not judged,
        # but it shows that the source answers.
        wait = min(seconds, PROBE_AFTER) + self._rng.uniform(0.0, min(MAX_JITTER, seconds / 4))
        while True:
            await self._clock.sleep(wait)
            wait = await self._call(group)

    async def _call(self, group: _Group) -> float:
        """One window, delivered to everyone; returns after how many seconds the next one may leave."""
        seconds = group.key.seconds
        sent = self._clock.monotonic()
        names = frozenset(name for member in group.members.values() for name in member.target.names)
        whole = await self._read(group.key, names, None)
        if isinstance(whole, SourceFailure):
            self._deliver(group, lambda _: whole)
            return seconds * self._rng.uniform(0.5, 1.0)
        edges = await self._edges(group, names)
        end, wall_end = self._clock.monotonic(), self._clock.now().timestamp()
        reach = max(answer.reach for answer in (whole, *edges.values()) if isinstance(answer, Answer))
        # A timer that fires early by a rounding error must not make two windows overlap.
        span = _Span(max(sent - seconds, group.last_end) - reach, end, wall_end)
        group.last_end = end
        self._deliver(group, lambda member: _reading(member, whole.readings, edges, span))
        return seconds

    async def _edges(self, group: _Group, names: frozenset[str]) -> dict[Peer, Answer | SourceFailure]:
        """What each peer sees that somebody in the group wants; all at once."""
        peers = tuple({peer: None for member in group.members.values() for peer in member.target.peers})
        answers = await asyncio.gather(*(self._read(group.key, names, peer) for peer in peers))
        return dict(zip(peers, answers, strict=True))

    async def _read(self, key: GroupKey, names: frozenset[str], peer: Peer | None) -> Answer | SourceFailure:
        name, namespace, kind, seconds = key
        try:
            asked = Asked(namespace, kind, seconds, names, peer)
            return await self._sources[name].read(asked, timeout=min(seconds, MAX_TIMEOUT))
        except Exception as error:
            # A defect in a source must look like a failing source to those who wait for it, not like silence.
            words = str(error) if isinstance(error, SourceError) else f"reading the metrics failed: {error!r}"
            return SourceFailure(self._clock.monotonic(), self._clock.now().timestamp(), words)

    def _deliver(self, group: _Group, reading: Callable[[_Subscription], Reading]) -> None:
        for key, member in tuple(group.members.items()):
            if group.members.get(key) is member:
                member.pending.append(reading(member))
                self._on_reading(key)


class _Span(NamedTuple):
    """From when to when an answer can have counted."""

    start: float
    end: float
    wall_end: float


def _reading(
    member: _Subscription, whole: Readings, edges: Mapping[Peer, Answer | SourceFailure], span: _Span
) -> Reading:
    """A subscriber who joined a running group learns from its first answer that the source works, and no more."""
    if span.start < member.since - _EARLY:
        return Window(*span, BEFORE_SUBSCRIPTION, BEFORE_SUBSCRIPTION)
    seen: dict[Peer, Sides] = {}
    for peer in member.target.peers:
        answer = edges.get(peer)
        if isinstance(answer, SourceFailure):
            # Who needs this edge has no whole window without it.
            return answer
        if answer is not None:
            seen[peer] = _sides(member.target, answer.readings)
    return Window(*span, *_sides(member.target, whole), seen)


def _sides(target: Target, readings: Readings) -> Sides:
    canary, stable = (side(readings, target.kind, target.namespace, names) for names in (target.canary, target.stable))
    return Sides(canary, stable)
