"""The controller as one thing: its parts wired together, leading or standing by, until it is told to stop."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import dataclass, field
from functools import partial

import structlog

from canary.api.canary import Canary
from canary.api.kinds import EndpointSlice, Service, TrafficSplit
from canary.api.manifest import Manifest
from canary.api.names import FINALIZER, REPORTING_CONTROLLER
from canary.controller.act import Actor
from canary.controller.managed.deeds import Deeds
from canary.controller.managed.keeper import Keeper
from canary.controller.managed.kinds import ManagedKinds
from canary.controller.managed.manifests import Manifests
from canary.controller.pods import PodIndex
from canary.controller.reconcile import SOON, Reconciler
from canary.controller.report import Reporter
from canary.controller.session import named_root
from canary.controller.telemetry import Silent, Telemetry
from canary.controller.watches import Watches
from canary.controller.world import SERVICE_NAME_LABEL, World
from canary.kube.backoff import Backoff
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.lease import LeaseElector, LeaseTiming
from canary.kube.queue import Workers, WorkQueue
from canary.kube.recorder import EventRecorder
from canary.kube.resources import DEPLOYMENTS, Resource
from canary.kube.store import Key
from canary.metrics.groups import MetricsGroups
from canary.metrics.sources import Sources
from canary.traffic.fence import Fence
from canary.traffic.versions import Discovery

RECONCILE_TIMEOUT = 60.0
DRAIN = 5.0
"""Seconds in which running reconciles may end after SIGTERM; the rest of ten is for events and the Lease."""
FLUSH = 2.0
_log = structlog.get_logger("canary.controller")


@dataclass(frozen=True, slots=True)
class Settings:
    """How one controller process runs. `identity` must be unique across restarts; no namespaces means all."""

    identity: str
    namespaces: tuple[str, ...] = ()
    workers: int = 16
    leader_elect: bool = True
    lease_namespace: str = "default"
    lease_name: str = "canary-controller"
    lease_timing: LeaseTiming = field(default_factory=LeaseTiming)
    track_secrets: bool = False
    """Secrets that opt in count as configuration of the workloads; it needs the right to read and write them."""


class Controller:
    """One controller process. `client` and `source` are its ways to the world; time and chance come in."""

    def __init__(
        self,
        settings: Settings,
        client: Client,
        sources: Sources,
        *,
        clock: Clock,
        rng: random.Random,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.settings = settings
        self._client = client
        self._clock = clock
        self._telemetry = telemetry = telemetry or Silent()
        self.queue = WorkQueue(clock=clock, rng=rng, backoff=Backoff(base=0.2, cap=30.0), on_done=telemetry.worked)
        self.recorder = EventRecorder(
            client, controller=REPORTING_CONTROLLER, instance=settings.identity, clock=clock, rng=rng,
            on_error=lambda name, error: _log.warning("event not posted", event_name=name, error=str(error)),
        )  # fmt: skip
        discovery = Discovery(client)
        self.watches = Watches(
            client, discovery, clock=clock, rng=rng, namespaces=settings.namespaces, on_view=self._view,
            on_splits=self._look_at_all,
            on_error=lambda error: _log.warning("watch failed", error=str(error)),
        )  # fmt: skip
        pods = PodIndex(client)
        self.world = World(
            pods, self.watches.slices_known, self.watches.slices_watched, self.watches.services_known,
            Manifests(clock), self.watches.manifests_known, secrets=settings.track_secrets,
        )  # fmt: skip
        self.elector = self._elector(rng) if settings.leader_elect else None
        fence = Fence(client, writer=settings.identity, clock=clock)
        actor = Actor(self.world, fence, client, clock=clock, telemetry=telemetry, verify=self._verify)
        reporter = Reporter(client, self.recorder)
        kinds = ManagedKinds(secrets=settings.track_secrets)
        deeds = Deeds(client, self.world.manifests, self.world.splits)
        self.groups = MetricsGroups(sources, clock=clock, rng=rng, on_reading=self._reading)
        self.reconciler = Reconciler(
            world=self.world, watches=self.watches, actor=actor, reporter=reporter,
            discovery=discovery, groups=self.groups, sources=sources, queue=self.queue,
            reports=WorkQueue(clock=clock, rng=rng, backoff=Backoff(base=0.2, cap=30.0)),
            works=WorkQueue(clock=clock, rng=rng, backoff=Backoff(base=0.2, cap=30.0)),
            telemetry=telemetry, rng=rng, kinds=kinds,
            keeper=Keeper(self.world, deeds, actor, client, kinds, reporter),
        )  # fmt: skip
        self.workers = Workers(
            self.queue, self._reconcile, count=settings.workers, timeout=RECONCILE_TIMEOUT, on_error=self._on_error
        )
        self.reporters = Workers(
            self.reconciler.reports, self._report, count=settings.workers, timeout=RECONCILE_TIMEOUT,
            on_error=self._on_error,
        )  # fmt: skip
        self.keepers = Workers(
            self.reconciler.works, self._work_on, count=settings.workers, timeout=RECONCILE_TIMEOUT,
            on_error=self._on_error,
        )  # fmt: skip
        self._stop = asyncio.Event()
        self._lost = ""
        self._numbers = itertools.count(1)
        self._posting: asyncio.Task[None] | None = None
        self._subscribe()

    @property
    def is_leader(self) -> bool:
        return self.elector is None or self.elector.is_leader

    @property
    def ready(self) -> bool:
        """Everything has been listed once."""
        return self.world.canaries.synced

    def stop(self) -> None:
        """Ask `run` to end: running reconciles are let finish, the Lease is released last."""
        self._stop.set()

    def step_down(self, why: str) -> None:
        """Ask `run` to end as after a lost Lease: what this process believes may be out of date."""
        self._lost = why
        self._stop.set()

    async def run(self) -> None:
        """Work until `stop`. Raises `LeadershipLost`, in a group if the Lease was lost, alone after `step_down`."""
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(self.watches.run(self.world), name="watches"),
                group.create_task(self.groups.run(), name="metrics"),
            ]
            self._posting = group.create_task(self.recorder.run(), name="events")
            leading = group.create_task(self._lead(), name="leading")
            stopping = asyncio.create_task(self._stop.wait(), name="stop")
            try:
                await asyncio.wait((leading, stopping), return_when=asyncio.FIRST_COMPLETED)
                leading.cancel()
                await asyncio.wait((leading,))
            finally:
                stopping.cancel()
                for task in (*background, self._posting):
                    task.cancel()
        if self._lost:
            raise LeadershipLost(self._lost)

    async def _lead(self) -> None:
        if self.elector is None:
            await self._work()
        else:
            await self.elector.run(self._work, self._drained)

    async def _work(self) -> None:
        """Empty the queue while this process leads; cancellation lets running reconciles finish first."""
        self._telemetry.leads(True)
        try:
            await self._empty_queue()
        finally:
            self._telemetry.leads(False)

    async def _empty_queue(self) -> None:
        await self.world.canaries.wait_synced()
        self._look_at_all()
        work = asyncio.create_task(self._run_workers(), name="workers")
        try:
            await asyncio.shield(work)
        finally:
            self.queue.close()
            self.reconciler.reports.close()
            self.reconciler.works.close()
            await asyncio.wait((work,), timeout=DRAIN)
            work.cancel()
            await asyncio.wait((work,))
            await self.recorder.flush(FLUSH)
            await self._stop_posting()

    async def _run_workers(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.workers.run(), name="reconcile")
            group.create_task(self.reporters.run(), name="report")
            group.create_task(self.keepers.run(), name="workload")

    async def _stop_posting(self) -> None:
        """Nothing may be written after the Lease is released: the next leader tells what is left."""
        if self._posting is not None:
            self._posting.cancel()
            await asyncio.wait((self._posting,))

    async def _drained(self) -> None:
        if not self._stop.is_set():
            raise LeadershipLost("the Lease is held by another process or could not be renewed")

    async def _verify(self) -> bool:
        return self.elector is None or await self.elector.verify()

    async def _reconcile(self, key: Key) -> float | None:
        if not self.is_leader:
            return None
        number = format(next(self._numbers), "x")
        with structlog.contextvars.bound_contextvars(namespace=key[0], name=key[1], reconcile=number):
            return await self.reconciler(key)

    async def _work_on(self, key: Key) -> float | None:
        if not self.is_leader:
            return None
        with structlog.contextvars.bound_contextvars(namespace=key[0], name=key[1]):
            return await self.reconciler.work(key)

    async def _report(self, key: Key) -> float | None:
        if not self.is_leader:
            return None
        with structlog.contextvars.bound_contextvars(namespace=key[0], name=key[1]):
            return await self.reconciler.report(key)

    def _elector(self, rng: random.Random) -> LeaseElector:
        return LeaseElector(
            self._client, namespace=self.settings.lease_namespace, name=self.settings.lease_name,
            identity=self.settings.identity, clock=self._clock, rng=rng, timing=self.settings.lease_timing,
            on_error=lambda error: _log.warning("lease request failed", error=str(error)),
        )  # fmt: skip

    def _on_error(self, key: Key, error: Exception, delay: float) -> None:
        _log.warning(
            "reconcile failed", namespace=key[0], name=key[1], error=f"{type(error).__name__}: {error}", again_in=delay
        )

    def _reading(self, key: object) -> None:
        assert isinstance(key, tuple)  # subscriptions are made under keys of Canaries
        self.reconciler.on_reading((key[0], key[1]))

    def _view(self, namespace: str) -> None:
        for key in self.world.interests.in_namespace(namespace):
            self.queue.add(key)

    def _look_at_all(self) -> None:
        for key in tuple(self.world.canaries.keys()):
            self.queue.add(key)

    def _subscribe(self) -> None:
        self.world.canaries.subscribe(self._canary_changed)
        self.world.splits.subscribe(self._split_changed)
        self.world.services.subscribe(self._service_changed)
        self.world.slices.subscribe(self._slice_changed)
        for kind, store in self.world.manifests.stores.items():
            store.subscribe(partial(self._manifest_changed, kind))

    def _canary_changed(self, key: Key, old: Canary | None, new: Canary | None) -> None:
        """Our own status writes wake nobody."""
        if old is None or new is None:
            self.queue.add(key)
            if old is not None:
                # Another Canary may wait for the root.
                for other in self.world.canaries.indexed("root", (key[0], named_root(old))):
                    self.queue.add((key[0], other.metadata.name))
            return
        before, after = old.metadata, new.metadata
        relevant = before.generation != after.generation or before.annotations != after.annotations
        taken_off = FINALIZER in before.finalizers and FINALIZER not in after.finalizers
        if relevant or taken_off or before.deletion_timestamp != after.deletion_timestamp:
            self.queue.add(key, SOON)

    def _split_changed(self, key: Key, old: TrafficSplit | None, new: TrafficSplit | None) -> None:
        for split in (old, new):
            if split is not None:
                for canary in self.world.interests.canaries(key[0], split.spec.service):
                    self.queue.add(canary, SOON)

    def _service_changed(self, key: Key, old: Service | None, new: Service | None) -> None:
        for canary in self.world.interests.canaries(*key):
            self.queue.add(canary)

    def _manifest_changed(self, kind: Resource, key: Key, old: Manifest | None, new: Manifest | None) -> None:
        """A Deployment wakes the Canary that it belongs to; everything else all of managed mode in the namespace."""
        if kind is DEPLOYMENTS:
            for canary in self.world.canaries.indexed("deployment", key):
                self.queue.add((key[0], canary.metadata.name), SOON)
            return
        for name in self.world.interests.in_namespace(key[0]):
            session = self.reconciler.sessions.get(name)
            if session is not None and session.spec is not None and session.spec.target_ref is not None:
                self.queue.add(name)

    def _slice_changed(self, key: Key, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        piece = new or old
        if piece is not None:
            service = piece.metadata.labels.get(SERVICE_NAME_LABEL, "")
            for canary in self.world.interests.canaries(key[0], service):
                self.queue.add(canary, SOON)


class LeadershipLost(Exception):
    """This process no longer leads and must exit: a new one starts with a clean memory."""
