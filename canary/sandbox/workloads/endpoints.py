"""The EndpointSlice of a Service: which of its pods may be called, and where."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from canary.sandbox.workloads.objects import Pod, Service, ServicePort, owner_reference

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"


def slice_name(service: Service) -> str:
    """One slice per Service, named for the Service's life: a Service made anew gets another."""
    digest = hashlib.sha256(service.metadata.uid.encode()).hexdigest()
    return f"{service.metadata.name}-{digest[:5]}"


def slice_for(service: Service, pods: Sequence[Pod]) -> dict[str, Any]:
    """The EndpointSlice of `service` with those of its `pods` that have an address; the Service's labels are kept."""
    addressed = sorted((pod for pod in pods if pod.status.pod_ip), key=lambda pod: pod.metadata.name)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(service),
            "namespace": service.metadata.namespace,
            "labels": {
                **service.metadata.labels,
                SERVICE_NAME_LABEL: service.metadata.name,
                MANAGED_BY_LABEL: MANAGER,
            },
            "ownerReferences": [owner_reference("v1", "Service", service.metadata)],
        },
        "addressType": "IPv4",
        "endpoints": [_endpoint(pod) for pod in addressed],
        "ports": [
            {"name": port.name, "protocol": port.protocol, "port": _target(port, addressed)}
            for port in service.spec.ports or ()
        ],
    }


def _endpoint(pod: Pod) -> dict[str, Any]:
    terminating = pod.metadata.deletion_timestamp is not None
    return {
        "addresses": [pod.status.pod_ip],
        "conditions": {"ready": pod.ready and not terminating, "serving": pod.ready, "terminating": terminating},
        "targetRef": {
            "kind": "Pod",
            "namespace": pod.metadata.namespace,
            "name": pod.metadata.name,
            "uid": pod.metadata.uid,
        },
    }


def _target(port: ServicePort, pods: Sequence[Pod]) -> int:
    """The number behind a target port; a name is looked up in the pods' containers."""
    if not isinstance(port.target_port, str):
        return port.target_port or port.port
    declared = (p for pod in pods for container in pod.spec.containers for p in container.get("ports") or ())
    return next((int(p["containerPort"]) for p in declared if p.get("name") == port.target_port), port.port)
