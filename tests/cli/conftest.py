"""A cluster in virtual time with Canaries whose status the test writes, and a session of the command line in it."""

from __future__ import annotations

import asyncio
import io
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest
import yaml

from canary.cli.canaries import CANARIES, View, view_of
from canary.cli.exits import Failure
from canary.cli.session import Session
from canary.cli.terminal import Terminal
from canary.kube.client import Client
from canary.kube.clock import LoopClock, SystemClock
from canary.kube.transport import Transport
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.embedded import EmbeddedCluster
from canary.sandbox.virtual_time import run_virtual

EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)
Json = dict[str, Any]

SPEC: Json = {
    "revision": "6.1.2",
    "backends": {"stable": "podinfo-v1", "canary": "podinfo-v2"},
    "service": {"name": "podinfo"},
    "steps": [
        {"weight": 5, "hold": "2m"},
        {"weight": 25, "hold": "5m", "minRequests": 500},
        {"approval": "prod"},
        {"weight": 100, "hold": "5m"},
    ],
}
OTHERS = {
    "Progressing": {"Ready": "Unknown", "Reconciling": "True", "Promoted": "Unknown"},
    "RolledBack": {"Ready": "False", "Stalled": "True", "Promoted": "False"},
    "Promoted": {"Ready": "True", "Promoted": "True"},
    "Invalid": {"Ready": "False", "Stalled": "True", "Promoted": "Unknown"},
}
REASONS = {"Progressing": "Analysing", "RolledBack": "CheckFailed", "Promoted": "Serving", "Invalid": "InvalidSpec"}


def make_status(phase: str = "Progressing", *, paused: bool = False, **overrides: Any) -> Json:
    """What the controller would write; `reason` and `message` go into the conditions, too."""
    generation = overrides.pop("generation", 1)
    reason = overrides.pop("reason", REASONS.get(phase, phase))
    kinds = {**OTHERS.get(phase, {"Ready": "Unknown", "Reconciling": "True"}), **({"Paused": "True"} if paused else {})}
    message = overrides.get("message", "weight 25%, step 2 of 4, Healthy")
    return {
        "observedGeneration": generation,
        "phase": phase,
        "canaryWeight": 25,
        "step": 2,
        "steps": 4,
        "stableRevision": "podinfo-v1:5b9c",
        "canaryRevision": "podinfo-v2:77de",
        "promotedRevision": "6.1.1",
        "lastAppliedRevision": "6.1.2",
        "failedWindows": 1,
        "message": message,
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "observedGeneration": generation,
                "lastTransitionTime": "2026-01-01T11:58:00Z",
            }
            for kind, status in kinds.items()
        ],
        **overrides,
    }


def make_view(status: Mapping[str, Any] | None = None, spec: Mapping[str, Any] | None = None, **metadata: Any) -> View:
    """A Canary that no server has seen."""
    meta = {
        "name": "podinfo",
        "namespace": "shop",
        "uid": "u",
        "resourceVersion": "7",
        "generation": 1,
        "creationTimestamp": "2026-01-01T11:00:00Z",
        **metadata,
    }
    head = {"apiVersion": CANARIES.api_version, "kind": "Canary", "metadata": meta}
    return view_of({**head, "spec": {**SPEC, **(spec or {})}, "status": make_status() if status is None else status})


