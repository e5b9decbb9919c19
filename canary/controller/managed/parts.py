"""The parts of ours that move no traffic by themselves: what they must be, which are missing, which go at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from canary.api.canary import CanarySpec
from canary.api.kinds import Service
from canary.api.manifest import plain_metadata
from canary.api.names import LEFT_LABEL
from canary.kube.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    SCALED_OBJECTS,
    SECRETS,
    SERVICES,
    Resource,
)
from canary.workload.autoscaling import autoscaler_of, stable_autoscaler, stable_budget, stable_scaled_object
from canary.workload.drift import missing_from
from canary.workload.ownership import CANARY_SUFFIX, Foreign, Mark, Ours, Stale, ownership, stable_name
from canary.workload.services import backend_services
from canary.workload.stable import SideLabel, stable_selector, stable_template

JSON = dict[str, Any]
REMOVED = (AUTOSCALERS, SCALED_OBJECTS, DISRUPTION_BUDGETS, DEPLOYMENTS, CONTROLLER_REVISIONS, CONFIG_MAPS, SECRETS)
"""What goes with the Canary, in this order, after the Services."""
_BY_KIND = {kind.kind: kind for kind in (*REMOVED, SERVICES)}


class Part(NamedTuple):
    """One object that must be there. `patch` is what it lacks (a merge patch), `None` when it does not exist."""

    kind: Resource
    body: JSON
    patch: JSON | None

    @property
    def name(self) -> str:
        """`Kind/name`."""
        return f"{self.kind.kind}/{self.body['metadata']['name']}"


def resource_of(part: str) -> tuple[Resource, str]:
    """The resource and the object's name of `Kind/name`."""
    kind, _, name = part.partition("/")
    return _BY_KIND[kind], name


class Seen(NamedTuple):
    """What the parts are made from: objects as plain JSON, by kind."""

    target: JSON
    label: SideLabel
    root: JSON | None
    services: Mapping[str, JSON]
    others: Mapping[Resource, Mapping[str, JSON]]
    floor: int | None


def gaps(seen: Seen, spec: CanarySpec, mark: Mark, live: frozenset[str]) -> tuple[tuple[Part, ...], str]:
    """The parts that are missing or differ, and whose name is taken, in words (empty when none is).

    Raises `Unsupported`.
    """
    found, taken, wanted = [], "", set()
    for kind, body in _wanted(seen, spec, mark):
        name = body["metadata"]["name"]
        wanted.add((kind, name))
        present = seen.services.get(name) if kind is SERVICES else seen.others[kind].get(name)
        if present is None:
            found.append(Part(kind, body, None))
            continue
        owner = ownership(present, mark, live)
        if isinstance(owner, Foreign):
            taken = taken or name_taken(f"{kind.kind} {name}", owner)
            continue
        if kind is SERVICES and isinstance(owner, Ours) and name != f"{spec.service.name}{CANARY_SUFFIX}":
            # Whose pods the stable one selects is another question: that moves traffic.
            body = body | {"spec": {key: value for key, value in body["spec"].items() if key != "selector"}}
        if (patch := missing_from(body, present)) is not None:
            found.append(Part(kind, body, _taken_over(patch, present)))
    found += (part for part in _stale(seen, mark, live) if (part.kind, part.body["metadata"]["name"]) not in wanted)
    return tuple(found), taken


def name_taken(what: str, owner: Foreign) -> str:
    """What stands in the way of an object of ours, and what to do."""
    return f"{what} exists and belongs to {owner.who}: rename or delete it"


def _stale(seen: Seen, mark: Mark, live: frozenset[str]) -> Iterator[Part]:
    """What an earlier Canary of this name has made: it is ours from now on, and goes with us."""
    for kind in REMOVED:
        for obj in seen.others[kind].values():
            if isinstance(ownership(obj, mark, live), Stale):
                marks = {"labels": mark.labels, "annotations": mark.annotations}
                yield Part(kind, obj, _taken_over({"metadata": marks}, obj))


