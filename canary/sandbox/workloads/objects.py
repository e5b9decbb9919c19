"""Deployments, ReplicaSets and Pods as the workload controllers read them.

Templates and labels stay as they were sent: a controller copies them, it does not interpret them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from canary.api.kinds import EndpointSlice
from canary.api.meta import ObjectMeta

TEMPLATE_HASH_LABEL = "pod-template-hash"
# Annotations of a Pod that steer the sandbox.
READY_ANNOTATION = "sandbox.canary.delivery/ready"
BEHAVIOUR_ANNOTATION = "sandbox.canary.delivery/behaviour"
START_DELAY_ANNOTATION = "sandbox.canary.delivery/start-delay"


class SelectorRequirement(msgspec.Struct, frozen=True):
    key: str
    operator: str
    values: tuple[str, ...] | None = None


class LabelSelector(msgspec.Struct, frozen=True, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: tuple[SelectorRequirement, ...] | None = None


class RollingUpdate(msgspec.Struct, frozen=True, rename="camel"):
    max_surge: int | str = "25%"
    max_unavailable: int | str = "25%"


class Strategy(msgspec.Struct, frozen=True, rename="camel"):
    type: str = "RollingUpdate"
    rolling_update: RollingUpdate | None = None


class StatusCondition(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_update_time: str | None = None
    last_transition_time: str | None = None


class DeploymentSpec(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int | None = 1
    selector: LabelSelector = LabelSelector()
    template: dict[str, Any] = {}
    strategy: Strategy = Strategy()
    paused: bool = False
    min_ready_seconds: int = 0
    progress_deadline_seconds: int | None = None
    revision_history_limit: int | None = 10


class ReplicaSetSpec(msgspec.Struct, frozen=True, rename="camel"):
    replicas: int | None = 1
    min_ready_seconds: int = 0
    template: dict[str, Any] = {}


class ScaleStatus(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What the status of a Deployment and of a ReplicaSet have in common."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0


class ReplicaSetStatus(ScaleStatus, frozen=True, rename="camel", kw_only=True):
    fully_labeled_replicas: int = 0


class DeploymentStatus(ScaleStatus, frozen=True, rename="camel", kw_only=True):
    updated_replicas: int = 0
    unavailable_replicas: int = 0
    conditions: tuple[StatusCondition, ...] | None = None


class Deployment(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()

    @property
    def replicas(self) -> int:
        return 1 if self.spec.replicas is None else self.spec.replicas


class ReplicaSet(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: ReplicaSetSpec = ReplicaSetSpec()
    status: ReplicaSetStatus = ReplicaSetStatus()

    @property
    def replicas(self) -> int:
        return 1 if self.spec.replicas is None else self.spec.replicas


class Waiting(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class ContainerState(msgspec.Struct, frozen=True):
    waiting: Waiting | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    restart_count: int = 0
    state: ContainerState = ContainerState()


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    container_statuses: tuple[ContainerStatus, ...] | None = None
    pod_ip: str = msgspec.field(name="podIP", default="")
    conditions: tuple[StatusCondition, ...] | None = None


class PodSpec(msgspec.Struct, frozen=True):
    containers: tuple[dict[str, Any], ...] = ()


class Pod(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    @property
    def ready(self) -> bool:
        return any(c.type == "Ready" and c.status == "True" for c in self.status.conditions or ())


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str | None = None


class ServiceSpec(msgspec.Struct, frozen=True):
    selector: dict[str, str] | None = None
    ports: tuple[ServicePort, ...] | None = None


class Service(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: ServiceSpec = ServiceSpec()


class EndpointPort(msgspec.Struct, frozen=True):
    port: int = 0
    name: str = ""
    protocol: str = "TCP"


class PublishedSlice(EndpointSlice, frozen=True, rename="camel"):
    """An EndpointSlice with everything that the endpoint controller writes."""

    ports: tuple[EndpointPort, ...] | None = None


class Owned(Protocol):
    """Anything that may have a controller."""

    @property
    def metadata(self) -> ObjectMeta: ...


def controller_of(metadata: ObjectMeta) -> tuple[str, str, str] | None:
    """Kind, name and uid of the object that controls this one, or `None`."""
    return next(((o.kind, o.name, o.uid) for o in metadata.owner_references if o.controller), None)


def owner_reference(api_version: str, kind: str, owner: ObjectMeta) -> dict[str, Any]:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def matches_labels(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a Service's selector chooses an object; an empty selector chooses nothing."""
    return bool(wanted) and wanted.items() <= labels.items()
