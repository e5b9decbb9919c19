"""Whatever the server, the network and the users do: in the end the store is what the server has.

On the way: versions go back, and objects come back, only with a list that truly says so; and whoever listens to the
store knows at every moment what is in it.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from canary.api.kinds import Service
from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.resources import SERVICES
from canary.kube.store import Key, Store
from canary.kube.transport import Response
from canary.kube.watch import Empty, Reflector, Watching
from canary.sandbox.virtual_time import run_virtual

TOO_LARGE = b'{"reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}}'
FAULTS: list[Exception | Response] = [
    Unreachable("refused"),
    Ambiguous("reset"),
    Response(400, b"{}"),
    Response(403, b"{}"),
    Response(404, b"{}"),
    Response(410, b"{}"),
    Response(429, b"{}", {"retry-after": "3"}),
    Response(500, b"<html>"),
    Response(504, TOO_LARGE),
    Response(200, b"<html>"),
]
UNREADABLE = 7
IPS = ["10.0.0.1", "10.0.0.2", ""]
NAMESPACES, NAMES = st.sampled_from(["one", "two"]), st.sampled_from("abc")


def writes() -> list[Any]:
    """Made anew each time: a choice that is given twice counts once."""
    return [
        st.tuples(st.just("put"), NAMESPACES, NAMES, st.sampled_from([*IPS, UNREADABLE]), st.booleans()),
        st.tuples(st.just("delete"), NAMESPACES, NAMES),
        st.tuples(st.just("recreate"), NAMESPACES, NAMES),
    ]


OPS = st.one_of(
    *writes(),
    *writes(),
    st.tuples(st.sampled_from(["bookmark", "again", "expire", "compact", "cut", "break", "freeze", "garbage"])),
    st.tuples(st.sampled_from(["hold", "swap", "release"])),
    st.tuples(st.sampled_from(["stale", "restore"]), st.integers(1, 4)),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("replace watch"), st.integers(0, 1), st.sampled_from([0, 1, 5])),
)
STEPS = st.lists(st.tuples(OPS, st.sampled_from([0.0, 0.005, 0.011, 0.3, 2.0, 12.0, 80.0])), min_size=5, max_size=40)
SELECTED = "app=web"


def recreate(server: Any, namespace: str, name: str) -> None:
    server.delete(namespace, name)
    server.put(namespace, name)


def put(server: Any, namespace: str, name: str, ip: Any, web: bool) -> None:
    server.put(namespace, name, spec={"clusterIP": ip}, labels={"app": "web"} if web else {})


def expire(server: Any) -> None:
    server.compact()
    server.error(410)


DEEDS: dict[str, Callable[..., Any]] = {
    "put": put,
    "delete": lambda server, namespace, name: server.delete(namespace, name),
    "recreate": recreate,
    "expire": expire,
    "break": lambda server: server.cut(Unreachable("reset")),
    "freeze": lambda server: server.streams.clear(),
    "garbage": lambda server: server.raw(b'{"type":"ADDED","object":{"metadata":"torn'),
    "fault": lambda server, fault: server.faults.append(fault),
    "stale": lambda server, commits: setattr(server, "stale", commits),
    "restore": lambda server, commits: server.restore(commits),
}


def apply(server: Any, name: str, *details: Any) -> None:
    """Do what an op says: a deed, or else what the server can do by that name."""
    if name in DEEDS:
        DEEDS[name](server, *details)
    else:
        getattr(server, name)()


def versions(objects: Any) -> dict[Key, tuple[str, str]]:
    """Uid and version by key, of objects as JSON."""
    metas = [obj["metadata"] for obj in objects]
    return {(meta["namespace"], meta["name"]): (meta["uid"], meta["resourceVersion"]) for meta in metas}


def held(store: Store[Service]) -> dict[Key, tuple[str, str]]:
    """Uid and version by key, of what is in a store."""
    metas = [obj.metadata for obj in store]
    return {(meta.namespace, meta.name): (meta.uid, meta.resource_version) for meta in metas}


class Wire:
    """The way of one reflector to the server; `listed` is what the last list said, as of the version it told."""

    def __init__(self, server: Any, on_list: Callable[[int], None]) -> None:
        self.server, self.on_list = server, on_list
        self.listed: dict[Key, tuple[str, str]] = {}

    async def request(self, method: str, path: str, *, query: Mapping[str, str] | None = None, **more: Any) -> Response:
        answer: Response = await self.server.request(method, path, query=query, **more)
        if answer.status == 200 and answer.body.startswith(b"{"):
            page = json.loads(answer.body)
            found = versions(page["items"])
            self.on_list(int(page["metadata"]["resourceVersion"]))
            self.listed = found if "continue" not in (query or {}) else self.listed | found
        return answer

    def stream(self, path: str, **more: Any) -> Any:
        return self.server.stream(path, **more)

    async def close(self) -> None: ...


class Mirror:
    """What a handler can know; every call must fit what came before, or what a list has just said."""

    def __init__(self, server: Any, store: Store[Service], label: str) -> None:
        self.server, self.store, self.label = server, store, label
        self.withdrawing = False
        self.version = 0
        self.objects: dict[Key, Service] = {}
        self.buried: set[str] = set()
        self.wrong: list[str] = []
        self.watches: list[Watch] = []
        store.subscribe(self.hear)

    def hear(self, key: Key, old: Service | None, new: Service | None) -> None:
        if self.objects.get(key) is not old:
            self.wrong.append(f"{key}: told of another past")
        if old is not None and new is not None and old.metadata.uid != new.metadata.uid:
            self.wrong.append(f"{key}: an object changed its uid")
        if old is not None and new is not None and self.older(new, old) and not self.listed(key, new):
            self.wrong.append(f"{key}: went back in time")
        if new is not None and new.metadata.uid in self.buried and not self.listed(key, new):
            self.wrong.append(f"{key}: came back from the dead")
        if new is None:
            assert old is not None
            self.bury(key, old)
            self.objects.pop(key, None)
        else:
            self.buried.discard(new.metadata.uid)
            self.objects[key] = new

    def rewind(self, version: int) -> None:
        """A list as of `version` is followed by what happened since: also by births that are known to end in death."""
        self.version = version
        self.buried = {uid for uid in self.buried if self.server.dead.get(uid, 0) <= version}

    def bury(self, key: Key, old: Service) -> None:
        uid, there = old.metadata.uid, self.server.objects.get(key)
        died = self.server.dead.get(uid)
        by_list = any(uid != told.get(key, ("", ""))[0] for told in self.lists)
        if died is not None or there is None or there["metadata"]["uid"] != uid:
            if not by_list or (died or 0) <= self.version:
                self.buried.add(uid)
        elif not self.label and not self.withdrawing and not by_list:
            self.wrong.append(f"{key}: is lost")

    def older(self, new: Service, old: Service) -> bool:
        return int(new.metadata.resource_version) <= int(old.metadata.resource_version)

    def listed(self, key: Key, obj: Service) -> bool:
        told = (obj.metadata.uid, obj.metadata.resource_version)
        return any(objects.get(key) == told for objects in self.lists)

    @property
    def lists(self) -> list[dict[Key, tuple[str, str]]]:
        """What is said by the lists that have just ended."""
        return [watch.wire.listed for watch in self.watches if isinstance(watch.reflector.state, Empty)]

    def check(self) -> None:
        assert self.wrong == []
        assert self.objects == dict(zip(self.store.keys(), self.store, strict=True))


class Watch:
    """A reflector that runs, and its way to the server."""

    def __init__(self, mirror: Mirror, rng: random.Random, namespace: str | None, selector: str) -> None:
        clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.wire, self.synced = Wire(mirror.server, mirror.rewind), asyncio.Event()
        self.reflector = Reflector(
            Client(self.wire, clock=clock, rng=rng),
            SERVICES,
            Service,
            mirror.store,
            clock=clock,
            rng=rng,
            namespace=namespace,
            label_selector=selector,
            on_sync=self.synced.set,
        )
        self.task = asyncio.ensure_future(self.reflector.run())


class World:
    """A server, and a store that is fed by a watch of each namespace."""

    def __init__(self, server: Any, namespaces: list[str | None], seed: int, selector: str = "") -> None:
        self.server, self.rng, self.selector = server, random.Random(seed), selector
        self.store: Store[Service] = Store({"ip": lambda obj: [obj.spec.cluster_ip]})
        self.mirror = Mirror(server, self.store, selector.partition("=")[2])
        self.watches = [self.watch(namespace) for namespace in namespaces]
        self.changes: list[asyncio.Future[None]] = []
        self.changing = asyncio.Lock()

    def watch(self, namespace: str | None) -> Watch:
        watch = Watch(self.mirror, self.rng, namespace, self.selector)
        self.mirror.watches.append(watch)
        return watch

    async def replace_watch(self, number: int, turns: int) -> None:
        """Put another watch in the place of one, as somebody does whose selector changes."""
        async with self.changing:
            number %= len(self.watches)
            old = self.watches[number]
            new = self.watches[number] = self.watch(old.reflector.namespace)
            await new.synced.wait()
            if turns:
                self.server.release()  # the old watch lags behind, and catches up at the last moment
            for _ in range(turns):
                await asyncio.sleep(0)
            old.task.cancel()
            self.mirror.withdrawing = True
            old.reflector.source.withdraw()
            self.mirror.withdrawing = False
            self.mirror.watches.remove(old)

    async def play(self, steps: list[Any]) -> None:
        for op, pause in steps:
            if op[0] == "replace watch":
                self.changes.append(asyncio.ensure_future(self.replace_watch(*op[1:])))
            else:
                apply(self.server, *op)
            await asyncio.sleep(pause)
            self.mirror.check()
        self.server.release()
        self.server.faults.clear()
        # A list that hangs, the longest pause, a silent watch, and the pause after that.
        await asyncio.sleep((1 + len(self.changes)) * (30 + 33 + 70 + 33))
        assert all(change.done() for change in self.changes)
        if not all(isinstance(watch.reflector.state, Watching) for watch in self.watches):
            await asyncio.sleep(1)  # one reached the end of its life just now, and is opened again
        await asyncio.gather(*self.changes)
        self.check_the_end()

    def check_the_end(self) -> None:
        assert not any(watch.task.done() for watch in self.watches)
        assert all(isinstance(watch.reflector.state, Watching) for watch in self.watches)
        assert self.store.synced
        self.mirror.check()
        there = [obj for obj in self.server.objects.values() if not self.selector or obj["metadata"]["labels"]]
        truth, found = versions(there), held(self.store)
        unreadable = versions(obj for obj in there if obj["spec"].get("clusterIP") == UNREADABLE)
        assert without(found, unreadable) == without(truth, unreadable)
        # Of what cannot be read, the last version that could be read stays, but never of a namesake.
        assert all(found[key][0] == unreadable[key][0] for key in found.keys() & unreadable.keys())
        for ip in IPS:
            assert set(map(id, self.store.indexed("ip", ip))) == {id(o) for o in self.store if o.spec.cluster_ip == ip}


def without(objects: Mapping[Key, Any], others: Mapping[Key, Any]) -> dict[Key, Any]:
    return {key: value for key, value in objects.items() if key not in others}


def play(server: Any, namespaces: list[str | None], steps: list[Any], seed: int, selector: str = "") -> None:
    async def main() -> None:
        await World(server, namespaces, seed, selector).play(steps)

    run_virtual(main())


def a_put(pause: float, ip: Any = "10.0.0.1") -> tuple[tuple[Any, ...], float]:
    return ("put", "one", "a", ip, False), pause


A_DELETE = (("delete", "one", "a"), 0.0)
HOLD, FREEZE, COMPACT = (("hold",), 0.0), (("freeze",), 0.0), (("compact",), 0.3)
# The old watch lags two versions behind when the new one has listed the third.
LATE = [(("bookmark",), 0.3), HOLD, a_put(0.0), (("replace watch", 0, 1), 0.0), a_put(0.0), a_put(0.011)]
# Only the old watch has the object, which is no more.
LEFT = [a_put(0.3), HOLD, A_DELETE, (("replace watch", 0, 0), 0.3)]
# A list shows another object of that name, one that cannot be read.
NAMESAKE = [a_put(0.3), FREEZE, A_DELETE, a_put(0.0, UNREADABLE), COMPACT]

# An API server that lags shows the one that was there before, which could not be read.
OUTLIVED = [
    a_put(0.3, UNREADABLE),
    (("delete", "one", "a"), 0.3),
    a_put(0.3),
    (("stale", 2), 0.0),
    (("expire",), 0.3),
    (("expire",), 12.0),
]


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 9))
@example(steps=OUTLIVED, seed=0)
@example(steps=LATE, seed=0)
@example(steps=LEFT, seed=0)
@example(steps=NAMESAKE, seed=0)
def test_one_watch_of_everything_converges(new_server: type, steps: list[Any], seed: int) -> None:
    play(new_server(), [None], steps, seed)


@settings(max_examples=120, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 9))
def test_a_watch_per_namespace_converges(new_server: type, steps: list[Any], seed: int) -> None:
    play(new_server(), ["one", "two"], steps, seed)


@settings(max_examples=80, deadline=None)
@given(steps=STEPS, seed=st.integers(0, 9))
def test_a_watch_by_label_converges(new_server: type, steps: list[Any], seed: int) -> None:
    play(new_server(), [None], steps, seed, SELECTED)
