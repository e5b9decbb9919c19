"""What a user of managed mode keeps in Git: one Deployment, perhaps with a Service, an autoscaler and a budget."""

from __future__ import annotations

from typing import Any

from canary.api.names import API_VERSION, KIND
from e2e.shop import NAME

STABLE, CANARY = f"{NAME}-stable", f"{NAME}-canary"
"""The Services of the two sides; the stable copy of the Deployment has the name of the first."""
LABELS = {"app": NAME}
STABLE_LABELS = {"app": STABLE}
JSON = dict[str, Any]


def target(version: str = "1", *, replicas: int | None = None, config: bool = False, **template: Any) -> JSON:
    """The Deployment with this version of the image; `template` are annotations of its Pods."""
    container: JSON = {"name": "web", "image": f"web:{version}"}
    if config:
        container["envFrom"] = [{"configMapRef": {"name": NAME}}]
    pods = {"metadata": {"labels": LABELS, "annotations": template}, "spec": {"containers": [container]}}
    spec: JSON = {"selector": {"matchLabels": LABELS}, "template": pods}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": NAME}, "spec": spec}


def root(**metadata: Any) -> JSON:
    """The Service in front of the Deployment."""
    spec = {"selector": LABELS, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME, **metadata}, "spec": spec}


def autoscaler(minimum: int = 2, maximum: int = 4) -> JSON:
    """Without a metrics API it keeps replicas within its bounds."""
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": minimum,
        "maxReplicas": maximum,
        "metrics": [{"type": "Resource", "resource": cpu}],
    }
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler"}
    return {**kind, "metadata": {"name": NAME}, "spec": spec}


def budget(minimum: int = 1) -> JSON:
    spec = {"minAvailable": minimum, "selector": {"matchLabels": LABELS}}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": NAME}, "spec": spec}


def config(**data: str) -> JSON:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data}


def canary(**overrides: Any) -> JSON:
    """The Canary, with steps and windows as short as they may be; `overrides` replace fields of its spec."""
    spec: JSON = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "service": {"name": NAME},
        "traffic": {"settle": "1s"},
        "steps": [{"weight": 20, "hold": "1s"}, {"weight": 60, "hold": "1s"}],
        "analysis": {"interval": "1s", "warmup": "0s"},
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": NAME}, "spec": {**spec, **overrides}}
