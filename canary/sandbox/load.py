"""An open-loop client: requests leave at their own pace, however slow the answers are.

A closed loop would send less to a slow release and so hide how slow it is.
Source: B. Schroeder et al., "Open Versus Closed: A Cautionary Tale", NSDI 2006.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass

import aiohttp

from canary.kube.clock import Clock
from canary.sandbox.mesh.backends import VERSION_HEADER


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request: when it left (clock seconds), who answered (`""`: nobody) with which status (0: none), how late."""

    at: float
    version: str
    status: int
    seconds: float

    @property
    def ok(self) -> bool:
        return 0 < self.status < 500


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests of one version that were answered well, and others."""

    ok: int = 0
    failed: int = 0


class Load:
    """GETs at `rate` per second on average, as a Poisson process, with at most `concurrency` of them under way.

    What would be more is not sent, and counted in `dropped`. `rate` may be changed while it runs; 0 pauses.
    """

    def __init__(self, clock: Clock, rng: random.Random, *, rate: float, concurrency: int = 256, timeout: float = 10.0):
        self.rate = rate
        self.outcomes: list[Outcome] = []
        self.dropped = 0
        self._clock, self._rng, self._concurrency, self._timeout = clock, rng, concurrency, timeout
        self._under_way = 0

    async def run(self, url: str, seconds: float) -> None:
        """Send for `seconds`, and return when every request has its outcome."""
        end = self._clock.monotonic() + seconds
        timeout = aiohttp.ClientTimeout(total=self._timeout)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session,
            asyncio.TaskGroup() as tasks,
        ):
            due = self._clock.monotonic()
            while True:
                # While paused, look again at whether the rate has changed.
                due += self._rng.expovariate(self.rate) if self.rate > 0 else 0.2
                if due >= end:
                    await self._clock.sleep(end - self._clock.monotonic())
                    return
                await self._clock.sleep(due - self._clock.monotonic())
                if self.rate > 0 and self._may_send():
                    tasks.create_task(self._send(session, url))

    def by_version(self) -> dict[str, Tally]:
        """The outcomes counted by the version that answered."""
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for outcome in self.outcomes:
            counts[outcome.version][0 if outcome.ok else 1] += 1
        return {version: Tally(*pair) for version, pair in sorted(counts.items())}

    def _may_send(self) -> bool:
        if self._under_way >= self._concurrency:
            self.dropped += 1
            return False
        self._under_way += 1
        return True

    async def _send(self, session: aiohttp.ClientSession, url: str) -> None:
        started = self._clock.monotonic()
        version, status = "", 0
        try:
            async with session.get(url) as answer:
                version = answer.headers.get(VERSION_HEADER, "")
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        finally:
            self._under_way -= 1
        self.outcomes.append(Outcome(started, version, status, self._clock.monotonic() - started))
