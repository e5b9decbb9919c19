"""Client and reflector against the embedded API server, without sockets and over them."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.api.kinds import Service
from canary.kube.client import Client, PatchKind
from canary.kube.clock import Clock, LoopClock, SystemClock
from canary.kube.errors import AlreadyExists, Conflict, NotFound
from canary.kube.http import HttpTransport
from canary.kube.resources import NAMESPACES, SERVICES
from canary.kube.store import Store
from canary.kube.transport import Transport
from canary.kube.watch import Reflector
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.http import serve
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.virtual_time import run_virtual


def manifest(name: str, **meta: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "shop"} | meta,
        "spec": {"ports": [{"port": 80}]},
    }


async def exercise(transport: Transport, clock: Clock) -> None:
    rng = random.Random(0)
    client = Client(transport, clock=clock, rng=rng)
    store: Store[Service] = Store()
    changed = asyncio.Event()
    store.subscribe(lambda key, old, new: changed.set())
    reflector = Reflector(client, SERVICES, Service, store, clock=clock, rng=rng, namespace="shop")

    async def until(wanted: dict[str, str]) -> None:
        async with asyncio.timeout(5):
            while {obj.metadata.name: obj.metadata.labels.get("v", "") for obj in store} != wanted:
                changed.clear()
                await changed.wait()

    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
    stored = await client.create(SERVICES, manifest("a"), "shop", type=Service)
    task = asyncio.create_task(reflector.run())
    try:
        await store.wait_synced()
        await until({"a": ""})
        await client.create(SERVICES, manifest("b"), "shop")
        with pytest.raises(AlreadyExists):
            await client.create(SERVICES, manifest("b"), "shop")
        await client.patch(SERVICES, "a", {"metadata": {"labels": {"v": "1"}}}, "shop")
        with pytest.raises(Conflict):
            await client.replace(SERVICES, "a", manifest("a", resourceVersion=stored.metadata.resource_version), "shop")
        await client.patch(SERVICES, "c", manifest("c", labels={"v": "2"}), "shop", kind=PatchKind.APPLY)
        await until({"a": "1", "b": "", "c": "2"})
        listing = await client.list(SERVICES, "shop", type=Service, limit=1)
        assert {obj.metadata.name for obj in listing.items} == {"a", "b", "c"}
        with pytest.raises(Conflict):
            await client.delete(SERVICES, "a", "shop", uid="another")
        await client.delete(SERVICES, "a", "shop", uid=stored.metadata.uid)
        with pytest.raises(NotFound):
            await client.get(SERVICES, "a", "shop")
        await until({"b": "", "c": "2"})
        assert reflector.last_error is None
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_without_sockets_in_virtual_time() -> None:
    async def main() -> None:
        clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        transport = DirectTransport(ApiServer(clock, random.Random(0)))
        await exercise(transport, clock)
        await transport.close()

    run_virtual(main())


def test_an_idle_watch_of_an_hour_neither_lists_again_nor_fails() -> None:
    async def main() -> None:
        clock, rng = LoopClock(datetime(2026, 1, 1, tzinfo=UTC)), random.Random(0)
        client = Client(DirectTransport(ApiServer(clock, rng)), clock=clock, rng=rng)
        faults: list[Exception] = []
        reflector = Reflector(client, SERVICES, Service, Store(), clock=clock, rng=rng, on_error=faults.append)
        task = asyncio.create_task(reflector.run())
        await asyncio.sleep(3600)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.close()
        assert faults == []

    run_virtual(main())


async def test_over_http() -> None:
    clock = SystemClock()
    face = await serve(ApiServer(clock, random.Random(0)), "127.0.0.1", 0, "")
    transport = HttpTransport(face.url)
    try:
        await exercise(transport, clock)
    finally:
        await transport.close()
        await face.close()
