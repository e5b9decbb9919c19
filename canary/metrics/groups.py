"""Metrics windows for many canaries with few calls: one list call per window for each (namespace, kind, interval).

Subscribers get one `Reading` per window. A `Window` spans from the earliest moment that the source can have counted
from (sent - interval) to the latest that it can have counted to (the answer). The next call of a group leaves one
interval after the last answer; hence windows of a group never overlap, whatever the source's latency.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

from canary.core.window import Missing, Reading, SourceFailure, Window
from canary.kube.clock import Clock
from canary.metrics.source import Answer, Source, SourceError, side

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
    """Whose numbers are wanted: workloads of one kind in one namespace, and how many seconds a window has."""

    namespace: str
    kind: str
    interval: float
    stable: tuple[str, ...]
    canary: tuple[str, ...]


class GroupKey(NamedTuple):
    """`seconds` are whole, since that is what the metrics API can be asked for."""

    namespace: str
    kind: str
    seconds: int


def group_of(target: Target) -> GroupKey:
    """The group that serves `target`; an interval with a fraction is rounded up."""
    return GroupKey(target.namespace, target.kind, max(1, math.ceil(target.interval)))


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
        self, source: Source, *, clock: Clock, rng: random.Random, on_reading: Callable[[Hashable], None]
    ) -> None:
        self._source = source
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
        """One call, delivered to everyone; returns after how many seconds the next one may leave."""
        namespace, kind, seconds = group.key
        sent = self._clock.monotonic()
        try:
            answer = await self._source.read(namespace, kind, seconds, timeout=min(seconds, MAX_TIMEOUT))
        except Exception as error:
            # A defect in a source must look like a failing source to those who wait for it, not like silence.
            words = str(error) if isinstance(error, SourceError) else f"reading the metrics failed: {error!r}"
            failure = SourceFailure(self._clock.monotonic(), self._clock.now().timestamp(), words)
            self._deliver(group, lambda _: failure)
            return seconds * self._rng.uniform(0.5, 1.0)
        end, wall_end = self._clock.monotonic(), self._clock.now().timestamp()
        # A timer that fires early by a rounding error must not make two windows overlap.
        start = max(sent - seconds, group.last_end)
        group.last_end = end
        self._deliver(group, lambda member: _window(member, answer, start, end, wall_end))
        return seconds

    def _deliver(self, group: _Group, reading: Callable[[_Subscription], Reading]) -> None:
        for key, member in tuple(group.members.items()):
            if group.members.get(key) is member:
                member.pending.append(reading(member))
                self._on_reading(key)


def _window(member: _Subscription, answer: Answer, start: float, end: float, wall_end: float) -> Window:
    """A subscriber who joined a running group learns from its first answer that the source works, and no more."""
    if start < member.since - _EARLY:
        return Window(start, end, wall_end, BEFORE_SUBSCRIPTION, BEFORE_SUBSCRIPTION)
    target = member.target
    canary, stable = (side(answer, target.kind, target.namespace, names) for names in (target.canary, target.stable))
    return Window(start, end, wall_end, canary, stable)
