"""Canaries that are judged by Prometheus: what a read costs, and that those of a namespace cost one together."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from bench.processes import Child, ScenarioFailed, child
from bench.prometheus import workload
from bench.rows import Row, at_most, shown
from canary.core.window import Sample, Sides, Window
from canary.kube.clock import SystemClock
from canary.metrics.groups import MetricsGroups, Target
from canary.metrics.prometheus.http import HttpPrometheus
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.prometheus.source import PrometheusSource
from canary.metrics.source import Asked

WORKLOADS = 100
READS = 20
WINDOW, SCRAPE = 60, 15.0
CANARIES, WINDOWS = 100, 4
SHORT_WINDOW, SHORT_SCRAPE = 1.0, 0.25
"""Windows that are over soon: what they cost together does not depend on how long they are."""
QUERIES = 2


async def run(_: int) -> list[Row]:
    return [*await _one_read(), *await _many_canaries()]


async def _one_read() -> list[Row]:
    names = frozenset(map(workload, range(WORKLOADS)))
    async with _source(WORKLOADS, SCRAPE) as (server, source):
        await _read(source, names)
        await server.ask("asked")
        before = time.process_time()
        for _ in range(READS):
            await _read(source, names)
        used = time.process_time() - before
        asked = await server.ask("asked")
    words = f"queries for a read of {WORKLOADS} workloads"
    return [
        at_most("prometheus/queries", words, asked["queries"] / READS, QUERIES),
        shown("prometheus/read", "processor time of such a read", 1e3 * used / READS, "ms"),
        shown("prometheus/body", "size of the answers", asked["bytes"] / READS / 1e6, "MB"),
    ]


async def _read(source: PrometheusSource, names: frozenset[str]) -> None:
    answer = await source.read(Asked("shop", "Deployment", WINDOW, names), timeout=10.0)
    # Else the figures would be those of something that does not work.
    if len(answer.readings) != len(names) or not all(map(_usable, answer.readings.values())):
        raise ScenarioFailed(f"{len(answer.readings)} readings: {next(iter(answer.readings.values()), None)}")


async def _many_canaries() -> list[Row]:
    async with _source(2 * CANARIES, SHORT_SCRAPE) as (server, source):
        taken: dict[Hashable, int] = dict.fromkeys(range(CANARIES), 0)
        done = asyncio.Event()

        def count(key: Hashable) -> None:
            taken[key] += 1
            if min(taken.values()) == WINDOWS:
                done.set()

        groups = MetricsGroups({"Prometheus": source}, clock=SystemClock(), rng=random.Random(1), on_reading=count)
        for number in range(CANARIES):
            stable, canary = workload(2 * number), workload(2 * number + 1)
            groups.subscribe(
                number, Target("shop", "Deployment", SHORT_WINDOW, (stable,), (canary,), source="Prometheus")
            )
        running = asyncio.create_task(groups.run())
        try:
            async with asyncio.timeout(60):
                await done.wait()
            asked = await server.ask("asked")
            readings = [groups.take(number)[-1] for number in range(CANARIES)]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    for reading in readings:
        if not isinstance(reading, Window) or not all(map(_usable, Sides(reading.canary, reading.stable))):
            raise ScenarioFailed(f"a window of {CANARIES} canaries: {reading}")
    words = f"queries for one window of {CANARIES} canaries in a namespace"
    return [at_most("prometheus/shared", words, asked["queries"] / WINDOWS, QUERIES)]


def _usable(reading: object) -> bool:
    return isinstance(reading, Sample) and reading.success > 0 and reading.failure > 0 and bool(reading.histogram)


@asynccontextmanager
async def _source(workloads: int, scrape: float) -> AsyncIterator[tuple[Child, PrometheusSource]]:
    async with child("bench.prometheus", workloads, scrape) as server:
        clock = SystemClock()
        prometheus = HttpPrometheus(f"http://127.0.0.1:{server.ready['port']}", clock=clock)
        try:
            yield server, PrometheusSource(prometheus, shipped("linkerd"), scrape=scrape, clock=clock)
        finally:
            await prometheus.close()
