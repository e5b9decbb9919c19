"""Whatever happens to pods and proxies: what windows say is what was counted, no request is told twice, none is lost.

The model knows every single request: which process of which pod counted it, and in which window it was told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.window import Missing, Sample, SideReading
from canary.kube.clock import LoopClock
from canary.metrics.proxies.baselines import KEPT_WINDOWS
from canary.metrics.proxies.fetch import FetchError
from canary.metrics.proxies.flavour import parse_flavour
from canary.metrics.proxies.source import ProxyPod, ProxySource
from canary.metrics.source import NO_REQUESTS, NO_SERIES, Asked, series_of
from canary.sandbox.virtual_time import run_virtual

# The start of a process tells every restart; an uptime does not tell two processes apart that were equally young.
FLAVOUR = """
name: mine
title: Mine
cites: []
port: 9102
path: /metrics
requests: {metric: requests_total, failure: {label: code, regex: 5..}}
life: {metric: age, says: StartTime}
"""
CODES = (200, 404, 500, 503)
PODS = 3


@dataclass
class Process:
    """One run of a proxy: when it started, and the requests that it counted, by code."""

    started: int
    requests: dict[int, list[int]] = field(default_factory=dict)


@dataclass
class Pod:
    uid: str
    process: Process
    fails: bool = False
    # What the asker knows: whether it ever asked, and when it was last told this pod's counts.
    known: bool = False
    told: float | None = None
    told_requests: set[int] = field(default_factory=set)


class World:
    """Pods by address, and the source that reads them; every step is a second."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.numbers = count()
        self.told: list[int] = []
        self.lost: set[int] = set()
        flavour = parse_flavour(FLAVOUR, "mine")
        clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.source = ProxySource(self.listed, self, flavour, clock=clock)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def listed(self, *_: object) -> Mapping[str, tuple[ProxyPod, ...]]:
        return {"web": tuple(ProxyPod(f"web-{at}", at, pod.uid) for at, pod in self.pods.items())}

    async def get(self, address: str, port: int, target: str, *, timeout: float) -> bytes:
        pod = self.pods[address]
        if pod.fails:
            raise FetchError("refused")
        lines = [f'requests_total{{code="{code}"}} {len(ids)}' for code, ids in pod.process.requests.items()]
        return "".join(f"{line}\n" for line in [f"age {1e9 + pod.process.started}", *lines]).encode()

    # What can happen, to the pod at one address.

    def born(self, address: str) -> None:
        self.gone(address)
        self.pods[address] = Pod(f"uid-{next(self.numbers)}", Process(next(self.numbers)))

    def gone(self, address: str) -> None:
        pod = self.pods.pop(address, None)
        if pod:
            self.lost |= self.counted(pod) - pod.told_requests

    def restarted(self, address: str) -> None:
        if pod := self.pods.get(address):
            self.lost |= self.counted(pod) - pod.told_requests
            pod.process = Process(next(self.numbers))

    def broken(self, address: str) -> None:
        if pod := self.pods.get(address):
            pod.fails = not pod.fails

    def requests(self, address: str, code: int, number: int) -> None:
        if pod := self.pods.get(address):
            pod.process.requests.setdefault(code, []).extend(next(self.numbers) for _ in range(number))

    @staticmethod
    def counted(pod: Pod) -> set[int]:
        return {request for ids in pod.process.requests.values() for request in ids}

    # What must come of it.

    async def window(self) -> None:
        await asyncio.sleep(1)
        answer = await self.source.read(Asked("shop", "Deployment", 1, frozenset({"web"})), timeout=1.0)
        expected, since = self.expected()
        reading = answer.readings[series_of("Deployment", "shop", "web")]
        if isinstance(expected, type):
            assert isinstance(reading, expected)
            assert reading not in (NO_REQUESTS, NO_SERIES)
        else:
            assert reading == expected
        assert answer.reach == pytest.approx(max(0.0, self.now - 1 - since))

    def expected(self) -> tuple[SideReading | type[Missing], float]:
        """The reading, and since when it counts; the class `Missing` for one whose words do not matter."""
        for pod in self.pods.values():
            if pod.told is not None and self.now - pod.told > KEPT_WINDOWS:
                self.begin_anew(pod)
        ready = [pod for pod in self.pods.values() if pod.told is not None and not pod.fails]
        unknown = any(pod.known for pod in self.pods.values() if pod not in ready)
        since = min((pod.told for pod in ready if pod.told is not None), default=self.now)
        fresh = [pod for pod in self.pods.values() if pod.told is None and not pod.fails]
        for pod in self.pods.values():
            pod.known = True
        for pod in fresh:
            self.begin_anew(pod)
            pod.told = self.now
        if not self.pods:
            return NO_SERIES, self.now
        if unknown or not ready:
            return Missing, self.now
        return self.tell(ready), since

    def begin_anew(self, pod: Pod) -> None:
        self.lost |= self.counted(pod) - pod.told_requests
        pod.told_requests |= self.counted(pod)
        pod.told = None

    def tell(self, pods: list[Pod]) -> SideReading:
        success = failure = 0
        for pod in pods:
            for code, ids in pod.process.requests.items():
                new = [request for request in ids if request not in pod.told_requests]
                success, failure = success + len(new) * (code < 500), failure + len(new) * (code >= 500)
                self.told += new
                pod.told_requests.update(new)
            pod.told = self.now
        return Sample(float(success), float(failure)) if success + failure else NO_REQUESTS


address = st.integers(1, PODS).map("10.0.0.{}".format)
happening = st.one_of(
    st.tuples(st.just("requests"), address, st.sampled_from(CODES), st.integers(1, 20)),
    st.tuples(st.sampled_from(["born", "gone", "restarted", "broken"]), address),
)
seconds = st.lists(st.lists(happening, max_size=4), min_size=1, max_size=12)


@settings(max_examples=300, deadline=None)
@given(seconds)
def test_windows_say_what_was_counted(played: list[list[tuple[str, ...]]]) -> None:
    async def play() -> None:
        world = World()
        for number in range(PODS):
            world.born(f"10.0.0.{number + 1}")
        await world.window()
        for happenings in played:
            for name, *arguments in happenings:
                getattr(world, name)(*arguments)
            await world.window()
        assert len(world.told) == len(set(world.told)), "a request was told twice"
        assert not world.lost & set(world.told)
        for pod in world.pods.values():
            pod.fails = False
        for _ in range(3):
            await world.window()
        kept = {request for pod in world.pods.values() for request in world.counted(pod)}
        assert kept <= set(world.told) | world.lost, "a request was forgotten"

    run_virtual(play())
