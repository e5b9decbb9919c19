"""Whatever the server, the network and the users do: in the end the store is what the server has."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.kinds import Service
from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.resources import SERVICES
from canary.kube.store import Key, Store
from canary.kube.transport import Response
from canary.kube.watch import Reflector, Watching
from canary.sandbox.virtual_time import run_virtual

FAULTS: list[Exception | Response] = [
    Unreachable("refused"),
    Ambiguous("reset"),
    Response(403, b"{}"),
    Response(404, b"{}"),
    Response(410, b"{}"),
    Response(429, b"{}", {"retry-after": "3"}),
    Response(500, b"<html>"),
    Response(200, b"<html>"),
]
KEYS = st.tuples(st.sampled_from(["one", "two"]), st.sampled_from("abc"))
OPS = st.one_of(
    st.tuples(st.just("put"), KEYS, st.sampled_from(["10.0.0.1", "10.0.0.2", ""])),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("recreate"), KEYS),
    st.tuples(st.sampled_from(["bookmark", "again", "expire", "compact", "cut", "break", "freeze", "garbage"])),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
)
STEPS = st.lists(st.tuples(OPS, st.sampled_from([0.0, 0.005, 0.011, 0.3, 2.0, 12.0, 80.0])), max_size=40)


def apply(server: Any, op: tuple[Any, ...]) -> None:
    match op:
        case ("put", (namespace, name), ip):
            server.put(namespace, name, spec={"clusterIP": ip})
        case ("delete", (namespace, name)):
            server.delete(namespace, name)
        case ("recreate", (namespace, name)):
            server.delete(namespace, name)
            server.put(namespace, name)
        case ("expire",):
            server.compact()
            server.error(410)
        case ("break",):
            server.cut(Unreachable("reset"))
        case ("freeze",):
            server.streams.clear()
        case ("garbage",):
            server.raw(b'{"type":"ADDED","object":{"metadata":"torn')
        case ("fault", fault):
            server.faults.append(fault)
        case (name,):
            getattr(server, name)()


class Mirror:
    """What a handler can know; every call must fit what came before."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.objects: dict[Key, Service] = {}
        self.buried: set[str] = set()
        self.faults: list[str] = []

    def hear(self, key: Key, old: Service | None, new: Service | None) -> None:
        if self.objects.get(key) is not old:
            self.faults.append(f"{key}: told of another past")
        if old is not None and new is not None:
            if old.metadata.uid != new.metadata.uid:
                self.faults.append(f"{key}: an object changed its uid")
            if int(old.metadata.resource_version) >= int(new.metadata.resource_version):
                self.faults.append(f"{key}: went back in time")
        if new is None:
            if old is not None:
                self.buried.add(old.metadata.uid)
            self.objects.pop(key, None)
        else:
            if new.metadata.uid in self.buried:
                self.faults.append(f"{key}: came back from the dead")
            self.objects[key] = new


async def check(server: Any, steps: list[Any], namespaces: list[str | None], seed: int) -> None:
    clock, rng = LoopClock(datetime(2026, 1, 1, tzinfo=UTC)), random.Random(seed)
    store: Store[Service] = Store({"ip": lambda obj: [obj.spec.cluster_ip]})
    mirror = Mirror(server)
    store.subscribe(mirror.hear)
    client = Client(server, clock=clock, rng=rng)
    reflectors = [
        Reflector(client, SERVICES, Service, store, clock=clock, rng=rng, namespace=namespace)
        for namespace in namespaces
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(reflector.run()) for reflector in reflectors]
        for op, pause in steps:
            apply(server, op)
            await asyncio.sleep(pause)
        # Forty faults, each with the longest pause after it, and a frozen stream.
        await asyncio.sleep(40 * 33 + 70)
        for task in tasks:
            assert not task.done()
            task.cancel()
        assert all(isinstance(reflector.state, Watching) for reflector in reflectors)
        assert store.synced

    truth = {key: obj["metadata"]["resourceVersion"] for key, obj in server.objects.items()}
    assert {key: obj.metadata.resource_version for key, obj in zip(store.keys(), store, strict=True)} == truth
    assert mirror.faults == []
    assert mirror.objects == dict(zip(store.keys(), store, strict=True))
    for ip in ("10.0.0.1", "10.0.0.2", ""):
        found = {obj.metadata.resource_version for obj in store.indexed("ip", ip)}
        assert found == {obj.metadata.resource_version for obj in store if obj.spec.cluster_ip == ip}


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 9))
def test_one_watch_of_everything_converges(new_server: type, steps: list[Any], seed: int) -> None:
    run_virtual(check(new_server(), steps, [None], seed))


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 9))
def test_a_watch_per_namespace_converges(new_server: type, steps: list[Any], seed: int) -> None:
    run_virtual(check(new_server(), steps, ["one", "two"], seed))
