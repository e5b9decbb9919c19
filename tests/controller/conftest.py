"""A rollout in virtual time, with the wire between each controller and the API server in the test's hands."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from canary.controller.watches import CANARIES
from canary.core.state import State, decode_state
from canary.kube.resources import DEPLOYMENTS
from canary.kube.transport import Response, Transport
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.apiserver.faults import Faults
from canary.sandbox.apiserver.request import Request, parse_target, verb_of
from canary.sandbox.app import Release
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.sandbox.simulation import Process, Simulation
from canary.sandbox.virtual_time import VirtualLoop

STATE = "canary.delivery/state"
OWNER = "canary.delivery/owner"
SEVERE = {
    "interval": "10s",
    "warmup": "5s",
    "metrics": [{"name": "success-rate", "min": "99", "rollbackAt": "90"}],
}
"""An analysis in which the first breached window of a release with 20 % errors ends the rollout."""


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Every asynchronous test of this directory runs in virtual time."""
    return {"virtual": VirtualLoop}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Faults are injected by the thousand: their log lines would drown a failure."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: when it left, what it was (`update trafficsplits`, `patch canaries/status`), and its path."""

    at: float
    what: str
    path: str

    @property
    def writes(self) -> bool:
        return self.what.split(" ")[0] in ("create", "update", "patch", "delete")


Meet = Callable[[Sent], Awaitable[None]]


async def _let_pass(_: Sent) -> None: ...


