"""An aggregated API without nodes: a Service of type ExternalName that names this machine.

Source: Kubernetes documentation, "Configure the Aggregation Layer". Works while the API server routes to Services by
name, that is without `--enable-aggregator-routing`.
"""

from __future__ import annotations

import base64
from typing import Any

AGGREGATION_NAMESPACE = "kube-system"


def host_name(group: str) -> str:
    """The name that the certificate of the server must carry as a DNS name."""
    return f"{_service(group)}.{AGGREGATION_NAMESPACE}.svc"


def registration(group: str, version: str, port: int, ca: bytes) -> list[dict[str, Any]]:
    """The Service and the APIService; `ca` is PEM."""
    name = _service(group)
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": AGGREGATION_NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": f"{version}.{group}"},
            "spec": {
                "group": group,
                "version": version,
                "service": {"name": name, "namespace": AGGREGATION_NAMESPACE, "port": port},
                "caBundle": base64.b64encode(ca).decode(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def _service(group: str) -> str:
    return group.replace(".", "-")
