"""A reflector at work on a small server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.api.kinds import Service
from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import KubeError
from canary.kube.resources import SERVICES
from canary.kube.store import Key, Store
from canary.kube.watch import Reflector
from canary.sandbox.virtual_time import run_virtual

Server = Any


class Bench:
    """A reflector at work on a server, and what it told."""

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        self.clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.store: Store[Service] = options.pop("store") if "store" in options else Store()
        self.errors: list[KubeError] = []
        self.syncs: list[float] = []
        self.told: list[tuple[Key, str | None, str | None]] = []
        rng = random.Random(options.pop("seed", 0))
        self.reflector = Reflector(
            Client(server, clock=self.clock, rng=rng),
            SERVICES,
            Service,
            self.store,
            clock=self.clock,
            rng=rng,
            on_error=self.errors.append,
            on_sync=lambda: self.syncs.append(self.clock.monotonic()),
            **options,
        )
        self.store.subscribe(self._tell)

    def _tell(self, key: Key, old: Service | None, new: Service | None) -> None:
        self.told.append((key, old and old.metadata.uid, new and new.metadata.uid))

    @property
    def state(self) -> Any:
        return self.reflector.state

    def names(self) -> set[str]:
        return {obj.metadata.name for obj in self.store}

    def lists(self) -> list[dict[str, str]]:
        return [query for _, _, query in self.server.requests if "watch" not in query]

    def watches(self) -> list[dict[str, str]]:
        return [query for _, _, query in self.server.requests if "watch" in query]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            await asyncio.sleep(1)
            yield
            assert not task.done(), "a reflector ends by cancellation only"
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


Scenario = Callable[[Bench], Awaitable[None]]


@pytest.fixture
def play(new_server: type) -> Callable[..., Bench]:
    """Runs a scenario against a server with Services a and b, after one second of watching."""

    def run(scenario: Scenario, before: Callable[[Server], None] | None = None, **options: Any) -> Bench:
        async def main() -> Bench:
            server = new_server()
            server.put("shop", "a")
            server.put("shop", "b")
            if before is not None:
                before(server)
            bench = Bench(server, **options)
            async with bench.running():
                await scenario(bench)
            return bench

        return run_virtual(main())

    return run


@pytest.fixture(scope="session")
def new_bench() -> type[Bench]:
    return Bench