def _taken_over(patch: JSON, present: JSON) -> JSON:
    """`patch`, after which nobody takes the object for one that was left behind."""
    if LEFT_LABEL not in (present["metadata"].get("labels") or {}):
        return patch
    metadata = patch.get("metadata") or {}
    return patch | {"metadata": metadata | {"labels": (metadata.get("labels") or {}) | {LEFT_LABEL: None}}}


def _wanted(seen: Seen, spec: CanarySpec, mark: Mark) -> Iterator[tuple[Resource, JSON]]:
    ports = [msgspec.to_builtins(port) for port in spec.service.ports or ()]
    stable, canary = backend_services(
        seen.root, ports, seen.target, label=seen.label, name=spec.service.name, mark=mark
    )
    yield SERVICES, stable
    yield SERVICES, canary
    copied = stable_name(seen.target["metadata"]["name"])
    bounds: JSON = {"target_stable": copied, "mark": mark, "floor": _floor(seen, copied)}
    if spec.autoscaler is not None:
        bounds |= {"min_replicas": spec.autoscaler.min_replicas, "max_replicas": spec.autoscaler.max_replicas}
    scaled = autoscaler_of(seen.others[SCALED_OBJECTS].values(), seen.target)
    hpa = autoscaler_of(seen.others[AUTOSCALERS].values(), seen.target)
    if scaled is not None:
        yield SCALED_OBJECTS, stable_scaled_object(scaled, **bounds)
    elif hpa is not None:
        yield AUTOSCALERS, stable_autoscaler(hpa, **bounds)
    labels = seen.target["spec"]["template"]["metadata"]["labels"]
    theirs = stable_template(seen.target["spec"]["template"], *seen.label)["metadata"]["labels"]
    for budget in seen.others[DISRUPTION_BUDGETS].values():
        selector = stable_selector(seen.target, seen.label)
        copy = stable_budget(budget, candidate=labels, stable=theirs, selector=selector, mark=mark)
        if copy is not None and not isinstance(ownership(budget, mark, frozenset()), Ours):
            yield DISRUPTION_BUDGETS, copy


def _floor(seen: Seen, copied: str) -> int | None:
    """The least size of stable while a rollout runs. Processes that saw it begin at two sizes agree on the larger."""
    if seen.floor is None:
        return None
    stable = {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": copied}}
    scaled = autoscaler_of(seen.others[SCALED_OBJECTS].values(), stable)
    hpa = autoscaler_of(seen.others[AUTOSCALERS].values(), stable)
    present = [scaled["spec"].get("minReplicaCount", 0)] if scaled is not None else []
    present += [hpa["spec"].get("minReplicas", 1)] if hpa is not None else []
    return int(max([seen.floor, *present]))


def leftovers(seen: Mapping[Resource, Mapping[str, JSON]], services: Mapping[str, JSON], mark: Mark) -> tuple[str, ...]:
    """Everything of ours that exists, as `Kind/name`, in the order in which it goes."""
    found = [f"Service/{name}" for name, service in services.items() if isinstance(ownership(service, mark, ()), Ours)]
    for kind in REMOVED:
        found += [
            f"{kind.kind}/{name}" for name, obj in seen[kind].items() if isinstance(ownership(obj, mark, ()), Ours)
        ]
    return tuple(found)


def plain_service(service: Service) -> JSON:
    """A watched Service as plain JSON, with the fields that are compared."""
    spec: JSON = {"type": service.spec.type}
    if service.spec.selector is not None:
        spec["selector"] = service.spec.selector
    spec["ports"] = [_port(msgspec.to_builtins(port)) for port in service.spec.ports or ()]
    return {"apiVersion": "v1", "kind": "Service", "metadata": plain_metadata(service.metadata), "spec": spec}


def _port(port: JSON) -> JSON:
    return {key: value for key, value in port.items() if value not in ("", 0)}
