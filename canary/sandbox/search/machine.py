"""Runs the real controller of one process from call to call.

A coroutine cannot be copied, so a look that is under way is played again from its beginning with the answers it had.
That gives the same calls each time, because nothing in it depends on anything else; what came of it is remembered, and
the first continuation of each look goes on with the coroutine that is already there.
"""

from __future__ import annotations

import random
import types
from collections.abc import AsyncIterator, Coroutine, Generator, Mapping
from contextlib import AbstractAsyncContextManager
from copy import copy
from dataclasses import dataclass
from dataclasses import replace as replaced
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple, cast

import msgspec
from msgspec.structs import replace

from canary.api.canary import Canary
from canary.api.kinds import EndpointSlice, Service, TrafficSplit
from canary.api.meta import ObjectMeta
from canary.controller.act import Actor, WriteFailed
from canary.controller.managed.deeds import Deeds
from canary.controller.managed.keeper import Keeper
from canary.controller.managed.kinds import ManagedKinds
from canary.controller.managed.manifests import Manifests
from canary.controller.pods import PodIndex
from canary.controller.reconcile import Reconciler
from canary.controller.report import Reporter
from canary.controller.session import Session
from canary.controller.telemetry import Silent
from canary.controller.world import World as Caches
from canary.core.window import Reading
from canary.kube.client import Client, Page
from canary.kube.errors import Ambiguous, KubeError
from canary.kube.store import Store
from canary.kube.token_bucket import Rate, TokenBucket
from canary.kube.transport import MAX_BODY, Response, Transport
from canary.metrics.sources import Sources
from canary.sandbox.search import server
from canary.sandbox.search.values import EPOCH, LOST, TICK, Answer, Kept, Process, Request, Run
from canary.traffic.fence import Fence
from canary.traffic.versions import Served

KEY = (server.NAMESPACE, server.NAME)
REVISIONS = 3
UNLIMITED = Rate(burst=1000.0, per_second=1000.0)
"""Processes that wait for their turn take it later: time stands still here, so nobody waits."""


class Outcome(NamedTuple):
    """What a look came to: the call that it waits for, or what the process keeps when it is over."""

    request: Request | None
    kept: Kept | None


