"""What the mesh makes of Services, EndpointSlices and TrafficSplits: a pure function.

Every Service with a port is a cluster and a host that callers may name. A TrafficSplit of the Service sends its
requests to the clusters of its backends, with the weights exactly as they are written; without one they go to the
Service's own endpoints. Of several splits of one Service the oldest counts.

Source of the roles: Service Mesh Interface, traffic-split v1alpha4.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canary.api.kinds import Service, SplitBackend, TrafficSplit
from canary.sandbox.workloads.objects import PublishedSlice
from e2e.dataplane.addresses import port_of

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
Weights = dict[str, int]
"""Cluster → weight."""


@dataclass(frozen=True, slots=True)
class Target:
    """One Pod that gets requests: its name, its fictional address, and the port of 127.0.0.1 where it listens."""

    pod: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Routes:
    """`clusters` gives the targets of each Service, `weights` for each Service the clusters of its requests."""

    clusters: dict[str, tuple[Target, ...]]
    weights: dict[str, Weights]


def cluster_name(namespace: str, service: str) -> str:
    """Neither part has a dot or a slash, so that Envoy's tags keep the name whole and everybody can take it apart."""
    return f"{namespace}/{service}"


def routes(services: Iterable[Service], slices: Iterable[PublishedSlice], splits: Iterable[TrafficSplit]) -> Routes:
    """The routes for these objects."""
    targets: dict[str, set[Target]] = {}
    for piece in slices:
        name = cluster_name(piece.metadata.namespace, piece.metadata.labels.get(SERVICE_NAME_LABEL, ""))
        targets.setdefault(name, set()).update(_ready(piece))
    names = sorted(cluster_name(s.metadata.namespace, s.metadata.name) for s in services if s.spec.ports)
    clusters = {name: tuple(sorted(targets.get(name, ()), key=lambda t: t.pod)) for name in names}
    weights: dict[str, Weights] = {name: {name: 1} for name in names}
    for split in sorted(splits, key=_age, reverse=True):
        root = cluster_name(split.metadata.namespace, split.spec.service)
        if root in weights:
            weights[root] = _weights(split)
    return Routes(clusters, weights)


def _ready(piece: PublishedSlice) -> Iterable[Target]:
    """Endpoints that are ready, or do not say. A Pod that nobody runs has no port here, and gets nothing."""
    for endpoint in piece.endpoints or ():
        # One process listens on one port, whatever the Service calls it.
        port = port_of(endpoint.addresses[0])
        if port is not None and endpoint.conditions.ready is not False:
            name = endpoint.target_ref.name if endpoint.target_ref else endpoint.addresses[0]
            yield Target(name, endpoint.addresses[0], port)


def _weights(split: TrafficSplit) -> Weights:
    found: Weights = {}
    for backend in split.spec.backends or ():
        name = cluster_name(split.metadata.namespace, backend.service)
        found[name] = found.get(name, 0) + _weight(backend)
    return found


def _weight(backend: SplitBackend) -> int:
    """Weights of v1alpha2 and later are whole numbers; only those are read. Raises `ValueError` for others."""
    if not isinstance(backend.weight, int):
        raise ValueError(f"weight {backend.weight!r} of {backend.service} is no whole number")
    return backend.weight


def _age(split: TrafficSplit) -> tuple[str, str]:
    return split.metadata.creation_timestamp or "", split.metadata.name
