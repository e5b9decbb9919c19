"""A small Lease server, replicas with an elector each, and a wire between them that a test may break."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Unreachable
from canary.kube.lease import LeaseElector
from canary.kube.transport import MAX_BODY, Response
from canary.sandbox.virtual_time import VirtualLoop

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases"


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Every asynchronous test of this directory runs in virtual time."""
    return {"virtual": VirtualLoop}


def seconds() -> float:
    return asyncio.get_running_loop().time()


class LeaseServer:
    """One Lease with compare-and-swap. `log` has (time, method, spec or None, status) of every executed request."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.log: list[tuple[float, str, dict[str, Any] | None, int]] = []

    def execute(self, method: str, body: bytes | None) -> Response:
        response = self._execute(method, body)
        self.log.append((seconds(), method, json.loads(body)["spec"] if body else None, response.status))
        return response

    def _execute(self, method: str, body: bytes | None) -> Response:
        sent = json.loads(body) if body else {}
        if method == "POST":
            if self.lease is not None:
                return self.refusal(409, "AlreadyExists")
            self.store(sent)
            return Response(201, json.dumps(self.lease).encode())
        if self.lease is None:
            return self.refusal(404, "NotFound")
        if method == "PUT":
            if sent["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                return self.refusal(409, "Conflict")
            self.store(sent)
        return Response(200, json.dumps(self.lease).encode())

    @staticmethod
    def refusal(code: int, reason: str) -> Response:
        return Response(code, json.dumps({"kind": "Status", "reason": reason}).encode())

    def store(self, lease: dict[str, Any]) -> None:
        self.version += 1
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self.version)}}

    def edit(self, **spec: Any) -> None:
        """What somebody does with kubectl."""
        assert self.lease is not None
        self.store({**self.lease, "spec": {**self.lease["spec"], **spec}})

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        return self.lease["spec"]


# Decides what happens to a request: it may call `execute` at any time, return its answer, or raise.
Fault = Callable[[Callable[[], Response]], Awaitable[Response]]


async def answered(execute: Callable[[], Response]) -> Response:
    await asyncio.sleep(0.01)
    response = execute()
    await asyncio.sleep(0.01)
    return response


async def refused(_execute: Callable[[], Response]) -> Response:
    raise Unreachable("refused")


async def hangs(_execute: Callable[[], Response]) -> Response:
    await asyncio.sleep(10_000)
    raise AssertionError("nobody waits that long")


class Wire:
    """A transport whose behaviour is `fault`."""

    def __init__(self, server: LeaseServer) -> None:
        self.server = server
        self.fault: Fault = answered
        self.timeouts: list[float] = []

    def refuse(self) -> None:
        self.fault = refused

    def hang(self) -> None:
        self.fault = hangs

    def heal(self) -> None:
        self.fault = answered

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 10.0,
        max_body: int = MAX_BODY,
    ) -> Response:
        assert path == (PATH if method == "POST" else f"{PATH}/canary")
        self.timeouts.append(timeout)
        return await self.fault(lambda: self.server.execute(method, body))

    def stream(self, path: str, **_: Any) -> Any:
        raise AssertionError("an elector does not watch")

    async def close(self) -> None: ...


class SkewedClock:
    """A monotonic clock that runs `rate` times as fast as the loop, and a wall clock that jumps by an hour."""

    def __init__(self, rate: float, rng: random.Random) -> None:
        self.rate = rate
        self.rng = rng
        self.stall = 0.0

    def monotonic(self) -> float:
        return 1000.0 + seconds() * self.rate

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.rng.uniform(-3600, 3600))

    async def sleep(self, duration: float) -> None:
        await asyncio.sleep(max(0.0, duration) / self.rate + self.stall)


def elector(server: LeaseServer, name: str, **overrides: Any) -> LeaseElector:
    """An elector that nobody runs yet."""
    clock, rng = overrides.pop("clock", None) or LoopClock(EPOCH), overrides.pop("rng", None) or random.Random(1)
    client = Client(overrides.pop("wire", None) or Wire(server), clock=clock, rng=rng)
    return LeaseElector(
        client, **{"namespace": "system", "name": "canary", "identity": name, "clock": clock, "rng": rng, **overrides}
    )


class Replica:
    """A process with an elector. `terms` has the (start, end) of what it ran while it led."""

    def __init__(self, server: LeaseServer, name: str, *, rate: float = 1.0, seed: int = 0, **overrides: Any) -> None:
        rng = random.Random(f"{seed} {name}")
        self.clock: Any = LoopClock(EPOCH) if rate == 1.0 else SkewedClock(rate, rng)
        self.wire = Wire(server)
        self.errors: list[Exception] = []
        self.terms: list[tuple[float, float]] = []
        self.elector = elector(
            server, name, clock=self.clock, rng=rng, wire=self.wire, on_error=self.errors.append, **overrides
        )
        self.task = asyncio.ensure_future(self.elector.run(self.lead, self.stopped))

    async def lead(self) -> None:
        start = seconds()
        try:
            await asyncio.sleep(1e9)
        finally:
            self.terms.append((start, seconds()))

    async def stopped(self) -> None: ...

    @property
    def leads(self) -> bool:
        return self.elector.is_leader

    async def led(self, within: float) -> float:
        """Seconds until it leads."""
        return await until(lambda: self.leads, within)

    async def lost(self, within: float) -> float:
        """Seconds until it leads no more."""
        return await until(lambda: not self.leads, within)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def until(condition: Callable[[], bool], within: float) -> float:
    """Seconds until `condition` holds."""
    start = seconds()
    while not condition():
        assert seconds() - start < within, "it never came"
        await asyncio.sleep(0.01)
    return seconds() - start


async def stubborn_sleep(duration: float) -> None:
    """A sleep that no timeout ends."""
    end = seconds() + duration
    while seconds() < end - 1e-6:
        try:
            await asyncio.sleep(end - seconds())
        except asyncio.CancelledError:
            continue


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer()


@pytest.fixture
def replica(server: LeaseServer) -> Callable[..., Replica]:
    """`replica(name, ...)` is a running `Replica` of `server`."""
    return partial(Replica, server)


@pytest.fixture(scope="session")
def new_lease_server() -> type[LeaseServer]:
    return LeaseServer


@pytest.fixture(scope="session")
def new_replica() -> type[Replica]:
    return Replica


@pytest.fixture(scope="session")
def new_elector() -> Callable[..., LeaseElector]:
    return elector


@pytest.fixture(scope="session")
def stubborn() -> Callable[[float], Awaitable[None]]:
    """A sleep that no timeout ends: a process that was stopped meanwhile."""
    return stubborn_sleep
