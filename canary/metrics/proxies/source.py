"""A metrics source that reads the proxies of the asked pods itself, when it is asked and at no other time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

from canary.core.window import Missing, SideReading
from canary.kube.clock import Clock
from canary.metrics.proxies.addresses import refusal
from canary.metrics.proxies.baselines import Asker, Baseline, Baselines, Member
from canary.metrics.proxies.counts import Reader
from canary.metrics.proxies.exposition import Malformed
from canary.metrics.proxies.fetch import Fetch, FetchError
from canary.metrics.proxies.flavour import Flavour
from canary.metrics.proxies.workload import Heard, tell
from canary.metrics.source import Answer, Asked, Series, SourceError, series_of

AT_ONCE = 64
"""Proxies that one call reads at the same time."""
SHARE = 0.5
"""The part of a window, or of the call's timeout if that is less, that one proxy gets."""
IN_ALL = 0.9
"""The part of the call's timeout that all of them get together."""


class ProxyPod(NamedTuple):
    """A pod that receives traffic. `address` is from its status or from an EndpointSlice, and from nowhere else."""

    name: str
    address: str
    uid: str


Pods = Callable[[str, str, frozenset[str]], Mapping[str, tuple[ProxyPod, ...]]]
"""The ready pods of workloads by name: of a namespace, a kind, and names. Must not raise or block."""


class ProxySource:
    """Whoever asks gets windows that follow each other; two askers of the same pod do not disturb each other.

    Counts of a workload are those of all its pods, or none, but for pods that are new to the asker: their first answer
    is where their counts begin.
    """

    def __init__(
        self, pods: Pods, fetch: Fetch, flavour: Flavour, *, clock: Clock, allow_loopback: bool = False
    ) -> None:
        self._pods = pods
        self._fetch = fetch
        self._port, self._target = flavour.port, flavour.target
        self._clock = clock
        self._allow_loopback = allow_loopback
        self._reader = Reader(flavour)
        self._unit = flavour.latency.unit if flavour.latency else None
        self.known = Baselines()

    async def read(self, asked: Asked, *, timeout: float) -> Answer:
        """See `Source.read`. `reach` is that of the pod whose last read was the longest ago. Raises `SourceError`."""
        if asked.peer is not None:
            raise SourceError(
                f"proxies do not say how much of what they received came from {asked.peer.kind} {asked.peer.name}; "
                "metrics with `from` need Prometheus or the SMI API"
            )
        sent = self._clock.monotonic()
        listed = self._pods(asked.namespace, asked.kind, asked.names)
        members = {Member(name, pod.uid): pod for name, found in listed.items() for pod in found}
        known = self.known.of(Asker(asked.namespace, asked.kind, asked.seconds), sent, members)
        before = {member.uid: known.members.get(member) for member in members}
        pods = {pod.uid: pod for pod in members.values()}
        heard = await self._hear(pods, before, min(asked.seconds, timeout) * SHARE, timeout * IN_ALL)
        readings: dict[Series, SideReading] = {}
        reach = 0.0
        for name in asked.names:
            mine = {pod.uid: heard.get(pod.uid) or _unknown(pod, _LATE) for pod in listed.get(name, ())}
            told = tell(name, mine, known, self._reader, self._unit)
            readings[series_of(asked.kind, asked.namespace, name)] = told.reading
            reach = max(reach, sent - asked.seconds - told.since)
        return Answer(readings, reach)

    async def _hear(
        self, pods: Mapping[str, ProxyPod], before: Mapping[str, Baseline | None], each: float, in_all: float
    ) -> dict[str, Heard]:
        """What pods answered, by uid; one that is not in it was not read in time."""
        heard: dict[str, Heard] = {}
        waiting = iter(pods.values())

        async def work() -> None:
            for pod in waiting:
                heard[pod.uid] = await self._one(pod, before[pod.uid], each)

        with suppress(TimeoutError):
            async with asyncio.timeout(in_all), asyncio.TaskGroup() as tasks:
                for _ in range(min(AT_ONCE, len(pods))):
                    tasks.create_task(work())
        return heard

    async def _one(self, pod: ProxyPod, before: Baseline | None, timeout: float) -> Heard:
        refused = refusal(pod.address, allow_loopback=self._allow_loopback)
        if refused:
            return _unknown(pod, refused)
        at = self._clock.monotonic()
        try:
            body = await self._fetch.get(pod.address, self._port, self._target, timeout=timeout)
            return Baseline(self._reader.read(body, before.counts if before else None), at)
        except (FetchError, Malformed) as error:
            return _unknown(pod, str(error))


_LATE = "there was no time left to read it"


def _unknown(pod: ProxyPod, why: str) -> Missing:
    return Missing(f"proxy of pod {pod.name}: {why}")