class Machine:
    """Plays looks. One machine serves a whole search; it holds nothing that an answer depends on."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Kept, Run], Outcome] = {}
        self._waiting: dict[tuple[str, Kept, Run], _Look] = {}
        self._static = {number: _slices(number) for number in range(1, REVISIONS + 1)}
        self._services = _services()
        self._pods = _pods(Client(_Wire(), clock=_Clock(0), rng=random.Random(0)))
        self.played = 0

    def newborn(self, clock: int) -> Kept:
        """What a process keeps that has just started."""
        now = clock * TICK
        return _kept(Session(KEY, server.CANARY_UID, now, status_written_at=now), 0)

    def outcome(self, process: Process, run: Run) -> Outcome:
        """Where `run` stands after the answers it has had."""
        key = process.identity, process.kept, run
        found = self._known.get(key)
        if found is None:
            look = self._continued(key) or self._begun(process, run)
            found = self._known[key] = look.outcome()
            if found.request is not None:
                self._waiting[key] = look
        return found

    def _continued(self, key: tuple[str, Kept, Run]) -> _Look | None:
        identity, kept, run = key
        if not run.answers:
            return None
        before = replace(run, answers=run.answers[:-1])
        look = self._waiting.pop((identity, kept, before), None)
        if look is not None:
            look.give(*run.answers[-1])
        return look

    def _begun(self, process: Process, run: Run) -> _Look:
        self.played += 1
        look = _Look(process, run, self._pods, self._services, self._static[run.seen.revision])
        for moment, answer in run.answers:
            look.give(moment, answer)
        return look


class _Look:
    """One controller, wired to calls that wait for `give`."""

    def __init__(
        self, process: Process, run: Run, pods: PodIndex, services: Store[Service], slices: Store[EndpointSlice]
    ) -> None:
        self._clock = _Clock(run.began)
        self._process = process
        self._asked: Request | None = None
        self._sent = process.kept.attempts
        self.session = replaced(
            process.kept.session, removed=set(process.kept.session.removed), takeovers=TokenBucket(UNLIMITED)
        )
        rng = random.Random(0)
        client = Client(_Wire(), clock=self._clock, rng=rng)
        manifests = Manifests(self._clock)
        caches = Caches(pods, lambda *_: True, lambda _: True, lambda _: True, manifests, lambda _: True)
        caches.services, caches.slices = services, slices
        caches.canaries.source().replace([_canary(run.seen.canary)])
        caches.splits.source().replace([] if run.seen.split is None else [_split(run.seen.split)])
        fence = Fence(client, writer=process.identity, clock=self._clock)
        fence._attempts = count(process.kept.attempts + 1)
        kinds = ManagedKinds()
        deeds = Deeds(client, manifests, caches.splits)
        telemetry, around = Silent(), cast(Any, _Around(run.readings))
        actor = Actor(caches, fence, client, clock=self._clock, telemetry=telemetry, verify=_always)
        self._reconciler = Reconciler(
            world=caches, watches=around, actor=actor, reporter=Reporter(client, around), discovery=around,
            groups=around, sources=Sources({}), queue=around, reports=around, works=around, telemetry=telemetry,
            rng=rng,
            keeper=Keeper(caches, deeds, actor, client, kinds, Reporter(client, around)),
            kinds=kinds,
        )  # fmt: skip
        self._reconciler.sessions[KEY] = self.session
        self._coroutine: Coroutine[Request, Answer | None, None] = self._play(has_news=bool(run.readings))
        self._resume(None)

    async def _play(self, *, has_news: bool) -> None:
        if has_news:
            self._reconciler.on_reading(KEY)
        try:
            await self._reconciler(KEY)
            await self._reconciler.report(KEY)
        except (WriteFailed, KubeError):
            return  # the queue would bring it back, and so does the next look

    def give(self, moment: int, answer: Answer) -> None:
        """The answer to the call that is waited for comes at this step of time."""
        self._clock.at = moment
        self._resume(answer)

    def _resume(self, answer: Answer | None) -> None:
        try:
            self._asked = self._coroutine.send(answer)
            self._sent += self._asked.method in ("POST", "PUT")
        except StopIteration:
            self._asked = None

    def outcome(self) -> Outcome:
        if self._asked is not None:
            return Outcome(self._asked, None)
        return Outcome(None, _kept(self.session, self._sent, lags=self._process.view is not None))


def _kept(session: Session, attempts: int, *, lags: bool = False) -> Kept:
    """What matters of a session. `lags`: its Canary may still be the one over which it has written the status.

    The spec never changes in a search, every endpoint is known, nobody looks at events, and a status is never
    refreshed for its words alone: so nothing else of a session can make a difference.
    """
    session = copy(session)
    session.finding, session.backends, session.told = None, frozenset(), session.told if lags else None
    told = session.told and (session.told.over, session.told.made, session.told.status)
    key = msgspec.msgpack.encode((session.memory, session.epoch, told, sorted(session.removed), session.write_problem))
    return Kept(key, attempts, session)


@dataclass(slots=True)
class _Clock:
    """A clock that stands still between two answers."""

    at: int

    def monotonic(self) -> float:
        return self.at * TICK

    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH + self.at * TICK, UTC)

    async def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing waits in the middle of a look: {seconds} s")


@types.coroutine
def _ask(request: Request) -> Generator[Request, Answer, Answer]:
    return (yield request)


class _Wire(Transport):
    """Every request is given to whoever plays the look."""

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
        answer = await _ask(Request(method, path, body or b""))
        if answer.status == LOST:
            raise Ambiguous("the answer did not come")
        return Response(answer.status, answer.body)

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise AssertionError("a search has no watches")

    async def close(self) -> None: ...


class _Around:
    """Watches, queues, metrics groups, discovery and events, as far as a look calls them."""

    def __init__(self, readings: tuple[Reading, ...]) -> None:
        self._readings = readings

    def take(self, _: object) -> tuple[Reading, ...]:
        return self._readings

    async def served(self) -> Served:
        return Served(("v1alpha4",), "v1alpha4", "v1alpha4")

    async def version(self, *_: object, **__: object) -> str:
        return "v1alpha4"

    def add(self, *_: object) -> None: ...
    def add_after(self, *_: object) -> None: ...
    def invalidate(self) -> None: ...
    def record(self, _: object) -> None: ...
    def set_names(self, *_: object) -> None: ...

    def set_managed(self, *_: object) -> None: ...
    def subscribe(self, *_: object) -> None: ...
    def unsubscribe(self, _: object) -> None: ...


async def _always() -> bool:
    """Both processes believe that they hold the Lease, all the time."""
    return True


def _canary(body: bytes) -> Canary:
    return msgspec.json.decode(body, type=Canary)


def _split(body: bytes) -> TrafficSplit:
    return msgspec.json.decode(body, type=TrafficSplit)


def _services() -> Store[Service]:
    store: Store[Service] = Store()
    spec = {"clusterIP": "10.0.0.1", "ports": [{"port": 80}]}
    names = {server.ROOT: "any", server.STABLE: "stable", server.TRIAL: "trial"}
    found = [
        msgspec.convert(
            {
                "metadata": msgspec.to_builtins(ObjectMeta(name=name, namespace=server.NAMESPACE, uid=name)),
                "spec": spec | {"selector": {"app": label}},
            },
            Service,
        )
        for name, label in names.items()
    ]
    store.source().replace(found)
    return store


def _slices(revision: int) -> Store[EndpointSlice]:
    caches = Caches(
        cast(Any, None), lambda *_: True, lambda _: True, lambda _: True, Manifests(_Clock(0)), lambda _: True
    )
    page = msgspec.json.decode(server.slices(revision), type=Page[EndpointSlice])
    caches.slices.source().replace(page.items or ())
    return caches.slices


def _pods(client: Client) -> PodIndex:
    """The pods of every revision, listed as a controller lists them."""
    index = PodIndex(client)
    for service in _services():
        coroutine = index.refresh(service)
        coroutine.send(None)
        try:
            coroutine.send(Answer(200, server.pods(REVISIONS)))
        except StopIteration:
            continue
        raise AssertionError("one list of pods is one call")
    return index
