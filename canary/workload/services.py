"""The Services of managed mode: the two backends, and the root, made anew or pointed at stable."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from canary.api.names import CONTROLLER_MANAGER, ORIGINAL_SELECTOR_ANNOTATION
from canary.api.tracking import claim_on
from canary.workload.claims import SELECTOR, managed_fields
from canary.workload.ownership import CANARY_SUFFIX, STABLE_SUFFIX, Mark
from canary.workload.stable import SideLabel, Unsupported

JSON = dict[str, Any]
Port = Mapping[str, Any]

_PORT_FIELDS = ("name", "protocol", "port", "targetPort", "appProtocol")
_FAMILY_FIELDS = ("ipFamilyPolicy", "ipFamilies")


class UnknownPorts(Unsupported):
    """Nothing says which ports the Services should have."""


def side_selectors(target: Mapping[str, Any], label: SideLabel) -> tuple[dict[str, str], dict[str, str]]:
    """What Services select: stable's pods, and the candidate's. matchExpressions have no place in a Service."""
    labels = target["spec"]["selector"]["matchLabels"]
    return labels | {label.key: label.stable}, dict(labels)


def backend_services(
    root: Mapping[str, Any] | None,
    ports: Sequence[Port],
    target: Mapping[str, Any],
    *,
    label: SideLabel,
    name: str,
    mark: Mark,
) -> tuple[JSON, JSON]:
    """The Services `<name>-stable` and `<name>-canary`.

    Both have the ports of `spec.service.ports` (`ports`) and every other one of the root Service, where it exists:
    meshes leave out a backend that lacks a port. Raises `UnknownPorts`.
    """
    stable, canary = side_selectors(target, label)
    found = service_ports(root, ports, target)
    return (
        _service(name + STABLE_SUFFIX, stable, found, root, mark),
        _service(name + CANARY_SUFFIX, canary, found, root, mark),
    )


def root_service(name: str, ports: Sequence[Port], target: Mapping[str, Any], *, label: SideLabel, mark: Mark) -> JSON:
    """The root Service where there is none: it selects stable, so that without a split stable serves.

    Raises `UnknownPorts`.
    """
    stable, _ = side_selectors(target, label)
    return _service(name, stable, service_ports(None, ports, target), None, mark)


def service_ports(root: Mapping[str, Any] | None, ports: Sequence[Port], target: Mapping[str, Any]) -> list[JSON]:
    """The ports that were declared, then those that only the root has; without any, those of the containers.

    Each once by number and protocol, with a name when there are several: the API server demands it. Raises
    `UnknownPorts`.
    """
    found: dict[tuple[int, str], JSON] = {}
    for port in (*ports, *_root_ports(root)) or tuple(_container_ports(target)):
        taken = {key: port[key] for key in _PORT_FIELDS if port.get(key)}
        found.setdefault((taken["port"], taken.get("protocol", "TCP")), taken)
    if not found:
        raise UnknownPorts("spec.service.ports is empty and the target's containers name no ports: name those to serve")
    return _named(list(found.values()))


def pointed_root(root: Mapping[str, Any], selector: Mapping[str, str]) -> JSON:
    """The live root Service with another selector; what it had at first is kept in an annotation, once and for all."""
    result = copy.deepcopy(dict(root))
    before = result["spec"].get("selector") or {}
    if before != selector:
        annotations = result["metadata"].get("annotations") or {}
        annotations.setdefault(ORIGINAL_SELECTOR_ANNOTATION, json.dumps(before, sort_keys=True, separators=(",", ":")))
        result["metadata"]["annotations"] = annotations
        result["spec"]["selector"] = dict(selector)
    return result


def original_selector(root: Mapping[str, Any]) -> dict[str, str] | None:
    """What the root selected before it was pointed at stable; `None` when it was not, or when nobody can read it."""
    annotations = root["metadata"].get("annotations") or {}
    try:
        return msgspec.json.decode(annotations.get(ORIGINAL_SELECTOR_ANNOTATION, ""), type=dict[str, str])
    except msgspec.MsgspecError:
        return None


def managed_elsewhere(root: Mapping[str, Any], ours: str = CONTROLLER_MANAGER) -> str:
    """Who would put the root's selector back, in words: why `adopt: IfFree` leaves it alone. Empty when nobody would.

    Another manager that applies `spec.selector`, or Helm's, Argo CD's or Flux's tracking marks.
    """
    metadata = root["metadata"]
    entries = managed_fields(root)
    return claim_on(SELECTOR, entries, metadata.get("labels") or {}, metadata.get("annotations") or {}, ours) or ""


def _service(
    name: str, selector: Mapping[str, str], ports: list[JSON], root: Mapping[str, Any] | None, mark: Mark
) -> JSON:
    families = (root or {}).get("spec") or {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": mark.metadata(name, root),
        "spec": {
            "type": "ClusterIP",
            "selector": dict(selector),
            "ports": copy.deepcopy(ports),
            **{key: copy.deepcopy(families[key]) for key in _FAMILY_FIELDS if families.get(key)},
        },
    }


def _root_ports(root: Mapping[str, Any] | None) -> tuple[Port, ...]:
    return tuple(((root or {}).get("spec") or {}).get("ports") or ())


def _container_ports(target: Mapping[str, Any]) -> Iterator[JSON]:
    spec = target["spec"]["template"].get("spec") or {}
    for container in spec.get("containers") or ():
        for port in container.get("ports") or ():
            named = {key: port[key] for key in ("name", "protocol") if port.get(key)}
            # By name where there is one: a revision may move the port.
            yield named | {"port": port["containerPort"], "targetPort": port.get("name") or port["containerPort"]}


def _named(ports: list[JSON]) -> list[JSON]:
    if len(ports) == 1:
        return ports
    names = _names(ports)
    return [port | {"name": next(names)} for port in ports]


def _names(ports: Iterable[JSON]) -> Iterator[str]:
    """The name of each port; one that is missing or taken is made of protocol and number."""
    used: set[str] = set()
    for port in ports:
        name = port.get("name", "")
        if not name or name in used:
            name = f"{port.get('protocol', 'TCP').lower()}-{port['port']}"
        while name in used:
            name += "x"
        used.add(name)
        yield name
