"""What a user has: a Deployment `podinfo` with a Service, an autoscaler and a budget. Overrides go into `spec`."""

from __future__ import annotations

from typing import Any

from canary.workload.ownership import Mark
from canary.workload.stable import SideLabel

KEY, VALUE = "app", "podinfo"
LABEL = SideLabel(KEY, VALUE)
LABELS = {KEY: VALUE, "tier": "web"}
STABLE_LABELS = {KEY: "podinfo-stable", "tier": "web"}
MARK = Mark("shop", "podinfo", "uid-1")
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "podinfo"}


def obj(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "shop"} | metadata, "spec": spec}


def template(**spec: Any) -> dict[str, Any]:
    container = {"name": "web", "image": "podinfo:1", "ports": [{"name": "http", "containerPort": 9898}]}
    return {"metadata": {"labels": dict(LABELS)}, "spec": {"containers": [container]} | spec}


def target(name: str = "podinfo", **spec: Any) -> dict[str, Any]:
    fields = {"replicas": 3, "selector": {"matchLabels": {KEY: VALUE}}, "template": template()} | spec
    return {"apiVersion": "apps/v1", **obj("Deployment", name, fields)}


def service(name: str = "podinfo", **spec: Any) -> dict[str, Any]:
    port = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP", "nodePort": 30080}
    fields = {"selector": {KEY: VALUE}, "ports": [port], "type": "ClusterIP", "clusterIP": "10.96.0.7"} | spec
    return {"apiVersion": "v1", **obj("Service", name, fields)}


def hpa(name: str = "podinfo", **spec: Any) -> dict[str, Any]:
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    fields = {"scaleTargetRef": DEPLOYMENT, "minReplicas": 2, "maxReplicas": 10, "metrics": [cpu]} | spec
    return {"apiVersion": "autoscaling/v2", **obj("HorizontalPodAutoscaler", name, fields)}


def scaled_object(name: str = "podinfo", **spec: Any) -> dict[str, Any]:
    trigger = {"type": "prometheus", "metadata": {"query": "sum(rate(requests[1m]))", "threshold": "100"}}
    fields = {"scaleTargetRef": {"name": "podinfo"}, "triggers": [trigger]} | spec
    return {"apiVersion": "keda.sh/v1alpha1", **obj("ScaledObject", name, fields)}


def budget(name: str = "podinfo", **spec: Any) -> dict[str, Any]:
    fields = {"minAvailable": 1, "selector": {"matchLabels": {KEY: VALUE}}} | spec
    return {"apiVersion": "policy/v1", **obj("PodDisruptionBudget", name, fields)}
