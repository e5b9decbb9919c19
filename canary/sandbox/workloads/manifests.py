"""The objects that workload controllers create: ReplicaSets, Pods, and what a ReplicaSet counts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from canary.sandbox.workloads.objects import (
    TEMPLATE_HASH_LABEL,
    Deployment,
    Pod,
    ReplicaSet,
    ReplicaSetStatus,
    owner_reference,
)

REVISION_ANNOTATION = "deployment.kubernetes.io/revision"


def replica_set_for(deployment: Deployment, template_hash: str, revision: int, replicas: int) -> dict[str, Any]:
    """The ReplicaSet of the Deployment's current template."""
    meta = deployment.metadata
    template = msgspec.json.decode(msgspec.json.encode(deployment.spec.template))
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    labels[TEMPLATE_HASH_LABEL] = template_hash
    selector = msgspec.to_builtins(deployment.spec.selector)
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": f"{meta.name}-{template_hash}",
            "namespace": meta.namespace,
            "labels": dict(labels),
            "annotations": {REVISION_ANNOTATION: str(revision)},
            "ownerReferences": [owner_reference("apps/v1", "Deployment", meta)],
        },
        "spec": {
            "replicas": replicas,
            "minReadySeconds": deployment.spec.min_ready_seconds,
            "selector": {
                key: value
                for key, value in {
                    "matchLabels": {**(selector["matchLabels"] or {}), TEMPLATE_HASH_LABEL: template_hash},
                    "matchExpressions": selector["matchExpressions"],
                }.items()
                if value
            },
            "template": template,
        },
    }


def revision_of(replica_set: ReplicaSet) -> int:
    """The Deployment's revision that a ReplicaSet carries; 0 when it carries none."""
    text = replica_set.metadata.annotations.get(REVISION_ANNOTATION, "0")
    return int(text) if text.isdecimal() else 0


def pod_for(replica_set: ReplicaSet, suffix: str) -> dict[str, Any]:
    """A Pod of a ReplicaSet; `suffix` makes its name unique."""
    template = replica_set.spec.template
    meta = template.get("metadata") or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{replica_set.metadata.name}-{suffix}",
            "namespace": replica_set.metadata.namespace,
            "labels": meta.get("labels") or {},
            "annotations": meta.get("annotations") or {},
            "ownerReferences": [owner_reference("apps/v1", "ReplicaSet", replica_set.metadata)],
        },
        "spec": template.get("spec") or {},
    }


def replica_set_status(replica_set: ReplicaSet, pods: Sequence[Pod], now: datetime) -> ReplicaSetStatus:
    least = replica_set.spec.min_ready_seconds
    return ReplicaSetStatus(
        observed_generation=replica_set.metadata.generation,
        replicas=len(pods),
        fully_labeled_replicas=len(pods),
        ready_replicas=sum(pod.ready for pod in pods),
        available_replicas=sum(not seconds_to_available(pod, least, now) for pod in pods if pod.ready),
    )


def seconds_to_available(pod: Pod, least: int, now: datetime) -> float:
    """How long a pod that is ready must stay so until it counts as available, which takes `least` seconds in all."""
    since = next((c.last_transition_time for c in pod.status.conditions or () if c.type == "Ready"), None)
    if not least or not since:
        return 0.0
    return max(0.0, least - (now - datetime.fromisoformat(since)).total_seconds())
