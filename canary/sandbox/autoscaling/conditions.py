"""The conditions of an autoscaler in the words of its controller."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from canary.sandbox.autoscaling.objects import AutoscalerCondition

GOT_SCALE = ("True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
DISABLED = ("False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero")
VALID = (
    "True",
    "ValidMetricFound",
    "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)",
)
NO_METRICS = (
    "False",
    "FailedGetResourceMetric",
    "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for "
    "resource cpu: no metrics returned from resource metrics API",
)


def no_scale(error: object) -> tuple[str, str, str]:
    return "False", "FailedGetScale", f"the HPA controller was unable to get the target's current scale: {error}"


def ambiguous(selector: str, names: Iterable[str]) -> tuple[str, str, str]:
    listed = " ".join(sorted(names))
    words = f"pods by selector {selector} are controlled by multiple HPAs: [{listed}]"
    return "False", "AmbiguousSelector", words


def rescaled(replicas: int) -> tuple[str, str, str]:
    words = f"the HPA controller was able to update the target scale to {replicas}"
    return "True", "SucceededRescale", words


def written(
    before: tuple[AutoscalerCondition, ...] | None, news: dict[str, tuple[str, str, str]], now: str
) -> tuple[AutoscalerCondition, ...]:
    """The conditions with `news` by type; one that keeps its status keeps its time."""
    known = {condition.type: condition for condition in before or ()}
    for kind, (status, reason, message) in news.items():
        old = known.get(kind)
        since = old.last_transition_time if old is not None and old.status == status else now
        known[kind] = AutoscalerCondition(kind, status, reason, message, since)
    return tuple(msgspec.structs.replace(condition) for condition in known.values())
