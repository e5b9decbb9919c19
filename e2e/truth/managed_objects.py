"""The objects of managed mode that scenarios and sequences send."""

from __future__ import annotations

from typing import Any

from canary.kube.resources import Resource

AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget")
CONTROLLER_REVISIONS = Resource("apps", "v1", "controllerrevisions", "ControllerRevision")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
SECRETS = Resource("", "v1", "secrets", "Secret")

_PODS: dict[str, Any] = {"matchLabels": {"app": "web"}}


def autoscaler(name: str = "web", /, **spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    cpu = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
    full = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 5, "metrics": [cpu], **spec}
    return {"metadata": {"name": name}, "spec": full}


def budget(name: str = "web", /, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": _PODS, **(spec or {"minAvailable": 1})}}


def controller_revision(name: str = "web", /, **fields: Any) -> dict[str, Any]:
    """A pod template as one is kept there."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    return {"metadata": {"name": name}, "revision": 1, "data": {"template": template}, **fields}


def network_policy(name: str = "web", /, **spec: Any) -> dict[str, Any]:
    rule = {"from": [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": 80}]}
    return {"metadata": {"name": name}, "spec": {"podSelector": _PODS, "ingress": [rule], **spec}}


def replica_set(name: str = "web", /, **spec: Any) -> dict[str, Any]:
    """One that makes no Pods, and that neither a Deployment nor a Pod of another sequence's making belongs to."""
    labels = {"set": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
    return {
        "metadata": {"name": name},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template, **spec},
    }


def secret(name: str = "web", /, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "stringData": {"key": "value"}, **fields}


_RICH_POD: dict[str, Any] = {
    "serviceAccountName": "web",
    "volumes": [
        {"name": "config", "configMap": {"name": "web"}},
        {"name": "secret", "secret": {"secretName": "web"}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "nothing"},
        {"name": "host", "hostPath": {"path": "/var/log"}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "web"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {
            "name": "both",
            "projected": {
                "sources": [
                    {"configMap": {"name": "web"}},
                    {"serviceAccountToken": {"path": "token"}},
                    {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}},
                ]
            },
        },
    ],
    "initContainers": [
        {"name": "first", "image": "busybox"},
        {"name": "sidecar", "image": "proxy:1", "restartPolicy": "Always", "startupProbe": {"tcpSocket": {"port": 1}}},
    ],
    "containers": [
        {
            "name": "web",
            "image": "registry:5000/web",
            "ports": [{"containerPort": 80}, {"containerPort": 53, "protocol": "UDP", "name": "dns"}],
            "env": [
                {"name": "PLAIN", "value": "1"},
                {"name": "EMPTY"},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                {"name": "KEY", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "key"}}},
            ],
            "envFrom": [{"configMapRef": {"name": "web"}}, {"prefix": "S_", "secretRef": {"name": "web"}}],
            "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"cpu": 0.25}},
            "readinessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 5},
            "livenessProbe": {"grpc": {"port": 80}},
            "startupProbe": {"exec": {"command": ["true"]}, "failureThreshold": 30},
            "lifecycle": {"preStop": {"httpGet": {"port": 80}}, "postStart": {"exec": {"command": ["true"]}}},
            "volumeMounts": [{"name": "config", "mountPath": "/config", "readOnly": True}],
            "securityContext": {"runAsNonRoot": True},
        },
        {"name": "pinned", "image": "web@sha256:" + "0" * 64},
    ],
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}},
        }
    ],
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
            ]
        }
    },
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
}


def rich_deployment(name: str = "web", /, **spec: Any) -> dict[str, Any]:
    """A Deployment, paused, with as much in its pod template as defaults are filled into."""
    template = {"metadata": {"labels": {"app": "web"}, "annotations": {"a": "1"}}, "spec": _RICH_POD}
    full = {"replicas": 0, "paused": True, "selector": _PODS, "template": template, **spec}
    return {"metadata": {"name": name}, "spec": full}
