"""Proxies that say what a test wrote down, and the source that reads them, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.core.window import Sample, SideReading
from canary.kube.clock import LoopClock
from canary.metrics.proxies.fetch import FetchError
from canary.metrics.proxies.flavour import parse_flavour
from canary.metrics.proxies.source import ProxyPod, ProxySource
from canary.metrics.source import Answer, Asked, series_of
from canary.sandbox.virtual_time import run_virtual

FLAVOUR = """
name: mine
title: Mine
cites: []
port: 9102
path: /metrics
requests: {metric: requests_total, failure: {label: code, regex: 5..}}
latency: {metric: latency_bucket, unit: ms}
life: {metric: age, says: Uptime}
"""


class Proxies:
    """Proxies by address: what they say, or how they fail; and who lives where."""

    def __init__(self) -> None:
        self.says: dict[str, Callable[[], bytes] | Exception] = {}
        self.delay: dict[str, float] = {}
        self.workloads: dict[str, tuple[ProxyPod, ...]] = {}
        self.asked: list[tuple[str, int, str]] = []
        self.waiting = self.most_waiting = 0
        self.source = ProxySource(
            self.pods, self, parse_flavour(FLAVOUR, "mine"), clock=LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        )

    def pods(self, namespace: str, kind: str, names: frozenset[str]) -> Mapping[str, tuple[ProxyPod, ...]]:
        return {name: pods for name, pods in self.workloads.items() if name in names}

    async def get(self, address: str, port: int, target: str, *, timeout: float) -> bytes:
        self.asked.append((address, port, target))
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.sleep(self.delay.get(address, 0.0))
        except TimeoutError as error:
            raise FetchError(f"no answer within {timeout:g} s") from error
        finally:
            self.waiting -= 1
        said = self.says[address]
        if isinstance(said, Exception):
            raise said
        return said()

    def say(self, address: str, ok: float = 0, bad: float = 0, age: float = 100, slow: float = 0) -> None:
        """`slow` of all requests took more than 10 ms, the others at most that."""
        text = (
            f'age {age}\nrequests_total{{code="200"}} {ok}\nrequests_total{{code="500"}} {bad}\n'
            f'latency_bucket{{le="10"}} {ok + bad - slow}\nlatency_bucket{{le="+Inf"}} {ok + bad}\n'
        )
        self.says[address] = text.encode

    def fail(self, address: str, words: str = "the answer is 503") -> None:
        self.says[address] = FetchError(words)

    def run(self, name: str, *addresses: str) -> None:
        """The workload `name` has one pod for each address."""
        self.workloads[name] = tuple(ProxyPod(f"{name}-{address}", address, f"uid-{address}") for address in addresses)

    async def answer(self, *names: str, timeout: float = 1.0, **asked: Any) -> Answer:
        values = {"namespace": "shop", "kind": "Deployment", "seconds": 1, "names": frozenset(names)}
        return await self.source.read(Asked(**values | asked), timeout=timeout)

    async def read(self, name: str = "web", **asked: Any) -> SideReading:
        """The reading of one workload, a second after the last one."""
        await asyncio.sleep(1)
        answer = await self.answer(name, **asked)
        return answer.readings[series_of("Deployment", "shop", name)]


@pytest.fixture
def played() -> Callable[[Callable[[Proxies], Any]], Any]:
    """What a play returns, in virtual time: two pods of `web` that were read once, at 0 s, with nothing counted."""

    async def begin(play: Callable[[Proxies], Any]) -> Any:
        proxies = Proxies()
        proxies.run("web", "10.0.0.1", "10.0.0.2")
        proxies.say("10.0.0.1")
        proxies.say("10.0.0.2")
        await proxies.answer("web")
        return await play(proxies)

    return lambda play: run_virtual(begin(play))


@pytest.fixture
def counts() -> Callable[[SideReading], tuple[float, float] | str]:
    """Successes and failures of a reading, or why there are none."""
    return lambda reading: (reading.success, reading.failure) if isinstance(reading, Sample) else reading.reason
