"""What a Deployment says of its rollout: its counts and its conditions Available and Progressing.

Source: Kubernetes, Deployments, "Deployment status" and "Progress Deadline Seconds"; k8s.io/kubernetes, package
controller/deployment, `syncRolloutStatus`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum

import msgspec

from canary.sandbox.workloads.objects import Deployment, DeploymentStatus, ReplicaSet, StatusCondition

_NO_DEADLINE = 2**31 - 1
_AVAILABLE, _EXCEEDED = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"


class Found(Enum):
    """How the controller came by the ReplicaSet of the current template."""

    CREATED = "created"
    EXISTING = "existing"
    NONE = "none"
    """A paused Deployment makes none."""


def counted(deployment: Deployment, new: ReplicaSet | None, sets: Sequence[ReplicaSet]) -> DeploymentStatus:
    """The status without conditions of a Deployment with ReplicaSets `sets`, `new` among them."""
    available = sum(s.status.available_replicas for s in sets)
    return DeploymentStatus(
        observed_generation=deployment.metadata.generation,
        replicas=sum(s.status.replicas for s in sets),
        updated_replicas=0 if new is None else new.status.replicas,
        ready_replicas=sum(s.status.ready_replicas for s in sets),
        available_replicas=available,
        unavailable_replicas=max(0, deployment.replicas - available),
    )


def deployment_status(
    deployment: Deployment,
    new: ReplicaSet | None,
    sets: Sequence[ReplicaSet],
    found: Found,
    unavailable: int,
    now: datetime,
) -> DeploymentStatus:
    """The whole status; `unavailable` pods may be missing while the Deployment is called available."""
    status = counted(deployment, new, sets)
    before = {condition.type: condition for condition in deployment.status.conditions or ()}
    enough = status.available_replicas >= deployment.replicas - unavailable
    conditions = [_written(before.get("Available"), _available(enough), now)]
    progressing = _progressing(deployment, status, new, found, before.get("Progressing"), now)
    if progressing is not None:
        conditions.append(progressing)
    return msgspec.structs.replace(status, conditions=tuple(conditions))


def seconds_left(status: DeploymentStatus, deadline: int | None, now: datetime) -> float | None:
    """The time until a rollout that stands still has failed; `None` when it cannot."""
    condition = next((c for c in status.conditions or () if c.type == "Progressing"), None)
    if condition is None or not _has(deadline) or condition.status != "True" or condition.reason == _AVAILABLE:
        return None
    return max(1.0, (_deadline(condition, deadline or 0) - now).total_seconds() + 1.0)


def _has(deadline: int | None) -> bool:
    return deadline is not None and deadline != _NO_DEADLINE


def _progressing(
    deployment: Deployment,
    status: DeploymentStatus,
    new: ReplicaSet | None,
    found: Found,
    before: StatusCondition | None,
    now: datetime,
) -> StatusCondition | None:
    deadline = deployment.spec.progress_deadline_seconds
    if deployment.spec.paused:
        return _paused(before, now) if _has(deadline) else before
    if not _has(deadline) or new is None:
        return None
    name = new.metadata.name
    before = _begun(before, name, found, now)
    if status.replicas == status.updated_replicas and before is not None and before.reason == _AVAILABLE:
        return before
    if status.updated_replicas == status.replicas == status.available_replicas == deployment.replicas:
        return _written(before, _word(True, _AVAILABLE, f'ReplicaSet "{name}" has successfully progressed.'), now)
    if _has_moved(deployment.status, status):
        word = _word(True, "ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        return _written(before, word, now, anew=True)
    if before is not None and _is_late(before, deadline or 0, now):
        return _written(before, _word(False, _EXCEEDED, f'ReplicaSet "{name}" has timed out progressing.'), now)
    return before


def _paused(before: StatusCondition | None, now: datetime) -> StatusCondition | None:
    if before is not None and before.reason == _EXCEEDED:
        return before
    return _written(before, StatusCondition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"), now)


def _begun(before: StatusCondition | None, name: str, found: Found, now: datetime) -> StatusCondition | None:
    """The condition as it is once the ReplicaSet is there and the Deployment is not paused any more."""
    if before is not None and before.reason == "DeploymentPaused":
        resumed = StatusCondition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
        before = _written(before, resumed, now)
    if found is Found.CREATED:
        return _written(before, _word(True, "NewReplicaSetCreated", f'Created new replica set "{name}"'), now)
    if before is None:
        return _written(None, _word(True, "FoundNewReplicaSet", f'Found new replica set "{name}"'), now)
    return before


def _has_moved(old: DeploymentStatus, new: DeploymentStatus) -> bool:
    return (
        new.updated_replicas > old.updated_replicas
        or new.replicas - new.updated_replicas < old.replicas - old.updated_replicas
        or new.ready_replicas > old.ready_replicas
        or new.available_replicas > old.available_replicas
    )


def _is_late(condition: StatusCondition, deadline: int, now: datetime) -> bool:
    if condition.reason == _AVAILABLE:
        return False
    return condition.reason == _EXCEEDED or now > _deadline(condition, deadline)


def _deadline(condition: StatusCondition, deadline: int) -> datetime:
    return datetime.fromisoformat(condition.last_update_time or "") + timedelta(seconds=deadline)


def _available(enough: bool) -> StatusCondition:
    if enough:
        return StatusCondition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    return StatusCondition(
        "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability."
    )


def _word(good: bool, reason: str, message: str) -> StatusCondition:
    return StatusCondition("Progressing", "True" if good else "False", reason, message)


def _written(
    before: StatusCondition | None, after: StatusCondition, now: datetime, *, anew: bool = False
) -> StatusCondition:
    """`after` with its times. The same status and reason are not written again, unless `anew`: something moved."""
    if not anew and before is not None and (before.status, before.reason) == (after.status, after.reason):
        return before
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = before is not None and before.status == after.status
    since = before.last_transition_time if before is not None and kept else moment
    return msgspec.structs.replace(after, last_update_time=moment, last_transition_time=since)
