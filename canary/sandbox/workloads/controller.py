"""Which objects need a look after which event, and the one worker that looks."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Iterator
from functools import partial

import structlog

from canary.api.meta import ObjectMeta
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import NotFound
from canary.kube.queue import Key, WorkQueue, run_workers
from canary.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS, SERVICES
from canary.sandbox.mirror import Mirror
from canary.sandbox.workloads.endpoints import SERVICE_NAME_LABEL
from canary.sandbox.workloads.objects import (
    Deployment,
    Owned,
    Pod,
    PublishedSlice,
    ReplicaSet,
    Service,
    controller_of,
    matches_labels,
)
from canary.sandbox.workloads.reconcile import Reconciler, Views

_RECONCILE_SECONDS = 30.0

log = structlog.get_logger(__name__)


class WorkloadController:
    """Runs every workload of the cluster behind `client`; pods become ready `start_delay` seconds after creation."""

    def __init__(self, client: Client, clock: Clock, rng: random.Random, start_delay: float = 1.0) -> None:
        self.views = Views(
            Mirror(client, DEPLOYMENTS, Deployment, clock, rng),
            Mirror(client, REPLICA_SETS, ReplicaSet, clock, rng, _owner_keys),
            Mirror(client, PODS, Pod, clock, rng, _pod_keys),
            Mirror(client, SERVICES, Service, clock, rng, _selector_keys),
            Mirror(client, ENDPOINT_SLICES, PublishedSlice, clock, rng),
        )
        reconciler = Reconciler(client, clock, rng, start_delay, self.views)
        self._handlers: dict[str, Callable[[str, str], Awaitable[float | None]]] = {
            "Deployment": reconciler.deployment,
            "ReplicaSet": reconciler.replica_set,
            "Pod": reconciler.pod,
            "Service": reconciler.service,
        }
        self._queues = {kind: WorkQueue(clock=clock, rng=rng) for kind in self._handlers}
        self.views.deployments.subscribe(partial(self._changed, "Deployment"))
        self.views.replica_sets.subscribe(partial(self._changed, "ReplicaSet"))
        self.views.services.subscribe(partial(self._changed, "Service"))
        self.views.pods.subscribe(self._pod_changed)
        self.views.slices.subscribe(self._slice_changed)

    async def run(self) -> None:
        """Work until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for mirror in self.views.mirrors:
                    tasks.create_task(mirror.run())
                for mirror in self.views.mirrors:
                    await mirror.wait_synced()
                for kind, queue in self._queues.items():
                    tasks.create_task(self._work(kind, queue))
        finally:
            for queue in self._queues.values():
                queue.close()

    async def _work(self, kind: str, queue: WorkQueue) -> None:
        def failed(key: Key, error: Exception, delay: float) -> None:
            log.warning("reconcile failed", kind=kind, namespace=key[0], name=key[1], error=str(error), retry_in=delay)

        async def reconcile(key: Key) -> float | None:
            try:
                return await self._handlers[kind](*key)
            except NotFound:
                return None  # The object went away meanwhile; its watch event says so.

        await run_workers(queue, reconcile, 1, timeout=_RECONCILE_SECONDS, on_error=failed)

    def _changed(self, kind: str, key: Key, before: Owned | None, after: Owned | None) -> None:
        self._queues[kind].add(key)
        obj = after or before
        owner = None if obj is None else controller_of(obj.metadata)
        if owner is not None and owner[0] in self._queues:
            self._queues[owner[0]].add((key[0], owner[1]))

    def _pod_changed(self, key: Key, before: Pod | None, after: Pod | None) -> None:
        self._changed("Pod", key, before, after)
        for pod in (before, after):
            for service in () if pod is None else self._selecting(pod.metadata):
                self._queues["Service"].add((key[0], service.metadata.name))

    def _slice_changed(self, key: Key, before: PublishedSlice | None, after: PublishedSlice | None) -> None:
        for published in (before, after):
            if published is not None and (name := published.metadata.labels.get(SERVICE_NAME_LABEL)):
                self._queues["Service"].add((key[0], name))

    def _selecting(self, pod: ObjectMeta) -> Iterator[Service]:
        for label in pod.labels.items():
            for service in self.views.services.by((pod.namespace, *label)):
                if matches_labels(service.spec.selector or {}, pod.labels):
                    yield service


def _owner_keys(obj: Owned) -> Iterator[Hashable]:
    owner = controller_of(obj.metadata)
    if owner is not None:
        yield owner[2]


def _pod_keys(pod: Pod) -> Iterator[Hashable]:
    yield from _owner_keys(pod)
    for key, value in pod.metadata.labels.items():
        yield (pod.metadata.namespace, key, value)


def _selector_keys(service: Service) -> Iterator[Hashable]:
    """One label of the selector is enough to find the Service, and the fewer share it the better: `app`, usually."""
    selector = service.spec.selector
    if selector:
        yield (service.metadata.namespace, *min(selector.items()))
