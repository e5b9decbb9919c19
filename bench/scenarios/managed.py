"""Managed mode: what a rollout of one Deployment asks of the API server, and what one that has nothing to do does.

In virtual time on the embedded cluster: requests are counted, seconds are not measured.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import structlog

from bench.rows import Row, at_most, exactly, shown
from canary.kube.transport import Response, Transport
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import VirtualLoop

STEPS = [{"weight": weight, "hold": "30s"} for weight in (10, 25, 50, 75, 100)]
IDLE = 3600.0
"""Seconds without a change, in virtual time."""
_METRICS = "metrics.smi-spec.io"
_APART = frozenset({"metrics", "discovery"})


class _Counted:
    """A transport that counts requests by method and path; watches, metrics and discovery are counted apart."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.asked: Counter[str] = Counter()

    async def request(self, method: str, path: str, **options: Any) -> Response:
        self.asked[_kind(method, path)] += 1
        return await self._inner.request(method, path, **options)

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._inner.stream(path, query=query, idle_timeout=idle_timeout)

    async def close(self) -> None:
        await self._inner.close()

    def take(self) -> int:
        """Requests since the last call, without those that are counted apart."""
        found, self.asked = self.asked, Counter()
        return sum(number for name, number in found.items() if name not in _APART)


def _kind(method: str, path: str) -> str:
    if _METRICS in path:
        return "metrics"
    if path.startswith("/apis/") and path.count("/") <= 3:
        return "discovery"  # Once for a process in ten minutes at most, whatever the number of Canaries.
    return f"{method} {path}"


async def run(_: int) -> list[Row]:
    return await asyncio.to_thread(_in_virtual_time)


def _in_virtual_time() -> list[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_rollout())


async def _rollout() -> list[Row]:
    async with Simulation(random.Random(1)) as sim:
        await sim.start_managed(Release("1"))
        await sim.apply(sim.managed_canary(steps=STEPS))
        process = sim.start()
        wire = process.client.transport = _Counted(process.client.transport)
        await sim.until(lambda: sim.phase() == "Idle")
        await sim.clock.sleep(60.0)
        onboarding = wire.take()
        await sim.clock.sleep(IDLE)
        idle = wire.take()
        await sim.release(Release("2"))
        await sim.until(lambda: sim.phase() == "Promoted")
        await sim.clock.sleep(120.0)
        promoted = wire.take()
        await sim.release(Release("3", errors=50.0))
        await sim.until(lambda: sim.phase() == "RolledBack")
        await sim.clock.sleep(120.0)
        rolled_back = wire.take()
    return [
        shown("managed/onboarding", "API requests from a new Canary to Idle, metrics and watches apart", onboarding),
        exactly("managed/idle", "API requests in an hour without a change", idle, 0),
        at_most("managed/rollout", f"API requests of a rollout of {len(STEPS)} steps, promotion and all", promoted, 60),
        shown("managed/rollback", "API requests of a rollout that is rolled back at its first weight", rolled_back),
    ]