@dataclass
class World:
    """The cluster of one test."""

    cluster: EmbeddedCluster
    out: io.StringIO = field(default_factory=io.StringIO)
    err: io.StringIO = field(default_factory=io.StringIO)

    def session(self, namespace: str = "shop", transport: Transport | None = None) -> Session:
        clock, rng = self.cluster.clock, random.Random(0)
        transport = transport or DirectTransport(self.cluster.server, user_agent="canary-cli")
        client = Client(transport, clock=clock, rng=rng, field_manager="canary-cli")
        return Session(client, namespace, clock, rng, Terminal(self.out, self.err))

    async def create(
        self, status: Json | None = None, name: str = "podinfo", namespace: str = "shop", **spec: Any
    ) -> None:
        """A Canary with a status as the controller writes it; `{}` for one that it has not seen yet."""
        meta = {"name": name, "namespace": namespace}
        body = {"apiVersion": CANARIES.api_version, "kind": "Canary", "metadata": meta, "spec": {**SPEC, **spec}}
        await self.cluster.client.create(CANARIES, body, namespace)
        if status != {}:
            await self.report(status or make_status(), name, namespace)

    async def report(self, status: Json, name: str = "podinfo", namespace: str = "shop") -> None:
        """What the controller does: write the whole status."""
        found = await self.cluster.client.get(CANARIES, name, namespace)
        await self.cluster.client.replace(CANARIES, name, found | {"status": status}, namespace, subresource="status")

    async def edit(self, **spec: Any) -> None:
        await self.cluster.client.patch(CANARIES, "podinfo", {"spec": spec}, "shop")

    async def annotations(self) -> dict[str, str]:
        found = await self.cluster.client.get(CANARIES, "podinfo", "shop")
        return dict(found["metadata"].get("annotations") or {})

    async def code(self, action: Coroutine[Any, Any, int], *later: tuple[float, Coroutine[Any, Any, Any]]) -> int:
        """The exit code of a command; `later` happens so many seconds after its start. A failure goes to stderr."""

        async def after(seconds: float, what: Coroutine[Any, Any, Any]) -> None:
            await asyncio.sleep(seconds)
            await what

        tasks = [asyncio.create_task(after(*each)) for each in later]
        try:
            return int(await action)
        except Failure as failure:
            print(f"Error: {failure}", file=self.err)
            return int(failure.code)
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended


@pytest.fixture
def in_world() -> Callable[[Callable[[World], Coroutine[Any, Any, Any]]], Any]:
    """Runs a coroutine function with a fresh world in virtual time."""

    @asynccontextmanager
    async def world() -> AsyncIterator[World]:
        async with EmbeddedCluster(LoopClock(EPOCH), random.Random(0)) as cluster:
            for name in ("shop", "other"):
                await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            yield World(cluster)

    def run(test: Callable[[World], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            async with world() as made:
                return await test(made)

        return run_virtual(main())

    return run


@pytest.fixture
def status() -> Callable[..., Json]:
    return make_status


@pytest.fixture
def view() -> Callable[..., View]:
    return make_view


@dataclass(frozen=True)
class Served:
    """A cluster that listens: its kubeconfig, and a way to run something beside it."""

    kubeconfig: str
    do: Callable[[Callable[[World], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The Canaries shop/podinfo, shop/api and other/elsewhere behind a real port, in a thread of its own."""
    ready: Queue[Served | BaseException] = Queue()

    async def serve() -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with EmbeddedCluster(SystemClock(), random.Random(0)) as cluster:
            for name in ("shop", "other"):
                await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            world = World(cluster)
            await world.create()
            await world.create(name="api")
            await world.create(name="elsewhere", namespace="other")
            path = tmp_path / "kubeconfig"
            (await cluster.serve(token="secret")).write_kubeconfig(path)
            config = yaml.safe_load(path.read_text())
            config["contexts"][0]["context"]["namespace"] = "shop"
            path.write_text(yaml.safe_dump(config))

            def do(test: Callable[[World], Coroutine[Any, Any, Any]]) -> Any:
                return asyncio.run_coroutine_threadsafe(test(world), loop).result(30)

            stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
            ready.put(Served(str(path), do))
            await stopped.wait()

    def main() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            ready.put(error)
            raise

    stop: list[Callable[[], object]] = []
    thread = Thread(target=main)
    thread.start()
    found = ready.get(timeout=30)
    if isinstance(found, BaseException):
        raise found
    yield found
    stop[0]()
    thread.join(30)
