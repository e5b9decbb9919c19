"""Which watches are open: Canaries and splits from the start, Services and endpoints where a Canary lives.

EndpointSlices are watched by the names of the Services that matter; a changed set of names opens a new watch and closes
the old one when the new one has synced, so that no view has a gap.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from canary.api.canary import Canary
from canary.api.kinds import EndpointSlice, Service, TrafficSplit
from canary.api.manifest import Manifest
from canary.api.names import CANARY_LABEL, GROUP, KIND, PLURAL, VERSION
from canary.controller.world import SERVICE_NAME_LABEL, World
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import KubeError
from canary.kube.resources import CONTROLLER_REVISIONS, ENDPOINT_SLICES, SERVICES, Resource
from canary.kube.store import Store
from canary.kube.watch import Reflector
from canary.traffic import versions
from canary.traffic.versions import Discovery, VersionError

CANARIES = Resource(GROUP, VERSION, PLURAL, KIND)
MAX_NAMES = 100
"""Above this many Services of one namespace all its EndpointSlices are watched: a selector has to fit into a URL."""
GATHER = 0.2
"""Seconds for which changed names are gathered before a watch is opened for them."""
DISCOVER_AGAIN = 10.0
"""Seconds between two looks for a TrafficSplit API that is not there yet."""


@dataclass(slots=True)
class _Watch:
    reflector: Reflector[Any]
    task: asyncio.Task[None]


@dataclass(slots=True)
class _Namespace:
    services: _Watch
    names: frozenset[str] = frozenset()
    slices: _Watch | None = None
    manifests: dict[Resource, _Watch] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    keeper: asyncio.Task[None] | None = None


class Watches:
    """Owns every watch while `run` runs.

    `on_view(namespace)` is called when a namespace's view has become whole, `on_splits` when the splits have been read.
    """

    def __init__(
        self,
        client: Client,
        discovery: Discovery,
        *,
        clock: Clock,
        rng: random.Random,
        namespaces: tuple[str, ...] = (),
        on_view: Callable[[str], None],
        on_splits: Callable[[], None],
        on_error: Callable[[KubeError], None],
    ) -> None:
        self._client = client
        self._discovery = discovery
        self._clock = clock
        self._rng = rng
        self._scopes: tuple[str | None, ...] = namespaces or (None,)
        self._on_view = on_view
        self._on_splits = on_splits
        self._on_error = on_error
        self._open: dict[str, _Namespace] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._world: World | None = None
        self.reflectors: list[Reflector[Any]] = []

    def slices_known(self, namespace: str, service: str) -> bool:
        """Whether the endpoints of a Service have been read."""
        entry = self._open.get(namespace)
        if entry is None or entry.slices is None or not entry.slices.reflector.source.synced:
            return False
        return len(entry.names) > MAX_NAMES or service in entry.names

    def slices_watched(self, namespace: str) -> bool:
        """Whether a watch of the endpoints is open: what has been read may be old otherwise."""
        entry = self._open.get(namespace)
        return entry is not None and entry.slices is not None and entry.slices.reflector.watching

    def services_known(self, namespace: str) -> bool:
        """Whether the Services of a namespace have been read."""
        entry = self._open.get(namespace)
        return entry is not None and entry.services.reflector.source.synced

    def set_names(self, namespace: str, names: frozenset[str]) -> None:
        """Say which Services matter in a namespace; none closes its watches. While nothing runs, none is opened."""
        if not names:
            entry = self._open.pop(namespace, None)
            if entry is not None:
                self._close(entry)
            return
        if self._tasks is None:
            return
        entry = self._open.get(namespace) or self._enter(namespace)
        if names != entry.names:
            entry.names = names
            entry.changed.set()

    def manifests_known(self, namespace: str) -> bool:
        """Whether everything that managed mode looks at in a namespace has been read."""
        entry = self._open.get(namespace)
        if entry is None or not entry.manifests:
            return False
        return all(watch.reflector.source.synced for watch in entry.manifests.values())

    def set_managed(self, namespace: str, kinds: frozenset[Resource]) -> None:
        """Say which kinds managed mode looks at in a namespace that has been entered; no kinds close their watches."""
        entry = self._open.get(namespace)
        if entry is None or self._tasks is None or self._world is None or kinds == entry.manifests.keys():
            return
        for kind in sorted(entry.manifests.keys() - kinds, key=lambda kind: kind.plural):
            self._stop(entry.manifests.pop(kind))

        def synced() -> None:
            if self.manifests_known(namespace):
                self._on_view(namespace)

        for kind in sorted(kinds - entry.manifests.keys(), key=lambda kind: kind.plural):
            entry.manifests[kind] = self._watch(
                kind, Manifest, self._world.manifests.stores[kind], namespace=namespace, on_sync=synced,
                selector=CANARY_LABEL if kind is CONTROLLER_REVISIONS else "",
            )  # fmt: skip

    async def run(self, world: World) -> None:
        """Keep the stores of `world` until cancelled."""
        self._world = world
        async with asyncio.TaskGroup() as self._tasks:
            try:
                for scope in self._scopes:
                    self._watch(CANARIES, Canary, world.canaries, namespace=scope)
                await self._follow_splits(world)
            finally:
                # A reconcile that outlives its time to drain opens no more of them.
                self._tasks = None

    async def _follow_splits(self, world: World) -> None:
        """Watch splits in the version that is spoken, and in another one when that is no longer served."""
        while True:
            try:
                version = await self._discovery.version()
            except (VersionError, KubeError):
                await self._clock.sleep(DISCOVER_AGAIN)
                self._discovery.invalidate()
                continue
            resource = versions.resource(version)
            watches = [
                self._watch(resource, TrafficSplit, world.splits, namespace=scope, on_sync=self._on_splits)
                for scope in self._scopes
            ]
            while await self._still_served(version):
                await self._clock.sleep(DISCOVER_AGAIN)
            for watch in watches:
                self._stop(watch)

    async def _still_served(self, version: versions.Version) -> bool:
        """Only an invalidation makes this ask the API server."""
        try:
            return version in (await self._discovery.served()).versions
        except VersionError:
            return False
        except KubeError:
            return True

    def _watch(
        self, resource: Resource, kind: type[Any], store: Store[Any], *, namespace: str | None, selector: str = "",
        on_sync: Callable[[], None] | None = None,
    ) -> _Watch:  # fmt: skip
        assert self._tasks is not None  # run has begun
        reflector: Reflector[Any] = Reflector(
            self._client, resource, kind, store, clock=self._clock, rng=self._rng, namespace=namespace,
            label_selector=selector, on_sync=on_sync, on_error=self._on_error,
        )  # fmt: skip
        self.reflectors.append(reflector)
        return _Watch(reflector, self._tasks.create_task(reflector.run(), name=f"watch {resource.plural} {namespace}"))

    def _stop(self, watch: _Watch) -> None:
        watch.task.cancel()
        watch.reflector.source.withdraw()
        with suppress(ValueError):
            self.reflectors.remove(watch.reflector)

    def _enter(self, namespace: str) -> _Namespace:
        assert self._tasks is not None  # run has begun
        assert self._world is not None

        def synced() -> None:
            self._on_view(namespace)

        services = self._watch(SERVICES, Service, self._world.services, namespace=namespace, on_sync=synced)
        entry = self._open[namespace] = _Namespace(services)
        entry.keeper = self._tasks.create_task(self._keep_slices(namespace, entry), name=f"endpoints {namespace}")
        return entry

    async def _keep_slices(self, namespace: str, entry: _Namespace) -> None:
        watched: frozenset[str] | None = None
        while True:
            await entry.changed.wait()
            await self._clock.sleep(GATHER)
            entry.changed.clear()
            wanted = entry.names if len(entry.names) <= MAX_NAMES else frozenset({"*"})
            if wanted == watched:
                continue
            watched = wanted
            await self._replace_slices(namespace, entry, wanted)

    async def _replace_slices(self, namespace: str, entry: _Namespace, names: frozenset[str]) -> None:
        assert self._world is not None
        ready = asyncio.Event()
        selector = "" if names == {"*"} else f"{SERVICE_NAME_LABEL} in ({','.join(sorted(names))})"
        new = self._watch(
            ENDPOINT_SLICES,
            EndpointSlice,
            self._world.slices,
            namespace=namespace,
            selector=selector,
            on_sync=ready.set,
        )
        try:
            await ready.wait()
        except asyncio.CancelledError:
            self._stop(new)
            raise
        old, entry.slices = entry.slices, new
        if old is not None:
            self._stop(old)
        self._on_view(namespace)

    def _close(self, entry: _Namespace) -> None:
        if entry.keeper is not None:
            entry.keeper.cancel()
        for watch in (entry.services, entry.slices, *entry.manifests.values()):
            if watch is not None:
                self._stop(watch)

    def quiet_for(self, now: float) -> Iterable[tuple[str, float]]:
        """How long each watch has been silent, by resource."""
        for reflector in self.reflectors:
            if reflector.heard_at is not None:
                yield reflector.resource.plural, now - reflector.heard_at
