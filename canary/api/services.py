"""What a Canary works on: one workload (managed mode) or two Services (services mode), and the root Service.

A field that stands only beside `targetRef` has no default in the schema: an API server would write it into objects of
the other mode, where it is refused. Its default is a property here instead.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from canary.api.fields import (
    BY_PORT,
    ApiVersion,
    AppProtocol,
    Kind,
    PortName,
    PortNumber,
    Replicas,
    RootServiceName,
    ServiceName,
    ServicePortName,
    TargetName,
)
from canary.api.model import Model

Adopt = Literal["Never", "IfFree", "Force"]


class TargetRef(Model, frozen=True, kw_only=True):
    """The workload whose revisions are rolled out: managed mode."""

    api_version: Annotated[ApiVersion, Meta(description="API version of the workload.")] = "apps/v1"
    kind: Annotated[
        Kind, Meta(description="Kind of the workload. Deployment; others run as Services of their own in `backends`.")
    ] = "Deployment"
    name: Annotated[
        TargetName,
        Meta(description="Name of the workload, in the namespace of the Canary. Its stable copy is `<name>-stable`."),
    ]


class Backends(Model, frozen=True, kw_only=True):
    """The two Services of a rollout: services mode."""

    stable: Annotated[ServiceName, Meta(description="The Service that serves until a first rollout has succeeded.")]
    canary: Annotated[
        ServiceName,
        Meta(description="The Service of the new revision. A rollout starts when it differs from the one that serves."),
    ]


class ServicePort(Model, frozen=True, kw_only=True):
    """One port, as in a Service."""

    name: Annotated[
        ServicePortName | None, Meta(description="Name of the port; needed when there is more than one.")
    ] = None
    port: Annotated[PortNumber, Meta(description="The port that clients call.")]
    target_port: Annotated[
        PortNumber | PortName | None,
        Meta(description="Number or name of the container's port; the same as `port` when absent."),
    ] = None
    app_protocol: Annotated[
        AppProtocol | None, Meta(description="The protocol that is spoken, for meshes: http, grpc, kubernetes.io/h2c.")
    ] = None
    protocol: Annotated[Literal["TCP"], Meta(description="Always TCP: a TrafficSplit shifts nothing else.")] = "TCP"


Ports = Annotated[tuple[ServicePort, ...], Meta(min_length=1, max_length=50, extra_json_schema=BY_PORT)]


class RootService(Model, frozen=True, kw_only=True):
    """The Service that clients call, distinct from the two backends."""

    name: Annotated[
        RootServiceName,
        Meta(
            description="The Service that clients call. The TrafficSplit is named after it; beside `targetRef` so are "
            "the backends, `<name>-stable` and `<name>-canary`. Immutable."
        ),
    ]
    adopt: Annotated[
        Adopt | None,
        Meta(
            description="Whether a root Service that exists already is taken over: Never, IfFree (when absent; not one "
            "that somebody else manages) or Force. Only beside `targetRef`."
        ),
    ] = None
    ports: Annotated[
        Ports | None,
        Meta(
            description="Ports of the root Service and the backends; those of the root Service that exists already "
            "when absent. Only beside `targetRef`."
        ),
    ] = None

    @property
    def adoption(self) -> Adopt:
        """`adopt`, with its default."""
        return self.adopt or "IfFree"


class Autoscaler(Model, frozen=True, kw_only=True):
    """Bounds of the stable side's copy of the workload's autoscaler; those of the original where absent."""

    min_replicas: Annotated[Replicas | None, Meta(description="The fewest replicas of the stable side.")] = None
    max_replicas: Annotated[Replicas | None, Meta(description="The most replicas of the stable side.")] = None


__all__ = ["Adopt", "Autoscaler", "Backends", "RootService", "ServicePort", "TargetRef"]
