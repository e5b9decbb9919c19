"""A hundred canaries whose proxies are read directly, every second: what that costs the process that reads."""

from __future__ import annotations

import asyncio
import time
import timeit

import msgspec

from bench.processes import ScenarioFailed, child
from bench.proxies import page
from bench.rows import Row, at_most, below, shown
from canary.core.window import Sample
from canary.kube.clock import SystemClock
from canary.metrics.proxies.counts import Reader
from canary.metrics.proxies.fetch import HttpFetch
from canary.metrics.proxies.flavour import shipped
from canary.metrics.proxies.source import ProxyPod, ProxySource
from canary.metrics.source import Asked

CANARIES = 100
PODS = 5
NAMESPACES = 10
"""Each of them asks for itself."""
SIZE, LARGE = 30_000, 500_000
WARM_UP, SECONDS = 3, 20
READS = CANARIES * PODS


async def run(_: int) -> list[Row]:
    async with child("bench.proxies", SIZE) as server:
        fetch = HttpFetch()
        try:
            source = ProxySource(
                _pods,
                fetch,
                msgspec.structs.replace(shipped("envoy"), port=server.ready["port"]),
                clock=SystemClock(),
                allow_loopback=True,
            )
            await _ask(source, WARM_UP, judged=False)
            before = time.process_time()
            late = await _ask(source, SECONDS, judged=True)
            used = time.process_time() - before
        finally:
            await fetch.close()
    each = 1e3 * used / (SECONDS * READS)
    body = f"{server.ready['bytes'] / 1e3:.0f} kB"
    return [
        below("proxies/parse", f"read an answer of {LARGE / 1e3:.0f} kB, most of it other metrics", _parse(), 1, "ms"),
        at_most("proxies/share", f"of a core for {READS} reads of {body} a second", 100 * used / SECONDS, 20, "%"),
        at_most("proxies/read", "processor time of one read, parsing included", each, 0.4, "ms"),
        shown("proxies/late", "the slowest window's reads took", 1e3 * late, "ms"),
    ]


def _parse() -> float:
    """Milliseconds to read a large answer, at best."""
    reader, (first, second) = Reader(shipped("envoy")), (page(number, LARGE) for number in (1, 2))
    before = reader.read(first)
    return 1e3 * min(timeit.repeat(lambda: reader.read(second, before), number=10, repeat=20)) / 10


async def _ask(source: ProxySource, seconds: int, *, judged: bool) -> float:
    """Ask once a second for every namespace, each at its own time; the longest that a call took, seconds."""
    started = asyncio.get_running_loop().time()
    asked = (_windows(source, number, started + number / NAMESPACES, seconds, judged) for number in range(NAMESPACES))
    return max(await asyncio.gather(*asked))


async def _windows(source: ProxySource, namespace: int, start: float, seconds: int, judged: bool) -> float:
    loop = asyncio.get_running_loop()
    names = frozenset(f"app-{number}" for number in range(namespace, CANARIES, NAMESPACES))
    slowest = 0.0
    for second in range(seconds):
        await asyncio.sleep(start + second - loop.time())
        sent = loop.time()
        answer = await source.read(Asked(f"team-{namespace}", "Deployment", 1, names), timeout=1.0)
        slowest = max(slowest, loop.time() - sent)
        for series, reading in answer.readings.items():
            # Else the figures would be those of something that does not work.
            if judged and not (isinstance(reading, Sample) and reading.success == reading.failure == 5 * PODS):
                raise ScenarioFailed(f"{series.namespace}/{series.name}: {reading}")
    return slowest


def _pods(namespace: str, kind: str, names: frozenset[str]) -> dict[str, tuple[ProxyPod, ...]]:
    return {name: tuple(_pod(int(name.removeprefix("app-")), pod) for pod in range(PODS)) for name in names}


def _pod(canary: int, pod: int) -> ProxyPod:
    return ProxyPod(f"app-{canary}-{pod}", f"127.1.{canary}.{pod + 1}", f"uid-{canary}-{pod}")
