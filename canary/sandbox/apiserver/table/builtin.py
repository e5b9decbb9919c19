"""Columns of the built-in kinds, as the real server has them; NAME and AGE for a kind that has none here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.table import events, pods
from canary.sandbox.apiserver.table.columns import AGE, NAME, Cell, Column, Object, custom_columns, dig, labels, listed


def columns_for(kind: ResourceType) -> tuple[Column, ...]:
    """The columns of one version of a resource. Raises `jsonpath.PathError` as `custom_columns` does."""
    if kind.custom:
        return custom_columns(kind.columns)
    return _BUILTIN.get((kind.group, kind.plural), (NAME, AGE))


def _at(*path: str, default: Any = "") -> Cell:
    """A cell with the value at `path`."""

    def cell(obj: Object, _now: datetime) -> Any:
        found = dig(obj, *path)
        return default if found is None else found

    return cell


def _size(*fields: str) -> Cell:
    return lambda obj, _now: sum(len(obj.get(field) or {}) for field in fields)


def _ready(obj: Object, _now: datetime) -> str:
    replicas = dig(obj, "spec", "replicas")
    return f"{dig(obj, 'status', 'readyReplicas') or 0}/{1 if replicas is None else replicas}"


def _containers(field: str) -> Cell:
    def cell(obj: Object, _now: datetime) -> str:
        found = dig(obj, "spec", "template", "spec", "containers") or []
        return ",".join(each.get(field, "") for each in found)

    return cell


def _selector(obj: Object, _now: datetime) -> str:
    selector = dig(obj, "spec", "selector") or {}
    terms = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    terms.extend(_expression(term) for term in selector.get("matchExpressions") or [])
    return ",".join(terms)


def _expression(term: Object) -> str:
    operator, key = term.get("operator"), term.get("key", "")
    if operator in ("Exists", "DoesNotExist"):
        return key if operator == "Exists" else f"!{key}"
    return f"{key} {'in' if operator == 'In' else 'notin'} ({','.join(term.get('values') or ())})"


def _cluster_ip(service: Object, _now: datetime) -> str:
    return (dig(service, "spec", "clusterIPs") or [dig(service, "spec", "clusterIP")])[0] or "<none>"


def _external_ip(service: Object, _now: datetime) -> str:
    spec = service.get("spec") or {}
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    ingress = dig(service, "status", "loadBalancer", "ingress") or []
    balanced = [each.get("ip") or each.get("hostname", "") for each in ingress]
    found = [*(balanced if spec.get("type") == "LoadBalancer" else ()), *(spec.get("externalIPs") or ())]
    return ",".join(found) or ("<pending>" if spec.get("type") == "LoadBalancer" else "<none>")


def _service_ports(service: Object, _now: datetime) -> str:
    def one(port: Object) -> str:
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"

    return ",".join(map(one, dig(service, "spec", "ports") or [])) or "<none>"


def _slice_ports(endpoints: Object, _now: datetime) -> str:
    ports = endpoints.get("ports") or []
    return "<unset>" if not ports else listed(str(each.get("port") or each.get("name") or "*") for each in ports)


def _slice_addresses(endpoints: Object, _now: datetime) -> str:
    every = [address for each in endpoints.get("endpoints") or [] for address in each.get("addresses") or []]
    return listed(every) if every else "<unset>"


_WORKLOAD_WIDE = (
    Column("Containers", _containers("name"), priority=1),
    Column("Images", _containers("image"), priority=1),
    Column("Selector", _selector, priority=1),
)


def _counts(*fields: tuple[str, tuple[str, str]]) -> tuple[Column, ...]:
    return tuple(Column(name, _at(*path, default=0), type="integer") for name, path in fields)


_BUILTIN: dict[tuple[str, str], tuple[Column, ...]] = {
    ("", "namespaces"): (NAME, Column("Status", _at("status", "phase")), AGE),
    ("", "pods"): pods.COLUMNS,
    ("", "services"): (
        NAME,
        Column("Type", _at("spec", "type", default="ClusterIP")),
        Column("Cluster-IP", _cluster_ip),
        Column("External-IP", _external_ip),
        Column("Port(s)", _service_ports),
        AGE,
        Column("Selector", lambda obj, _now: labels(dig(obj, "spec", "selector")), priority=1),
    ),
    ("", "configmaps"): (NAME, Column("Data", _size("data", "binaryData")), AGE),
    ("", "secrets"): (NAME, Column("Type", _at("type", default="Opaque")), Column("Data", _size("data")), AGE),
    ("", "events"): events.COLUMNS,
    ("events.k8s.io", "events"): events.COLUMNS,
    ("discovery.k8s.io", "endpointslices"): (
        NAME,
        Column("AddressType", _at("addressType")),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    ("apps", "deployments"): (
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", _at("status", "updatedReplicas", default=0)),
        Column("Available", _at("status", "availableReplicas", default=0)),
        AGE,
        *_WORKLOAD_WIDE,
    ),
    ("apps", "replicasets"): (
        NAME,
        *_counts(
            ("Desired", ("spec", "replicas")),
            ("Current", ("status", "replicas")),
            ("Ready", ("status", "readyReplicas")),
        ),
        AGE,
        *_WORKLOAD_WIDE,
    ),
    ("apps", "statefulsets"): (NAME, Column("Ready", _ready), AGE, *_WORKLOAD_WIDE[:2]),
    ("coordination.k8s.io", "leases"): (NAME, Column("Holder", _at("spec", "holderIdentity")), AGE),
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        NAME,
        Column("Created At", _at("metadata", "creationTimestamp"), type="date"),
    ),
}
