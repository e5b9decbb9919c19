"""The objects that workload controllers create: ReplicaSets, Pods, and the statuses of all three kinds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from canary.sandbox.workloads.objects import (
    TEMPLATE_HASH_LABEL,
    Deployment,
    DeploymentStatus,
    Pod,
    ReplicaSet,
    ReplicaSetStatus,
    StatusCondition,
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


def pod_status(pod: Pod, ip: str, ready: bool, now: str) -> dict[str, Any]:
    """The status of a Pod whose containers run, and are `ready` or not."""
    before = {condition.type: condition for condition in pod.status.conditions or ()}
    state = "True" if ready else "False"
    wanted = {"PodScheduled": "True", "Initialized": "True", "ContainersReady": state, "Ready": state}
    return {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "hostIP": "127.0.0.1",
        "startTime": pod.metadata.creation_timestamp,
        "conditions": [
            {"type": name, "status": status, "lastTransitionTime": _since(before.get(name), status, now)}
            for name, status in wanted.items()
        ],
        "containerStatuses": [
            {
                "name": container.get("name", ""),
                "image": container.get("image", ""),
                "imageID": container.get("image", ""),
                "ready": ready,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": pod.metadata.creation_timestamp}},
            }
            for container in pod.spec.containers
        ],
    }


def replica_set_status(replica_set: ReplicaSet, pods: Sequence[Pod]) -> ReplicaSetStatus:
    ready = sum(pod.ready for pod in pods)
    return ReplicaSetStatus(
        observed_generation=replica_set.metadata.generation,
        replicas=len(pods),
        fully_labeled_replicas=len(pods),
        ready_replicas=ready,
        available_replicas=ready,
    )


def deployment_status(
    deployment: Deployment, new: ReplicaSet, sets: Sequence[ReplicaSet], unavailable: int, now: str
) -> DeploymentStatus:
    """The status of a Deployment with ReplicaSets `sets`, `new` among them; `unavailable` pods may be missing."""
    wanted = deployment.replicas
    total = sum(s.status.replicas for s in sets)
    available = sum(s.status.available_replicas for s in sets)
    complete = new.status.replicas == new.status.available_replicas == total == wanted
    before = {condition.type: condition for condition in deployment.status.conditions or ()}
    conditions = (
        _available(available >= wanted - unavailable),
        _progressing(new.metadata.name, complete),
    )
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=total,
        updated_replicas=new.status.replicas,
        ready_replicas=sum(s.status.ready_replicas for s in sets),
        available_replicas=available,
        unavailable_replicas=max(0, wanted - available),
        conditions=tuple(_condition(before.get(c.type), c, now) for c in conditions),
    )


def _available(enough: bool) -> StatusCondition:
    if enough:
        return StatusCondition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return StatusCondition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _progressing(name: str, complete: bool) -> StatusCondition:
    if complete:
        message = f'ReplicaSet "{name}" has successfully progressed.'
        return StatusCondition("Progressing", "True", "NewReplicaSetAvailable", message)
    return StatusCondition("Progressing", "True", "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')


def _condition(before: StatusCondition | None, after: StatusCondition, now: str) -> StatusCondition:
    same = before is not None and (before.status, before.reason, before.message) == (
        after.status,
        after.reason,
        after.message,
    )
    if before is not None and same:
        return before
    return msgspec.structs.replace(after, last_update_time=now, last_transition_time=_since(before, after.status, now))


def _since(before: StatusCondition | None, status: str, now: str) -> str:
    """A condition keeps the time of its last change of status."""
    if before is not None and before.status == status and before.last_transition_time:
        return before.last_transition_time
    return now
