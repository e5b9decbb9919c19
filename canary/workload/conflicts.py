"""What selects the candidate's pods by their labels and would miss those of the stable side.

The user wrote these objects and only the user can say what they are for: they are listed, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from canary.api.names import LEFT_LABEL, OWNER_ANNOTATION
from canary.workload.selectors import selects

JSON = dict[str, Any]
Labels = Mapping[str, str]


class SelectorConflict(NamedTuple):
    """An object that would miss the stable side; `routes` when that moves or filters traffic."""

    kind: str
    name: str
    routes: bool

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def selector_conflicts(
    candidate: Labels, stable: Labels, objects: Iterable[JSON], *, namespace: str
) -> tuple[SelectorConflict, ...]:
    """Every Service, NetworkPolicy, PodMonitor, ServiceMonitor and PodDisruptionBudget that selects pods with the
    labels `candidate` and not those with the labels `stable`, sorted; both are pods of `namespace`.

    The root Service belongs in `objects` only when it is not going to select stable. What bears an owner annotation of
    ours, or was left behind by a Canary, is left out. A NetworkPolicy conflicts also when it lets the candidate's pods
    through as peers, and not stable's; whether its namespaceSelector means `namespace` is not known here, and taken to
    be so. A ServiceMonitor selects Services: it conflicts when those that it selects among `objects` reach the
    candidate's pods alone.
    """
    found = [obj for obj in objects if not _of_a_canary(obj["metadata"])]
    services = [obj for obj in found if obj.get("kind") == "Service" and _namespace(obj, namespace) == namespace]
    sides = _Sides(candidate, stable, namespace)
    conflicts = {
        SelectorConflict(obj["kind"], obj["metadata"]["name"], obj["kind"] in ("Service", "NetworkPolicy"))
        for obj in found
        if _misses_stable(obj, sides, services)
    }
    return tuple(sorted(conflicts))


def _of_a_canary(metadata: JSON) -> bool:
    return OWNER_ANNOTATION in (metadata.get("annotations") or {}) or LEFT_LABEL in (metadata.get("labels") or {})


def unacknowledged(value: str, conflicts: Iterable[SelectorConflict]) -> tuple[SelectorConflict, ...]:
    """The conflicts over traffic that the annotation `canary.delivery/acknowledge` does not name.

    `value` is a list such as `Service/web-internal, NetworkPolicy/database`.
    """
    named = {name.strip().casefold() for name in value.split(",")}
    return tuple(conflict for conflict in conflicts if conflict.routes and str(conflict).casefold() not in named)


def acknowledged(value: str, conflicts: Iterable[SelectorConflict]) -> bool:
    """Whether the annotation's value names every conflict that would move or filter traffic."""
    return not unacknowledged(value, conflicts)


class _Sides(NamedTuple):
    candidate: Labels
    stable: Labels
    namespace: str

    def missed_by(self, *selectors: JSON | None) -> bool:
        """Whether these selectors, taken together, select the candidate's pods and none of stable's."""
        return any(selects(one, self.candidate) for one in selectors) and not any(
            selects(one, self.stable) for one in selectors
        )


def _namespace(obj: JSON, default: str) -> str:
    return str(obj["metadata"].get("namespace") or default)


def _misses_stable(obj: JSON, sides: _Sides, services: list[JSON]) -> bool:
    spec, home = obj.get("spec") or {}, _namespace(obj, sides.namespace)
    local = home == sides.namespace
    match obj.get("kind"):
        case "Service":
            return local and sides.missed_by(_pods_of(obj))
        case "PodDisruptionBudget":
            return local and sides.missed_by(spec.get("selector"))
        case "NetworkPolicy":
            peers = any(sides.missed_by(*peers) for peers in _peers(spec, local))
            return peers or (local and sides.missed_by(spec.get("podSelector") or {}))
        case "PodMonitor":
            return _watches(spec, home, sides.namespace) and sides.missed_by(spec.get("selector") or {})
        case "ServiceMonitor":
            chosen = [s for s in services if selects(spec.get("selector") or {}, s["metadata"].get("labels") or {})]
            return _watches(spec, home, sides.namespace) and sides.missed_by(*map(_pods_of, chosen))
        case _:
            return False


def _pods_of(service: JSON) -> JSON | None:
    """A Service without selector selects nothing: somebody else writes its endpoints."""
    selector = (service.get("spec") or {}).get("selector")
    return {"matchLabels": selector} if selector else None


def _peers(spec: JSON, local: bool) -> Iterator[list[JSON | None]]:
    """The pod selectors of each rule that may mean pods of our namespace.

    Source: Kubernetes, networking.k8s.io/v1 NetworkPolicyPeer.
    """
    for direction, field in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction) or ():
            peers = [p for p in rule.get(field) or () if "ipBlock" not in p]
            yield [p.get("podSelector") or {} for p in peers if local or p.get("namespaceSelector") is not None]


def _watches(spec: JSON, home: str, namespace: str) -> bool:
    """Whether a monitor looks at `namespace`; by default it looks at its own.

    Source: Prometheus Operator, API reference, NamespaceSelector.
    """
    selector = spec.get("namespaceSelector") or {}
    return bool(selector.get("any")) or namespace in (selector.get("matchNames") or (home,))
