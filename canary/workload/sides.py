"""One side of a rollout as it stands: a Service, its ready endpoints and the pods behind them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import msgspec

from canary.api.kinds import Endpoint, EndpointSlice, Pod, Service
from canary.core.observed import Side

HASH_LABELS = ("pod-template-hash", "controller-revision-hash")
"""Labels by which Deployments, StatefulSets and DaemonSets mark the template that a pod was made from."""
UNMANAGED = "unmanaged"
"""Stands for the revision of endpoints that no controller's pod is behind."""


class PodFacts(msgspec.Struct, frozen=True):
    """What a rollout needs of a pod. `ready_at` is in Unix seconds; `kind` and `owner` name its workload."""

    hash: str
    ready_at: float | None = None
    kind: str = "Pod"
    owner: str = ""


def pod_facts(pod: Pod) -> PodFacts:
    """The facts of one pod. A ReplicaSet that carries its Deployment's hash in its name stands for the Deployment."""
    labels = pod.metadata.labels
    marker = next((labels[name] for name in HASH_LABELS if labels.get(name)), UNMANAGED)
    kind, owner = "Pod", pod.metadata.name
    for reference in pod.metadata.owner_references:
        if reference.controller:
            kind, owner = reference.kind, reference.name
    if kind == "ReplicaSet" and owner.endswith(f"-{marker}"):
        kind, owner = "Deployment", owner.removesuffix(f"-{marker}")
    return PodFacts(marker, _ready_at(pod), kind, owner)


def _ready_at(pod: Pod) -> float | None:
    for condition in pod.status.conditions or ():
        if condition.type == "Ready" and condition.status == "True" and condition.last_transition_time:
            return datetime.fromisoformat(condition.last_transition_time).timestamp()
    return None


def ready_endpoints(slices: Iterable[EndpointSlice]) -> dict[str, Endpoint]:
    """The ready endpoints by address: one that is in two slices during a move counts once.

    An absent `ready` means ready (discovery/v1 EndpointConditions).
    """
    found: dict[str, Endpoint] = {}
    for piece in slices:
        for endpoint in piece.endpoints or ():
            ready = endpoint.conditions.ready is not False and not endpoint.conditions.terminating
            if ready and endpoint.addresses:
                found[endpoint.addresses[0]] = endpoint
    return found


def pod_names(endpoints: Mapping[str, Endpoint]) -> frozenset[str]:
    """Names of the pods behind these endpoints."""
    references = (endpoint.target_ref for endpoint in endpoints.values())
    return frozenset(ref.name for ref in references if ref is not None and ref.kind == "Pod")


def side_of(
    name: str,
    service: Service | None,
    slices: Iterable[EndpointSlice],
    pods: Mapping[str, PodFacts],
    root: Service | None,
    *,
    known: bool,
    watched: bool = True,
    looping: Collection[str] = (),
) -> Side:
    """The view of one Service. Its pod hashes are unknown while a ready pod has not been looked at.

    Pods that are `looping`, by name, crash again and again: they are not ready, whatever their probes say.
    """
    endpoints = {
        address: endpoint
        for address, endpoint in ready_endpoints(slices).items()
        if endpoint.target_ref is None or endpoint.target_ref.name not in looping
    }
    names = pod_names(endpoints)
    facts = [pods[pod] for pod in names if pod in pods]
    hashes: tuple[str, ...] | None = None
    if len(facts) == len(names):
        bare = {UNMANAGED} if len(names) < len(endpoints) else set()
        hashes = tuple(sorted({fact.hash for fact in facts} | bare))
    times = [fact.ready_at for fact in facts if fact.ready_at is not None]
    return Side(
        name,
        exists=service is not None,
        known=known,
        watched=watched,
        ready=len(endpoints),
        hashes=hashes,
        ready_at=max(times) if times and hashes is not None else None,
        missing_ports=_missing_ports(root, service),
    )


def _missing_ports(root: Service | None, service: Service | None) -> tuple[int, ...]:
    """Ports of the root that a backend lacks: meshes leave such a backend out (SMI TrafficSplit, "Ports")."""
    if root is None or service is None:
        return ()
    have = {port.port for port in service.spec.ports or ()}
    return tuple(sorted({port.port for port in root.spec.ports or ()} - have))


def selects_canary(root: Service | None, canary: Service | None) -> str:
    """A warning when the root Service selects the canary's pods too: callers outside the mesh then reach them."""
    if root is None or canary is None or not root.spec.selector or not canary.spec.selector:
        return ""
    if root.spec.selector.items() <= canary.spec.selector.items():
        return f"RootSelectsCanary: Service {root.metadata.name} selects the canary's pods, let it select what serves"
    return ""


def root_problem(name: str, root: Service | None) -> str:
    """Why no traffic can be split at this root, in words; empty when it can."""
    if root is None:
        return f"root Service {name} does not exist yet"
    if root.spec.type == "ExternalName" or root.spec.cluster_ip == "None":
        return f"root Service {name} must be a ClusterIP Service: meshes split no traffic of headless or external ones"
    return ""
