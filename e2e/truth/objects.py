"""The objects that scenarios send."""

from __future__ import annotations

from typing import Any

from canary.kube.resources import Resource

CANARIES = Resource("canary.delivery", "v1beta1", "canaries", "Canary")
SPLITS = Resource("split.smi-spec.io", "v1alpha4", "trafficsplits", "TrafficSplit")
OLD_SPLITS = tuple(
    Resource(SPLITS.group, version, SPLITS.plural, SPLITS.kind) for version in ("v1alpha1", "v1alpha2", "v1alpha3")
)
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")


def canary(name: str = "web", /, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, **metadata},
        "spec": {
            "backends": {"stable": "web-v1", "canary": "web-v2"},
            "service": {"name": "web"},
            "steps": [{"weight": 10, "hold": "1m"}],
        },
    }


def split(name: str = "web", /, *, weight: Any = 5, **metadata: Any) -> dict[str, Any]:
    backends = [{"service": "web-v2", "weight": weight}, {"service": "web-v1", "weight": 95}]
    return {"metadata": {"name": name, **metadata}, "spec": {"service": "web", "backends": backends}}


def service(name: str = "web", /, **metadata: Any) -> dict[str, Any]:
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    return {"metadata": {"name": name, **metadata}, "spec": {"selector": {"app": name}, "ports": ports}}


def config_map(name: str = "web", /, data: dict[str, str] | None = None, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **metadata}, "data": data or {"key": "value"}}


def lease(name: str = "canary", /, holder: str = "a", **metadata: Any) -> dict[str, Any]:
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.123456Z",
        "leaseTransitions": 0,
    }
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def event(namespace: str, name: str = "web.1", /, **fields: Any) -> dict[str, Any]:
    about = {"apiVersion": CANARIES.api_version, "kind": "Canary", "name": "web", "namespace": namespace}
    return {
        "metadata": {"name": name},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "canary.delivery/controller",
        "reportingInstance": "canary-1",
        "action": "Advance",
        "reason": "Advanced",
        "regarding": about,
        "note": "weight 5",
        "type": "Normal",
        **fields,
    }


def deployment(name: str = "web", /, replicas: int = 0, **metadata: Any) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


def owner(kind: Resource, stored: dict[str, Any], **fields: Any) -> dict[str, Any]:
    metadata = stored["metadata"]
    reference = {"apiVersion": kind.api_version, "kind": kind.kind, "name": metadata["name"], "uid": metadata["uid"]}
    return {**reference, **fields}


def changed(stored: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """`stored` with whole parts replaced."""
    return {**stored, **parts}


def relabelled(stored: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """`stored` with fields of its metadata replaced; `None` removes one."""
    merged = {**stored["metadata"], **metadata}
    return {**stored, "metadata": {key: value for key, value in merged.items() if value is not None}}
