"""The reflector against the embedded API server: watches that lag, break, hang, repeat or fall silent."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.meta import ObjectMeta
from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.resources import Resource
from canary.kube.store import Key, Store
from canary.kube.watch import Empty, Reflector, Watching
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.faults import (
    Answer,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Expire,
    Hang,
    LoseAnswer,
    Raw,
    Refuse,
    Silence,
    Stale,
)
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.virtual_time import run_virtual

MAPS = Resource("", "v1", "configmaps", "ConfigMap")
PATH = MAPS.path("default")


class Map(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    data: dict[str, str] = {}


SINGLE = [Refuse(), Drop(), LoseAnswer(), Hang(), Answer(403), Answer(404), Answer(429, retry_after=5), Answer(503)]
FAULTS = st.one_of(
    st.tuples(st.sampled_from([*SINGLE, Raw(200, b"<html>"), Delay(3, 3)]), st.sampled_from(["watch", "list"])),
    st.tuples(st.builds(Stale, st.integers(1, 5)), st.just("list")),
    st.tuples(st.builds(Cut, st.integers(0, 3), torn=st.booleans()), st.just("watch")),
    st.tuples(st.builds(Silence, st.integers(0, 3)), st.just("watch")),
    st.tuples(st.builds(Expire, st.integers(0, 3)), st.just("watch")),
    st.tuples(st.just(Duplicate()), st.just("watch")),
    st.tuples(st.just(Answer(410)), st.just("watch")),
)
NAMES = st.sampled_from("abc")
OPS = st.one_of(
    st.tuples(st.just("write"), NAMES),
    st.tuples(st.just("write"), NAMES),
    st.tuples(st.just("delete"), NAMES),
    st.tuples(st.just("recreate"), NAMES),
    st.tuples(st.just("fault"), FAULTS),
    st.tuples(st.sampled_from(["compact", "cut"])),
)
STEPS = st.lists(st.tuples(OPS, st.sampled_from([0.0, 0.01, 0.06, 1.0, 8.0, 70.0])), min_size=5, max_size=40)


class World:
    """A server, a reflector, and what the reflector told."""

    def __init__(self, seed: int, lag: float) -> None:
        self.rng, self.clock = random.Random(seed), LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.server = ApiServer(self.clock, random.Random(seed))
        transport = DirectTransport(self.server, latency=lambda: self.rng.uniform(0, 0.05), lag=lambda: lag)
        self.client = Client(transport, clock=self.clock, rng=self.rng)
        self.store: Store[Map] = Store()
        self.told: dict[Key, Map] = {}
        self.newest: dict[str, int] = {}
        self.wrong: list[str] = []
        self.store.subscribe(self.hear)
        self.reflector = Reflector(
            self.client, MAPS, Map, self.store, clock=self.clock, rng=self.rng, namespace="default"
        )

    def hear(self, key: Key, old: Map | None, new: Map | None) -> None:
        if self.told.pop(key, None) is not old:
            self.wrong.append(f"{key}: told of another past")
        by_list = isinstance(self.reflector.state, Empty)
        if new is not None:
            self.told[key] = new
            self.check_version(new.metadata, by_list)
        elif old is not None and by_list:
            # A list that is older than its birth: what follows tells of it from the beginning.
            self.newest.pop(old.metadata.uid, None)

    def check_version(self, meta: ObjectMeta, by_list: bool) -> None:
        """Within a watch the versions of an object only grow; a list may be older, and starts the count anew."""
        version = int(meta.resource_version)
        if not by_list and version <= self.newest.get(meta.uid, 0):
            self.wrong.append(f"{meta.name}: version {version} after {self.newest[meta.uid]}")
        if by_list and version < self.newest.get(meta.uid, 0) and "Stale" not in self.server.faults.fired:
            self.wrong.append(f"{meta.name}: a list that is not stale takes {version} for {self.newest[meta.uid]}")
        self.newest[meta.uid] = version

    def send(self, method: str, path: str, body: Any = None) -> int:
        raw = b"" if body is None else msgspec.json.encode(body)
        answer: Any = self.server.handle(Request(method, path, {}, {"content-type": "application/json"}, raw))
        return int(answer.status)

    def write(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        body["data"] = {"at": str(self.rng.random())}
        if self.send("PUT", f"{PATH}/{name}", body) == 404:
            assert self.send("POST", PATH, body) == 201

    def delete(self, name: str) -> None:
        self.send("DELETE", f"{PATH}/{name}")

    def recreate(self, name: str) -> None:
        self.delete(name)
        self.write(name)

    def fault(self, fault: tuple[Any, str]) -> None:
        effect, verb = fault
        self.server.faults.add(effect, verb=verb, resource="configmaps", times=1)

    def compact(self) -> None:
        self.server.compact()

    def cut(self) -> None:
        self.server.cut_watches()

    @property
    def truth(self) -> dict[Key, str]:
        objects = self.server.storage.objects(("", "configmaps")).values()
        metas = [obj["metadata"] for obj in objects if obj["metadata"]["namespace"] == "default"]
        return {(meta["namespace"], meta["name"]): meta["resourceVersion"] for meta in metas}

    @property
    def held(self) -> dict[Key, str]:
        metas = [obj.metadata for obj in self.store]
        return {(meta.namespace, meta.name): meta.resource_version for meta in metas}


async def check(steps: list[Any], seed: int, lag: float) -> None:
    world = World(seed, lag)
    task = asyncio.ensure_future(world.reflector.run())
    for op, pause in steps:
        deed: Callable[..., None] = getattr(world, op[0])
        deed(*op[1:])
        await asyncio.sleep(pause)
        assert world.told == dict(zip(world.store.keys(), world.store, strict=True))
    world.server.faults.clear()
    # A list that hangs three times over, a silent watch, and the longest pauses between them.
    await asyncio.sleep(3 * 60 + 70 + 2 * 33)
    assert isinstance(world.reflector.state, Watching)
    assert world.held == world.truth
    assert world.wrong == []
    # What happens in quiet times is known within the lag.
    world.write("a")
    await asyncio.sleep(lag + 0.2)
    assert world.held == world.truth
    task.cancel()
    await asyncio.wait([task])
    await world.client.close()


@settings(max_examples=80, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 9), lag=st.sampled_from([0.0, 0.5, 4.0]))
def test_whatever_the_watches_suffer_the_store_is_what_the_server_has(steps: list[Any], seed: int, lag: float) -> None:
    run_virtual(check(steps, seed, lag))
