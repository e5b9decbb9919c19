"""The Canary resource, version v1beta1: what a user declares and what the controller reports.

Field descriptions and bounds live here; `canary.api.crd` renders the CustomResourceDefinition from them, and
`canary.api.rules` holds what a schema cannot say. The docstrings of the parts are shown by `kubectl explain`.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from canary.api.fields import (
    ATOMIC,
    BY_NAME,
    Duration,
    Limit,
    MetricName,
    ObjectName,
    Percent,
    Requests,
    Scale,
    Tolerance,
    Weight,
)
from canary.api.meta import ObjectMeta
from canary.api.model import Model
from canary.api.services import Autoscaler, Backends, RootService, ServicePort, TargetRef
from canary.api.status import CanaryStatus, Condition, HistoryEntry, MetricStatus, Record


class Traffic(Model, frozen=True, kw_only=True):
    """How the TrafficSplit is written."""

    api_version: Annotated[
        Literal[
            "Auto",
            "split.smi-spec.io/v1alpha1",
            "split.smi-spec.io/v1alpha2",
            "split.smi-spec.io/v1alpha3",
            "split.smi-spec.io/v1alpha4",
        ],
        Meta(description="Version of the TrafficSplit; Auto asks the API server which ones it has."),
    ] = "Auto"
    settle: Annotated[
        Duration, Meta(description="How long proxies need to follow a weight; nothing is judged before. 0s to 10m.")
    ] = "10s"
    adopt: Annotated[
        bool, Meta(description="Take over an existing TrafficSplit of the same root that nobody controls.")
    ] = False


class Step(Model, frozen=True, kw_only=True):
    """Either a weight, held and judged, or an approval that is waited for."""

    weight: Annotated[
        Weight | None, Meta(description="Percentage of traffic for the canary. Weights of the steps must ascend.")
    ] = None
    hold: Annotated[
        Duration | None, Meta(description="How long the weight is kept and judged before the next step. 0s to 168h.")
    ] = None
    min_requests: Annotated[
        Requests | None, Meta(description="Requests that the canary must have answered at this weight before the next.")
    ] = None
    approval: Annotated[
        MetricName | None, Meta(description="Name of an approval; the rollout waits here until it is given.")
    ] = None


Steps = Annotated[tuple[Step, ...], Meta(min_length=1, max_length=50, extra_json_schema=ATOMIC)]


class Ramp(Model, frozen=True, kw_only=True):
    """Equal steps: from, from + increment, … up to to."""

    from_: Annotated[Weight, Meta(description="Weight of the first step, in percent.")] = msgspec.field(name="from")
    to: Annotated[Weight, Meta(description="Weight of the last step, in percent.")]
    increment: Annotated[Weight, Meta(description="How much each step adds, in percent.")]
    hold: Annotated[Duration, Meta(description="How long each weight is kept and judged. 0s to 168h.")]
    min_requests: Annotated[
        Requests | None, Meta(description="Requests that the canary must have answered at each weight.")
    ] = None


class Sender(Model, frozen=True, kw_only=True):
    """A workload of the same namespace that calls the root Service."""

    kind: Annotated[
        Literal["Deployment", "StatefulSet", "DaemonSet", "Pod", "Service"], Meta(description="Kind of the caller.")
    ]
    name: Annotated[ObjectName, Meta(description="Name of the caller.")]


class Metric(Model, frozen=True, kw_only=True):
    """One indicator: a success rate (min), a latency (quantile and max) or slow requests (slowerThan and maxShare)."""

    name: Annotated[MetricName, Meta(description="A name for status, events and messages; unique.")]
    min: Annotated[
        Percent | None,
        Meta(description='The lowest success rate that is Healthy, in percent: 99 or "99.95".'),
    ] = None
    quantile: Annotated[
        Literal["p50", "p90", "p99"] | None, Meta(description="The latency quantile that `max` limits.")
    ] = None
    max: Annotated[Duration | None, Meta(description="The highest latency that is Healthy, such as 500ms.")] = None
    slower_than: Annotated[
        Duration | None, Meta(description="The latency beyond which a request is slow; 1ms to 1h. Needs a histogram.")
    ] = None
    max_share: Annotated[
        Percent | None, Meta(description='The highest share of slow requests that is Healthy, in percent: 1 or "0.5".')
    ] = None
    from_: Annotated[
        Sender | None,
        Meta(description="Judge only the requests of this caller, as it sees them; those of everybody when absent."),
    ] = msgspec.field(name="from", default=None)
    rollback_at: Annotated[
        Limit | None,
        Meta(description="At or beyond this value (below min, above max or maxShare) one window ends the rollout."),
    ] = None
    compare: Annotated[
        Literal["Stable"] | None,
        Meta(
            description="Roll back when the canary is shown to be worse than stable by more than `tolerance`. The "
            "limit goes on to count, but windows in which both sides are beyond it are held, not counted as failed."
        ),
    ] = None
    tolerance: Annotated[
        Tolerance | None,
        Meta(
            description="By how much worse than stable the canary may be, in percent of stable's failures, slow "
            "requests or latency; 20 when absent. A latency quantile is compared with at least 10. Only beside "
            "`compare`."
        ),
    ] = None
    mode: Annotated[
        Literal["Sequential"] | None,
        Meta(
            description="Judge the limit by evidence over all windows instead of window by window: one that is beyond "
            "it by chance is no failed window. Only beside `min`, or `slowerThan` and `maxShare`."
        ),
    ] = None


class NoDataPolicy(Model, frozen=True, kw_only=True):
    """What happens when there is no usable sample."""

    timeout: Annotated[Duration, Meta(description="How long to wait for a sample. 1s to 168h.")] = "5m"
    action: Annotated[
        Literal["Hold", "Rollback", "Advance"],
        Meta(description="Hold the weight, roll back, or advance anyway, which an event says each time."),
    ] = "Hold"


class SourceErrorPolicy(Model, frozen=True, kw_only=True):
    """What happens when the metrics source fails."""

    timeout: Annotated[Duration, Meta(description="How long the source may fail. 1s to 168h.")] = "15m"
    action: Annotated[Literal["Hold", "Rollback"], Meta(description="Hold the weight, or roll back.")] = "Hold"


class Target(Model, frozen=True, kw_only=True):
    """Whose numbers the source reports for the two sides; found from the Services when absent."""

    kind: Annotated[
        Literal["Deployment", "StatefulSet", "DaemonSet", "Pod", "Service"], Meta(description="Kind of both workloads.")
    ]
    stable: Annotated[ObjectName, Meta(description="Name of the workload behind the stable side.")]
    canary: Annotated[ObjectName, Meta(description="Name of the workload behind the canary side.")]


DEFAULT_METRICS = (
    Metric(name="success-rate", min="99"),
    Metric(name="latency", quantile="p99", max="500ms"),
)


class Analysis(Model, frozen=True, kw_only=True):
    """How each step is judged."""

    interval: Annotated[Duration, Meta(description="Length of one metrics window. 1s to 1h.")] = "30s"
    warmup: Annotated[
        Duration, Meta(description="Time after canary pods became ready before a window counts. 0s to 24h.")
    ] = "60s"
    failure_limit: Annotated[
        int, Meta(ge=1, le=1000, description="This many breached windows in a rollout end it.")
    ] = 3
    min_bad: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Fewer bad requests than this in the step's windows are no breach.")
    ] = 5
    no_data: Annotated[NoDataPolicy, Meta(description="What to do without a usable sample.")] = NoDataPolicy()
    source_error: Annotated[SourceErrorPolicy, Meta(description="What to do while the metrics source fails.")] = (
        SourceErrorPolicy()
    )
    confidence: Annotated[
        Percent | None,
        Meta(
            description="How sure a rollback by `compare` or `mode: Sequential` is, in percent, over a whole rollout "
            "and all metrics; 99 when absent: at most 1 in 100 healthy releases is rolled back by them."
        ),
    ] = None
    early: Annotated[
        bool,
        Meta(
            description="End a step before its hold is over when the metrics with `compare` or `mode: Sequential` have "
            "shown enough."
        ),
    ] = False
    metrics: Annotated[
        tuple[Metric, ...],
        Meta(
            min_length=1,
            max_length=16,
            description="The indicators; each must be Healthy before a step up.",
            extra_json_schema=BY_NAME,
        ),
    ] = DEFAULT_METRICS
    source: Annotated[
        Literal["SMI", "Prometheus", "Proxies"],
        Meta(
            description="Who measures: the SMI metrics API, or, where the administrator has named them, "
            "Prometheus or the proxies of the pods themselves."
        ),
    ] = "SMI"
    target: Annotated[
        Target | None, Meta(description="Workloads whose metrics are read; found from the Services when absent.")
    ] = None


class CanarySpec(Model, frozen=True, kw_only=True):
    """What to shift, in which steps, and what must hold before each."""

    revision: Annotated[
        str, Meta(max_length=253, description="An opaque label of the release, reported as lastAppliedRevision.")
    ] = ""
    target_ref: Annotated[
        TargetRef | None,
        Meta(description="The workload, managed mode. Exactly one of targetRef and backends. Immutable."),
    ] = None
    backends: Annotated[
        Backends | None,
        Meta(description="The two Services, services mode. Exactly one of targetRef and backends."),
    ] = None
    service: Annotated[RootService, Meta(description="The root Service.")]
    traffic: Annotated[Traffic, Meta(description="How the TrafficSplit is written.")] = Traffic()
    steps: Annotated[Steps | None, Meta(description="The plan, step by step. Exactly one of steps and ramp.")] = None
    ramp: Annotated[Ramp | None, Meta(description="The plan as equal steps. Exactly one of steps and ramp.")] = None
    analysis: Annotated[Analysis, Meta(description="How each step is judged.")] = Analysis()
    canary_scale: Annotated[
        Scale | None,
        Meta(
            description="Replicas of the canary: Proportional to its weight (when absent), Full for as many as stable "
            "has, or a number. Only beside `targetRef`."
        ),
    ] = None
    autoscaler: Annotated[
        Autoscaler | None,
        Meta(description="Bounds of the stable side's copy of the workload's autoscaler. Only beside `targetRef`."),
    ] = None
    progress_deadline: Annotated[
        Duration, Meta(description="How long missing pods, Services or sources are waited for. 1s to 168h.")
    ] = "10m"
    suspend: Annotated[bool, Meta(description="Start no rollout and no step. A breach still rolls back.")] = False

    @property
    def scale(self) -> Scale:
        """`canary_scale`, with its default."""
        return self.canary_scale or "Proportional"


class Canary(msgspec.Struct, frozen=True, rename="camel"):
    """A Canary as read from the API server.

    `spec` and `status` stay undecoded: a spec that a newer or looser server let through must not keep the object from
    being read, and a status is never trusted. See `canary.api.validation.load_spec` and `status_of`.
    """

    metadata: ObjectMeta
    spec: msgspec.Raw = msgspec.Raw(b"{}")
    status: msgspec.Raw = msgspec.Raw(b"{}")


def status_of(canary: Canary) -> CanaryStatus:
    """The status, or an empty one when it cannot be read."""
    try:
        return msgspec.json.decode(canary.status, type=CanaryStatus)
    except msgspec.MsgspecError:
        return CanaryStatus()


__all__ = [
    "DEFAULT_METRICS",
    "Analysis",
    "Autoscaler",
    "Backends",
    "Canary",
    "CanarySpec",
    "CanaryStatus",
    "Condition",
    "HistoryEntry",
    "Metric",
    "MetricStatus",
    "NoDataPolicy",
    "Ramp",
    "Record",
    "RootService",
    "ServicePort",
    "SourceErrorPolicy",
    "Step",
    "Steps",
    "Target",
    "TargetRef",
    "Traffic",
    "status_of",
]
