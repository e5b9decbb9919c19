"""The manifests of a demo application in managed mode: a Deployment, its root Service, and what may be beside them."""

from __future__ import annotations

from typing import Any

from canary.api.names import API_VERSION, KIND
from canary.sandbox.app import PORT, TARGET_PORT, App, Release, behaviour_annotations
from canary.sandbox.mesh.modelled import RATE_ANNOTATION

GIT_MARK = {"argocd.argoproj.io/tracking-id": "shop:/Service:shop/podinfo"}
"""What Argo CD puts on an object that it keeps as it is in Git."""


def deployment(
    app: App, release: Release, *, replicas: int | None = None, config: str = "", env: str = "", **template: Any
) -> dict[str, Any]:
    """The user's Deployment. Without `replicas` the manifest leaves them to others.

    `config` names a ConfigMap that is mounted, `env` one that is read into the environment; `template` are annotations
    of the pods beside those of the release.
    """
    labels = {"app": app.name}
    container: dict[str, Any] = {
        "name": app.name,
        "image": f"sandbox/{app.name}:{release.version}",
        "ports": [{"name": "http", "containerPort": TARGET_PORT}],
    }
    pod: dict[str, Any] = {"containers": [container]}
    if config:
        pod["volumes"] = [{"name": "config", "configMap": {"name": config}}]
        container["volumeMounts"] = [{"name": "config", "mountPath": "/etc/config"}]
    if env:
        container["envFrom"] = [{"configMapRef": {"name": env}}]
    spec: dict[str, Any] = {
        "selector": {"matchLabels": dict(labels)},
        "template": {
            "metadata": {"labels": dict(labels), "annotations": behaviour_annotations(release) | template},
            "spec": pod,
        },
    }
    if replicas is not None:
        spec["replicas"] = replicas
    metadata = {"name": app.name, "namespace": app.namespace, "labels": dict(labels)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def root(app: App, *, rate: float, git: bool = False) -> dict[str, Any]:
    """The root Service, which selects the Deployment's pods; `git` marks it as kept in Git."""
    annotations = {RATE_ANNOTATION: f"{rate:g}"} | (GIT_MARK if git else {})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": app.name, "namespace": app.namespace, "annotations": annotations},
        "spec": {
            "selector": {"app": app.name},
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        },
    }


def autoscaler(app: App, *, fewest: int = 2, most: int = 6) -> dict[str, Any]:
    """A HorizontalPodAutoscaler of the Deployment."""
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": app.name, "namespace": app.namespace},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": app.name},
            "minReplicas": fewest,
            "maxReplicas": most,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
    }


def config_map(app: App, name: str, **data: str) -> dict[str, Any]:
    """Configuration that pods read."""
    metadata = {"name": name, "namespace": app.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def canary(app: App, **overrides: Any) -> dict[str, Any]:
    """A Canary of the Deployment with short steps; `overrides` replace fields of the spec."""
    spec: dict[str, Any] = {
        "targetRef": {"name": app.name},
        "service": {"name": app.name, "adopt": "Force"},
        "traffic": {"settle": "2s"},
        "steps": [{"weight": 10, "hold": "30s"}, {"weight": 50, "hold": "30s"}],
        "analysis": {"interval": "10s", "warmup": "5s"},
    }
    metadata = {"name": app.name, "namespace": app.namespace}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec | overrides}
