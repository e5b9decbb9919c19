"""The few fields of Kubernetes' own kinds that the controller reads."""

from __future__ import annotations

import msgspec

from canary.api.meta import ManagedFields, ObjectMeta, OwnerReference


class ManagedMeta(ObjectMeta, frozen=True, rename="camel"):
    """Metadata of an object that others write, too: beside the usual fields, who wrote which of them."""

    managed_fields: tuple[ManagedFields, ...] = ()


class ServicePort(msgspec.Struct, frozen=True, rename="camel", gc=False):
    port: int = 0
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str = 0
    app_protocol: str = ""


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel"):
    selector: dict[str, str] | None = None
    ports: tuple[ServicePort, ...] | None = None
    cluster_ip: str = msgspec.field(name="clusterIP", default="")
    type: str = "ClusterIP"


class Service(msgspec.Struct, frozen=True):
    metadata: ManagedMeta
    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(msgspec.Struct, frozen=True, gc=False):
    ready: bool | None = None
    serving: bool | None = None
    terminating: bool | None = None


class ObjectReference(msgspec.Struct, frozen=True, gc=False):
    kind: str = ""
    name: str = ""
    namespace: str = ""
    uid: str = ""


class Endpoint(msgspec.Struct, frozen=True, rename="camel"):
    addresses: tuple[str, ...] = ()
    conditions: EndpointConditions = EndpointConditions()
    target_ref: ObjectReference | None = None


class EndpointSlice(msgspec.Struct, frozen=True, rename="camel"):
    metadata: ObjectMeta
    endpoints: tuple[Endpoint, ...] | None = None


class PodCondition(msgspec.Struct, frozen=True, rename="camel", gc=False):
    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    conditions: tuple[PodCondition, ...] | None = None


class Pod(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    status: PodStatus = PodStatus()


class SplitBackend(msgspec.Struct, frozen=True):
    """`weight` is a number or a Kubernetes quantity, depending on the version and on who wrote it."""

    service: str = ""
    weight: int | float | str | None = None


class SplitSpec(msgspec.Struct, frozen=True):
    service: str = ""
    backends: tuple[SplitBackend, ...] | None = None
    matches: tuple[msgspec.Raw, ...] | None = None


class TrafficSplit(msgspec.Struct, frozen=True):
    metadata: ManagedMeta
    spec: SplitSpec = SplitSpec()


__all__ = [
    "Endpoint",
    "EndpointConditions",
    "EndpointSlice",
    "ManagedMeta",
    "ObjectReference",
    "OwnerReference",
    "Pod",
    "PodCondition",
    "PodStatus",
    "Service",
    "ServicePort",
    "ServiceSpec",
    "SplitBackend",
    "SplitSpec",
    "TrafficSplit",
]
