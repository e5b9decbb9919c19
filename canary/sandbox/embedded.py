"""The embedded cluster: an API server, workloads that run, and a mesh that carries their traffic, in one event loop.

    async with EmbeddedCluster(clock, rng, mesh=Mesh.MODELLED) as cluster:
        await cluster.apply(app.namespace_manifest(), app.root(rate=50), ...)

With `LoopClock` in a virtual loop nothing needs a socket or real time (`Mesh.MODELLED`, `Mesh.NONE`). With
`SystemClock` requests are real (`Mesh.HTTP`), and `serve` puts the API server on a port for kubectl and the controller.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import Any

from canary.api import names
from canary.api.crd import crd as canary_crd
from canary.kube.client import Client, PatchKind
from canary.kube.clock import Clock
from canary.kube.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    NAMESPACES,
    NETWORK_POLICIES,
    PODS,
    SECRETS,
    SERVICES,
    Resource,
)
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.http import RunningServer, serve
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.autoscaling import AutoscalerController, Utilization
from canary.sandbox.mesh.http_mesh import HttpMesh
from canary.sandbox.mesh.modelled import ModelledMesh
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS, Route
from canary.sandbox.smi_metrics import GROUP, RESOURCES, VERSION, MetricsApi
from canary.sandbox.traffic_split_crd import traffic_split_crd
from canary.sandbox.workloads import WorkloadController
from canary.sandbox.workloads.objects import Deployment


class Mesh(Enum):
    """What carries traffic: nothing, a calculation, or a proxy with real requests."""

    NONE = "none"
    MODELLED = "modelled"
    HTTP = "http"


CANARIES = Resource(names.GROUP, names.VERSION, names.PLURAL, names.KIND)

_FIELD_MANAGER = "canary-sandbox"
# Whoever applies manifests here forces them, as Flux does: so it has the name by which that is known.
_APPLIER = "kustomize-controller"
_RESOURCES: dict[str, Resource] = {
    each.kind: each
    for each in (
        NAMESPACES,
        SERVICES,
        PODS,
        DEPLOYMENTS,
        TRAFFIC_SPLITS,
        CANARIES,
        CUSTOM_RESOURCE_DEFINITIONS,
        CONFIG_MAPS,
        SECRETS,
        AUTOSCALERS,
        DISRUPTION_BUDGETS,
        NETWORK_POLICIES,
    )
}


class EmbeddedCluster:
    """Use as an async context manager; everything stops at the end of the block.

    `start_delay` is the time in seconds from a pod's creation to its readiness. `model_seed` makes the counts of
    `Mesh.MODELLED` random; without it they are expected values. With `autoscaling` autoscalers act and read the use of
    cpu from it; one that always says `None` leaves them their bounds.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        *,
        mesh: Mesh = Mesh.NONE,
        start_delay: float = 1.0,
        model_seed: int | None = None,
        autoscaling: Utilization | None = None,
    ) -> None:
        self.clock = clock
        self._rng = rng
        self.server = ApiServer(clock, rng)
        self.client = self.client_for(_FIELD_MANAGER)
        self._applier = self.client_for(_APPLIER, agent=_FIELD_MANAGER)
        self.workloads = WorkloadController(self.client_for("kube-controller-manager"), clock, rng, start_delay)
        self.autoscalers: AutoscalerController | None = None
        if autoscaling is not None:
            agent = "kube-controller-manager/horizontal-pod-autoscaler"
            self.autoscalers = AutoscalerController(self.client_for(agent), clock, rng, autoscaling)
        self.model: ModelledMesh | None = None
        self.mesh: HttpMesh | None = None
        if mesh is Mesh.MODELLED:
            self.model = ModelledMesh(self.client_for("mesh"), clock, rng, model_seed)
        elif mesh is Mesh.HTTP:
            self.mesh = HttpMesh(self.client_for("mesh"), clock, rng)
        self._mesh = self.mesh or self.model
        self._tasks: list[asyncio.Task[None]] = []
        self._faces: list[RunningServer] = []

    def client_for(self, field_manager: str, agent: str = "") -> Client:
        """A client of its own, without sockets; its user agent is the field manager where none is given."""
        transport = DirectTransport(self.server, user_agent=agent or field_manager)
        return Client(transport, clock=self.clock, rng=self._rng, field_manager=field_manager)

    async def __aenter__(self) -> EmbeddedCluster:
        for definition in (canary_crd(), traffic_split_crd()):
            await self.client.create(CUSTOM_RESOURCE_DEFINITIONS, definition)
        self._start(self.workloads.run())
        if self.autoscalers is not None:
            self._start(self.autoscalers.run())
        if self._mesh is not None:
            self.server.aggregate(GROUP, VERSION, RESOURCES, MetricsApi(self._mesh, self.clock))
            self._start(self._mesh.run())
            await self._mesh.synced()
        return self

    async def __aexit__(self, *_: object) -> None:
        for face in self._faces:
            await face.close()
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def serve(self, host: str = "127.0.0.1", port: int = 0, token: str = "") -> RunningServer:
        """Put the API server on a port, until the cluster ends. Raises `OSError` if the port is taken."""
        face = await serve(self.server, host, port, token)
        self._faces.append(face)
        return face

    async def apply(self, *manifests: dict[str, Any], manager: str = "") -> None:
        """Server-side apply of manifests as users keep them, in the given order; forced, unless a manager is named.

        Raises a `KubeError`, and `KeyError` for a kind that the sandbox has no use for.
        """
        client = self.client_for(manager) if manager else self._applier
        for manifest in manifests:
            meta = manifest["metadata"]
            version = manifest["apiVersion"].rpartition("/")[2]
            await client.patch(
                replace(_RESOURCES[manifest["kind"]], version=version),
                meta["name"],
                manifest,
                meta.get("namespace"),
                kind=PatchKind.APPLY,
                force=not manager,
            )

    async def ready(self, namespace: str, *deployments: str, timeout: float = 30.0) -> None:
        """Return when each Deployment, as it is now, runs with all its replicas. Its endpoints follow: see `routed`.

        Raises `TimeoutError`, and `NotFound` for one that does not exist.
        """
        async with asyncio.timeout(timeout):
            for name in deployments:
                asked = await self.client.get(DEPLOYMENTS, name, namespace, type=Deployment)
                done = partial(_complete, generation=asked.metadata.generation)
                await self.workloads.views.deployments.until((namespace, name), done)

    async def routed(self, namespace: str, root: str, endpoints: Mapping[str, int], timeout: float = 30.0) -> None:
        """Return when the mesh sends requests for `root` to exactly these Services, each with so many ready pods.

        Raises `TimeoutError`, and `RuntimeError` without a mesh.
        """
        if self._mesh is None:
            raise RuntimeError("a cluster with Mesh.NONE has no routes")

        def follows(route: Route) -> bool:
            return {backend.service: len(backend.endpoints) for backend in route.backends} == endpoints

        async with asyncio.timeout(timeout):
            await self._mesh.routes.until(namespace, root, follows)

    async def listen(self, namespace: str, root: str, port: int = 0) -> str:
        """The URL of a root Service in the mesh. Raises `OSError` if the port is taken, `RuntimeError` without mesh."""
        if self.mesh is None:
            raise RuntimeError("only a cluster with Mesh.HTTP carries requests")
        return await self.mesh.listen(namespace, root, port)

    def _start(self, part: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(part))


def _complete(deployment: Deployment | None, generation: int) -> bool:
    if deployment is None or deployment.status.observed_generation < generation:
        return False
    status, wanted = deployment.status, deployment.replicas
    return status.replicas == status.updated_replicas == status.available_replicas == wanted
