"""A whole rollout in one event loop: embedded cluster, modelled mesh, and real controllers, in virtual time or not.

The oracle judges every write when the block ends: a test that runs a rollout cannot forget it.

async with Simulation(rng) as sim:
    await sim.start_app(Release("1"), Release("2", errors=20))
    await sim.apply(sim.canary(stable="1", canary="2"))
    await sim.until(lambda: sim.phase() == "RolledBack")
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from canary.api.canary import CanaryStatus
from canary.api.names import API_VERSION, CONTROLLER_MANAGER, KIND
from canary.controller.app import Controller, Settings
from canary.controller.telemetry import Telemetry
from canary.controller.watches import CANARIES
from canary.core.state import State, decode_state
from canary.kube.client import Client, PatchKind
from canary.kube.clock import Clock, LoopClock
from canary.metrics.smi_source import SmiSource
from canary.metrics.sources import Offer, Sources
from canary.sandbox import managed_app
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.app import App, Release
from canary.sandbox.autoscaling import Utilization
from canary.sandbox.embedded import EmbeddedCluster, Mesh
from canary.sandbox.judges import JudgeUnavailable, consistent
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.sandbox.oracle import FRESH, Oracle
from canary.sandbox.process import Process
from canary.sandbox.process_loop import ProcessClock, ProcessLoop
from canary.sandbox.virtual_time import VirtualLoop

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
POLL = 0.25
"""Seconds between two looks of `until`."""


class TimedOut(AssertionError):
    """What was waited for did not come; the message holds the last state."""


@dataclass(slots=True)
class Simulation:
    """One application, one Canary, and any number of controllers. `rate` is its traffic in requests per second.

    `blind` is the oracle's; see there. `latency` gives the seconds of each way of a controller's request, and `lag` how
    far behind the front end of the API server is that it opens a watch at. `judged` is whether what Argo CD, Flux and
    kubectl would make of each status is looked at, too, and `skewed` whether the clocks of processes disagree.
    `autoscaling` is the cluster's; see there.
    """

    rng: random.Random
    clock: Clock = field(default_factory=lambda: LoopClock(EPOCH))
    app: App = field(default_factory=App)
    rate: float = 200.0
    model_seed: int | None = None
    leader_elect: bool = False
    telemetry: Telemetry | None = None
    blind: float = FRESH
    latency: Callable[[], float] | None = None
    lag: Callable[[], float] | None = None
    judged: bool = True
    skewed: bool = False
    autoscaling: Utilization | None = None
    cluster: EmbeddedCluster = field(init=False)
    judgement: Oracle = field(init=False)
    processes: list[Process] = field(default_factory=list, init=False)
    _born: list[Process] = field(default_factory=list, init=False)

    async def __aenter__(self) -> Simulation:
        if isinstance(self.clock, LoopClock):
            # The world's time, also where a process with clocks of its own looks at it.
            self.clock = LoopClock(EPOCH, asyncio.get_running_loop())
        self.cluster = EmbeddedCluster(
            self.clock,
            self.rng,
            mesh=Mesh.MODELLED,
            start_delay=1.0,
            model_seed=self.model_seed,
            autoscaling=self.autoscaling,
        )
        await self.cluster.__aenter__()
        await self.cluster.apply(self.app.namespace_manifest())
        return self

    async def __aexit__(self, *args: object) -> None:
        for process in self._born:
            await process.bury()
        await self.cluster.__aexit__(*args)
        if args[0] is None:
            self.judgement = self.oracle()
            self.judgement.check()
            contradictions = self.contradictions() if self.judged else []
            assert not contradictions, "\n".join(contradictions)
            complaints = [f"{process.identity}: {words}" for process in self._born for words in process.complaints]
            assert not complaints, "\n".join(complaints)

    def oracle(self) -> Oracle:
        """The invariants, judged over every write so far."""
        judge = Oracle(
            self.app.namespace,
            self.app.name,
            self.app.name,
            self.blind,
            self.cluster.server.answered,
            self.skewed,
            frozenset(process.identity for process in self._born),
        )
        return judge.feed(self.cluster.server.commits)

    def contradictions(self) -> list[str]:
        """What Argo CD, Flux and `kubectl wait` would get wrong of any status that was written.

        They need lupa, which comes with the development requirements: nothing is judged without it.
        """
        found: dict[str, None] = {}
        judged: set[bytes] = set()
        for commit in self.cluster.server.commits.of("canaries", self.app.namespace, self.app.name):
            if commit.new is None:
                continue
            # The default that readers see is not stored.
            seen = {"status": {"observedGeneration": -1}, **commit.new}
            key = msgspec.json.encode([commit.new["metadata"].get("generation"), _judged_part(seen["status"])])
            if key not in judged:
                judged.add(key)
                with suppress(JudgeUnavailable):
                    found |= dict.fromkeys(f"status at {commit.monotonic:.2f} s: {word}" for word in consistent(seen))
        return list(found)

    async def start_app(self, *releases: Release) -> None:
        """Run these releases; the root Service selects the first one."""
        await self.cluster.apply(*self.services(*releases), *map(self.app.deployment, releases))
        await self.cluster.ready(self.app.namespace, *(self.app.backend(release.version) for release in releases))

    def services(self, *releases: Release) -> list[dict[str, Any]]:
        """The root Service, which selects the first release, and the Service of each."""
        return [self.app.root(releases[0], rate=self.rate), *map(self.app.service, releases)]

    def canary(self, stable: str, canary: str, **overrides: Any) -> dict[str, Any]:
        """A Canary between two releases with short steps; `overrides` replace fields of the spec."""
        spec: dict[str, Any] = {
            "backends": {"stable": self.app.backend(stable), "canary": self.app.backend(canary)},
            "service": {"name": self.app.name},
            "traffic": {"settle": "2s"},
            "steps": [{"weight": 10, "hold": "30s"}, {"weight": 50, "hold": "30s"}, {"weight": 100, "hold": "30s"}],
            "analysis": {"interval": "10s", "warmup": "5s"},
        }
        metadata = {"name": self.app.name, "namespace": self.app.namespace}
        return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": {**spec, **overrides}}

    async def start_managed(
        self,
        release: Release,
        *manifests: dict[str, Any],
        replicas: int | None = 3,
        root: bool = True,
        manager: str = "",
        **deployment: Any,
    ) -> None:
        """Run one Deployment behind a root Service, as before anybody thought of canaries; `manifests` go first.

        With `root` false there is no root Service. `manager` applies the Deployment, and does not force it. The rest
        is as in `managed_app.deployment`.
        """
        service = [managed_app.root(self.app, rate=self.rate)] if root else []
        workload = managed_app.deployment(self.app, release, replicas=replicas, **deployment)
        await self.cluster.apply(*manifests, *service)
        await self.cluster.apply(workload, manager=manager)
        await self.cluster.ready(self.app.namespace, self.app.name)

    def managed_canary(self, **overrides: Any) -> dict[str, Any]:
        """A Canary of that Deployment with short steps; `overrides` replace fields of the spec."""
        return managed_app.canary(self.app, **overrides)

    async def release(self, release: Release, *, manager: str = "", **deployment: Any) -> None:
        """Push a new pod template, as Git or a person does; `manager` does not force it. See `managed_app.deployment`.

        Raises `Conflict`.
        """
        await self.cluster.apply(managed_app.deployment(self.app, release, **deployment), manager=manager)

    async def apply(self, *manifests: dict[str, Any]) -> None:
        await self.cluster.apply(*manifests)

    def start(self, identity: str = "one", *, rate: float = 1.0, wall_offset: float = 0.0) -> Process:
        """Start a controller process; `identity` is the user agent of its requests, the rest is about its clocks.

        In virtual time it has a loop of its own, and a monotonic clock that starts anywhere, as clocks do.
        """
        host = asyncio.get_running_loop()
        loop = ProcessLoop(host, rate=rate, origin=1000.0 * len(self._born)) if isinstance(host, VirtualLoop) else None
        clock = ProcessClock(loop, EPOCH, wall_offset) if loop else self.clock
        transport = DirectTransport(
            self.cluster.server, user_agent=identity, latency=self.latency, lag=self.lag, home=host
        )
        client = Client(transport, clock=clock, rng=self.rng, field_manager=CONTROLLER_MANAGER)
        controller = Controller(
            Settings(identity=identity, leader_elect=self.leader_elect, lease_namespace=self.app.namespace),
            client,
            Sources({"SMI": Offer(SmiSource(client, clock=clock))}),
            clock=clock,
            rng=random.Random(self.rng.random()),
            telemetry=self.telemetry,
        )
        process = Process(identity, controller, client, transport, clock, loop)
        self.processes.append(process)
        self._born.append(process)
        return process

    async def annotate(self, **annotations: str | None) -> None:
        """Set annotations of the Canary as a person would; `command="…"` sets `canary.delivery/command`."""
        named = {f"canary.delivery/{key}": value for key, value in annotations.items()}
        patch = {"metadata": {"annotations": named}}
        await self.cluster.client.patch(CANARIES, self.app.name, patch, self.app.namespace)

    async def patch_split(self, patch: dict[str, Any], *, manager: str = "kubectl-edit") -> None:
        """Change the split as another program would."""
        client = self.cluster.client_for(manager)
        await client.patch(TRAFFIC_SPLITS, self.app.name, patch, self.app.namespace, kind=PatchKind.MERGE)

    def object(self, plural: str, name: str = "") -> dict[str, Any] | None:
        """The Canary (`canaries`), the split (`trafficsplits`) or another object as stored, or `None`.

        Without a `name` it is the application's.
        """
        for commit in reversed(self.cluster.server.commits.of(plural, self.app.namespace, name or self.app.name)):
            return commit.new
        return None

    def state(self) -> State | None:
        """What the split's annotation says."""
        split = self.object("trafficsplits")
        return decode_state(split["metadata"].get("annotations", {}).get("canary.delivery/state")) if split else None

    def status(self) -> CanaryStatus:
        canary = self.object("canaries") or {}
        return msgspec.convert(canary.get("status", {}), CanaryStatus)

    def phase(self) -> str:
        """The phase in the split's state; empty without one."""
        state = self.state()
        return state.phase.value if state else ""

    def weights(self) -> dict[str, int]:
        """The backends of the split as they are now."""
        split = self.object("trafficsplits")
        return {b["service"]: b["weight"] for b in split["spec"]["backends"]} if split else {}

    def events(self) -> list[tuple[str, str]]:
        """Reason and note of every event that was created, in order."""
        commits = self.cluster.server.commits.of("events", self.app.namespace)
        created = [c.new for c in commits if c.new is not None and c.old is None]
        return [(event["reason"], event.get("note") or event.get("message", "")) for event in created]

    async def until(self, reached: Callable[[], bool], timeout: float = 600.0) -> None:
        """Wait until `reached`. Raises `TimedOut` after `timeout` seconds, and what a controller died of."""
        deadline = self.clock.monotonic() + timeout
        while not reached():
            for process in self.processes:
                if process.task.done() and not process.task.cancelled() and process.task.exception():
                    process.task.result()
            if self.clock.monotonic() >= deadline:
                raise TimedOut(f"after {timeout:g} s: state {self.state()}, status {self.status()}")
            await self.clock.sleep(POLL)


def _judged_part(status: dict[str, Any]) -> dict[str, Any]:
    """The parts of a status that a judge looks at."""
    return {key: status.get(key) for key in ("observedGeneration", "phase", "canaryWeight", "conditions")}
