"""Where a request to a root Service goes: by its TrafficSplit, over the ready endpoints of the chosen backend.

The rules, where implementations differ, are those of Linkerd: weights are proportional; a backend without ready
endpoints keeps its share, and those requests fail; with no split, or only zero weights, the root Service itself
answers; of several splits for one root the first by name counts. `matches` is ignored: no route groups are read.
Source: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-split/v1alpha4/traffic-split.md
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from canary.api.kinds import Endpoint as SliceEndpoint
from canary.api.kinds import EndpointSlice, SplitBackend, TrafficSplit
from canary.api.quantity import parse_quantity
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.resources import ENDPOINT_SLICES
from canary.kube.store import Key
from canary.sandbox.mirror import Mirror
from canary.sandbox.workloads.endpoints import SERVICE_NAME_LABEL
from canary.traffic.versions import resource

TRAFFIC_SPLITS = resource("v1alpha4")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A ready address of a Service, and the pod behind it."""

    address: str
    pod: str


@dataclass(frozen=True, slots=True)
class Backend:
    """A Service with its share of the requests, 0 < share ≤ 1, and those who can answer them."""

    service: str
    share: float
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """All backends that get requests; `bounds` are their cumulated shares."""

    backends: tuple[Backend, ...]
    bounds: tuple[float, ...]


class Routes:
    """The routes of every Service, following splits and endpoints by watch."""

    def __init__(self, client: Client, clock: Clock, rng: random.Random) -> None:
        self._splits = Mirror(client, TRAFFIC_SPLITS, TrafficSplit, clock, rng, _split_keys)
        self._slices = Mirror(client, ENDPOINT_SLICES, EndpointSlice, clock, rng, _service_keys)
        self._known: dict[tuple[str, str], Route] = {}
        self._listeners: list[Callable[[str, str], None]] = []
        self._news = asyncio.Event()
        self._splits.subscribe(self._split_changed)
        self._slices.subscribe(self._slice_changed)

    def subscribe(self, listener: Callable[[str, str], None]) -> None:
        """Have `listener` called with the namespace and the name of a root whose route may have changed."""
        self._listeners.append(listener)

    def route(self, namespace: str, root: str) -> Route:
        """Where requests to `root` go now; backends without ready endpoints are in it."""
        known = self._known.get((namespace, root))
        if known is None:
            known = self._known[namespace, root] = self._compute(namespace, root)
        return known

    async def until(self, namespace: str, root: str, done: Callable[[Route], bool]) -> None:
        """Return when `done` is true of the route to `root`. The caller bounds the time."""
        while not done(self.route(namespace, root)):
            self._news.clear()
            await self._news.wait()

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._splits.run())
            tasks.create_task(self._slices.run())

    async def synced(self) -> None:
        """Return when the first lists have been read."""
        await self._splits.wait_synced()
        await self._slices.wait_synced()

    def _split_changed(self, key: Key, before: TrafficSplit | None, after: TrafficSplit | None) -> None:
        for split in (before, after):
            if split is not None:
                self._changed(split.metadata.namespace, root_of(split))

    def _slice_changed(self, key: Key, before: EndpointSlice | None, after: EndpointSlice | None) -> None:
        for published in (before, after):
            for namespace, service in () if published is None else _service_keys(published):
                self._changed(namespace, service)
                for split in self._splits.by((namespace, "backend", service)):
                    self._changed(namespace, root_of(split))

    def _changed(self, namespace: str, root: str) -> None:
        self._known.pop((namespace, root), None)
        for listener in self._listeners:
            listener(namespace, root)
        self._news.set()

    def _compute(self, namespace: str, root: str) -> Route:
        splits = sorted(self._splits.by((namespace, "root", root)), key=lambda split: split.metadata.name)
        weights = shares(splits[0].spec.backends or ()) if splits else {}
        backends = tuple(
            Backend(service, share, ready_endpoints(self._slices.by((namespace, service))))
            for service, share in (weights or {root: 1.0}).items()
        )
        return Route(backends, tuple(accumulate(backend.share for backend in backends)))


def shares(backends: Iterable[SplitBackend]) -> dict[str, float]:
    """The share of each Service with a positive weight, summing to 1; empty when there is none."""
    weights: dict[str, float] = {}
    for backend in backends:
        weight = _weight(backend.weight)
        if weight > 0:
            weights[backend.service] = weights.get(backend.service, 0.0) + weight
    total = sum(weights.values())
    return {service: weight / total for service, weight in weights.items()}


def ready_endpoints(slices: Iterable[EndpointSlice]) -> tuple[Endpoint, ...]:
    """The ready endpoints of all slices of a Service, each address once, by address."""
    found = {
        address: Endpoint(address, endpoint.target_ref.name if endpoint.target_ref else "")
        for published in slices
        for endpoint in published.endpoints or ()
        if _is_ready(endpoint)
        for address in endpoint.addresses[:1]
    }
    return tuple(found[address] for address in sorted(found))


def _is_ready(endpoint: SliceEndpoint) -> bool:
    """An unknown state counts as ready (Kubernetes API, EndpointConditions)."""
    return endpoint.conditions.ready is not False


def _weight(value: int | float | str | None) -> float:
    """A weight of any version: a number or a quantity. One that nobody can read gets nothing, as one of 0."""
    try:
        return 0.0 if value is None else float(parse_quantity(value))
    except (ValueError, OverflowError):
        return 0.0


def root_of(split: TrafficSplit) -> str:
    """The root Service; `spec.service` may be a short name or a full one (`web.prod.svc.cluster.local`)."""
    return split.spec.service.partition(".")[0]


def _split_keys(split: TrafficSplit) -> Iterator[tuple[str, str, str]]:
    yield split.metadata.namespace, "root", root_of(split)
    for service in {backend.service for backend in (split.spec.backends or ())}:
        yield split.metadata.namespace, "backend", service


def _service_keys(published: EndpointSlice) -> Iterator[tuple[str, str]]:
    name = published.metadata.labels.get(SERVICE_NAME_LABEL)
    if name:
        yield published.metadata.namespace, name