@dataclass(slots=True, eq=False)
class Wire:
    """The connection of one process: it keeps what was sent and watched; `before` and `after` meet each request."""

    inner: Transport
    now: Callable[[], float]
    sent: list[Sent] = field(default_factory=list)
    watched: list[Sent] = field(default_factory=list)
    before: Meet = _let_pass
    after: Meet = _let_pass
    flowing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.flowing.set()

    def freeze(self) -> None:
        """As SIGSTOP: nothing leaves and nothing is heard until `thaw`."""
        self.flowing.clear()

    def thaw(self) -> None:
        self.flowing.set()

    def since(self, at: float) -> list[str]:
        """What was sent from a moment on."""
        return [sent.what for sent in self.sent if sent.at >= at]

    async def request(self, method: str, path: str, **options: Any) -> Response:
        sent = Sent(self.now(), _what(method, path, options.get("query")), path)
        self.sent.append(sent)
        await self.flowing.wait()
        await self.before(sent)
        await self.flowing.wait()
        answer = await self.inner.request(method, path, **options)
        await self.after(sent)
        await self.flowing.wait()
        return answer

    @asynccontextmanager
    async def stream(self, path: str, **options: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        self.watched.append(Sent(self.now(), _what("GET", path, options.get("query")), path))
        await self.flowing.wait()
        async with self.inner.stream(path, **options) as lines:
            yield self._flow(lines)

    async def _flow(self, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for line in lines:
            await self.flowing.wait()
            yield line

    async def close(self) -> None:
        await self.inner.close()


def _what(method: str, path: str, query: Mapping[str, str] | None) -> str:
    target = parse_target(path)
    if target is None:
        return f"{method.lower()} {path}"
    verb = verb_of(Request(method, path, dict(query or {})), target)
    return f"{verb} {target.plural}{'/' if target.subresource else ''}{target.subresource}"


class Rollout(Simulation):
    """A simulation whose processes talk over wires."""

    wires: dict[str, Wire]

    @property
    def faults(self) -> Faults:
        return self.cluster.server.faults

    def now(self) -> float:
        return self.clock.monotonic()

    def start(self, identity: str = "one") -> Process:
        process = super().start(identity)
        wire = Wire(process.client.transport, self.now)
        process.client.transport = wire
        self.wires = {**getattr(self, "wires", {}), identity: wire}
        return process

    def process(self, identity: str) -> Process:
        """The newest process of that name."""
        return next(p for p in reversed(self.processes) if p.controller.settings.identity == identity)

    async def kill(self, identity: str) -> None:
        """End a process as SIGKILL would and forget it."""
        process = self.process(identity)
        process.kill()
        self.processes.remove(process)
        await asyncio.sleep(0)

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)

    async def delete_canary(self, cascade: str = "Background", name: str = "podinfo") -> None:
        await self.cluster.client.delete(CANARIES, name, self.app.namespace, propagation=cascade)

    async def delete_split(self) -> None:
        await self.cluster.client.delete(TRAFFIC_SPLITS, self.app.name, self.app.namespace)

    async def new_revision(self, version: str = "2", mark: str = "anew") -> None:
        """Change the pod template of a release, as a rebuilt image does."""
        patch = {"spec": {"template": {"metadata": {"labels": {"build": mark}}}}}
        await self.cluster.client.patch(DEPLOYMENTS, self.app.backend(version), patch, self.app.namespace)

    async def scale(self, version: str, replicas: int) -> None:
        patch = {"spec": {"replicas": replicas}}
        await self.cluster.client.patch(DEPLOYMENTS, self.app.backend(version), patch, self.app.namespace)

    async def strip_finalizers(self) -> None:
        patch = {"metadata": {"finalizers": None}}
        await self.cluster.client.patch(CANARIES, self.app.name, patch, self.app.namespace)

    async def weight(self, weight: int, timeout: float = 120.0) -> None:
        """Wait until the canary has this weight by the state."""
        await self.until(lambda: (state := self.state()) is not None and state.weight == weight, timeout)

    async def reach(self, *phases: str, timeout: float = 300.0) -> None:
        await self.until(lambda: self.phase() in phases, timeout)

    async def told(self, timeout: float = 30.0) -> None:
        """Wait until the status has followed the split."""
        await self.until(lambda: self._recorded() == (self.state() or State()).seq, timeout)

    def _recorded(self) -> int:
        record = self.status().record
        return record.seq if record else 0

    def splits(self) -> tuple[Commit, ...]:
        return self.cluster.server.commits.of("trafficsplits", self.app.namespace)

    def states(self) -> list[State]:
        """Every state that the split has had, each once."""
        found: list[State] = []
        for commit in self.splits():
            state = state_of(commit)
            if state is not None and (not found or state.id != found[-1].id):
                found.append(state)
        return found

    def moment(self, phase: str) -> float:
        """When the split's state first said this phase."""
        return next(c.monotonic for c in self.splits() if (s := state_of(c)) is not None and s.phase == phase)

    def shares(self, service: str = "podinfo-v2") -> list[int]:
        """The weights that a Service has had, repetitions left out."""
        found: list[int] = []
        for commit in self.splits():
            weight = weight_in(commit, service)
            if not found or weight != found[-1]:
                found.append(weight)
        return found

    def by(self, *identities: str) -> list[Commit]:
        """What these processes have written."""
        return [c for c in self.cluster.server.commits if c.user_agent in identities]

    def reasons(self) -> list[str]:
        return [reason for reason, _ in self.events()]


def state_of(commit: Commit) -> State | None:
    annotations = (commit.new or {}).get("metadata", {}).get("annotations") or {}
    return decode_state(annotations.get(STATE))


def weight_in(commit: Commit, service: str) -> int:
    backends = commit.new["spec"].get("backends", ()) if commit.new else ()
    return sum(backend["weight"] for backend in backends if backend["service"] == service)


Build = Callable[..., AbstractAsyncContextManager[Rollout]]


@pytest.fixture
def rollout() -> Build:
    """Builds a rollout from podinfo-v1 to podinfo-v2 with the named processes; `spec` replaces fields of the Canary's.

    `severe` ends it at the first breached window; `errors` is the percentage of the new release.
    """

    @asynccontextmanager
    async def build(
        *, errors: float = 0.0, processes: tuple[str, ...] = ("one",), seed: int = 1, leader_elect: bool = False,
        severe: bool = False, applied: bool = True, rate: float = 200.0, **spec: Any,
    ) -> AsyncIterator[Rollout]:  # fmt: skip
        if severe:
            spec.setdefault("analysis", SEVERE)
        async with Rollout(random.Random(seed), leader_elect=leader_elect, rate=rate) as sim:
            await sim.start_app(Release("1"), Release("2", errors=errors))
            if applied:
                await sim.apply(sim.canary("1", "2", **spec))
            for identity in processes:
                sim.start(identity)
            yield sim

    return build


QUICK = {
    "steps": [{"weight": 20, "hold": "10s"}, {"weight": 60, "hold": "10s"}],
    "analysis": {"interval": "5s", "warmup": "2s"},
    "progressDeadline": "1m",
}
"""A rollout of a Deployment that takes a minute."""


class Managed(Rollout):
    """A simulation of one Deployment and its copy."""

    def deployment(self, name: str = "podinfo") -> dict[str, Any]:
        """A Deployment as stored. Raises `AssertionError` when there is none."""
        found = self.object("deployments", name)
        assert found is not None, f"there is no Deployment {name}"
        return found

    def replicas(self, name: str = "podinfo") -> int:
        return int(self.deployment(name)["spec"].get("replicas", 1))

    def image(self, name: str = "podinfo") -> str:
        """The tag of the image that a Deployment runs."""
        container = self.deployment(name)["spec"]["template"]["spec"]["containers"][0]
        return str(container["image"]).partition(":")[2]

    def selector(self, name: str = "podinfo") -> str:
        """Which pods a Service selects."""
        found = self.object("services", name)
        assert found is not None, f"there is no Service {name}"
        return str(found["spec"]["selector"]["app"])

    def ours(self) -> list[str]:
        """Everything there is that bears our mark, as plural and name."""
        found: dict[tuple[str, str], dict[str, Any] | None] = {}
        for commit in self.cluster.server.commits:
            if commit.namespace == self.app.namespace:
                found[commit.plural, commit.name] = commit.new
        marked = [key for key, obj in found.items() if obj and OWNER in (obj["metadata"].get("annotations") or {})]
        return [" ".join(key) for key in marked]

    async def onboarded(self) -> None:
        await self.reach("Idle", timeout=60.0)
        await self.told()

    async def promoted(self) -> None:
        await self.reach("Promoted", timeout=200.0)

    async def gone(self, timeout: float = 200.0) -> None:
        """Wait until the Canary is gone."""
        await self.until(lambda: self.object("canaries") is None, timeout)

    async def patch_target(self, patch: dict[str, Any], name: str = "podinfo", manager: str = "kubectl") -> None:
        client = self.cluster.client_for(manager)
        await client.patch(DEPLOYMENTS, name, patch, self.app.namespace)


ManagedBuild = Callable[..., AbstractAsyncContextManager[Managed]]


@pytest.fixture
def managed() -> ManagedBuild:
    """Builds a Deployment of release 1 behind a root Service, its Canary, and the named processes.

    `extras` are manifests that go first, `deployment` options of its manifest; `manager` applies the Deployment, and
    does not force it. `spec` replaces fields of the Canary's.
    """

    @asynccontextmanager
    async def build(
        *extras: dict[str, Any], processes: tuple[str, ...] = ("one",), seed: int = 1, replicas: int | None = 3,
        root: bool = True, manager: str = "", applied: bool = True, deployment: dict[str, Any] | None = None,
        **spec: Any,
    ) -> AsyncIterator[Managed]:  # fmt: skip
        async with Managed(random.Random(seed)) as sim:
            options = {"replicas": replicas, "root": root, "manager": manager, **(deployment or {})}
            await sim.start_managed(Release("1"), *extras, **options)
            if applied:
                await sim.apply(sim.managed_canary(**{**QUICK, **spec}))
            for identity in processes:
                sim.start(identity)
            yield sim

    return build


@pytest.fixture
def bare() -> Callable[[], Managed]:
    """A simulation in which nothing has been applied."""
    return lambda: Managed(random.Random(1))
