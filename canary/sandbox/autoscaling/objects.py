"""HorizontalPodAutoscalers as their controller reads them, and the status that it writes."""

from __future__ import annotations

import msgspec

from canary.api.meta import ObjectMeta
from canary.kube.resources import Resource

AUTOSCALERS = Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")


class Target(msgspec.Struct, frozen=True, rename="camel"):
    kind: str
    name: str
    api_version: str = ""


class MetricTarget(msgspec.Struct, frozen=True, rename="camel"):
    type: str = ""
    average_utilization: int | None = None


class ResourceMetric(msgspec.Struct, frozen=True):
    name: str
    target: MetricTarget = MetricTarget()


class Metric(msgspec.Struct, frozen=True):
    type: str
    resource: ResourceMetric | None = None


class Policy(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    value: int
    period_seconds: int


class Rules(msgspec.Struct, frozen=True, rename="camel"):
    policies: tuple[Policy, ...] = ()
    select_policy: str = "Max"
    stabilization_window_seconds: int | None = None


class Behavior(msgspec.Struct, frozen=True, rename="camel"):
    """The server fills in both directions when one is given."""

    scale_down: Rules = Rules()
    scale_up: Rules = Rules()


class AutoscalerSpec(msgspec.Struct, frozen=True, rename="camel"):
    scale_target_ref: Target
    max_replicas: int
    min_replicas: int = 1
    metrics: tuple[Metric, ...] = ()
    behavior: Behavior | None = None


class AutoscalerCondition(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    status: str
    reason: str
    message: str
    last_transition_time: str = ""


class AutoscalerStatus(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int | None = None
    current_replicas: int = 0
    desired_replicas: int = 0
    last_scale_time: str | None = None
    conditions: tuple[AutoscalerCondition, ...] | None = None


class Autoscaler(msgspec.Struct, frozen=True):
    metadata: ObjectMeta
    spec: AutoscalerSpec
    status: AutoscalerStatus = AutoscalerStatus()
