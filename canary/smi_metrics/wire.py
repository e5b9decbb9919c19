"""Numbers as TrafficMetrics objects.

Source: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-metrics/v1alpha1/traffic-metrics.md,
with the units of https://github.com/servicemeshinterface/smi-metrics, whose clients read this: latencies are real
milliseconds, counts quantities that may have a fraction. What is unknown is absent: there is no zero and no NaN for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from canary.api.duration import go_duration
from canary.api.quantity import quantity
from canary.core.window import Quantile
from canary.metrics.prometheus.question import Measured, Workload
from canary.metrics.smi import MAX_COUNT, MAX_LATENCY
from canary.smi_metrics.asked import Asked
from canary.smi_metrics.kinds import API_VERSION, BY_KIND, PREFIX

Direction: TypeAlias = Literal["from", "to"]
Entry: TypeAlias = tuple[Direction, Measured]
"""An edge and how its owner sees it: requests come *from* the other end, or go *to* it."""

QUANTILES: tuple[Quantile, ...] = ("p99", "p90", "p50")


def item(measured: Measured, seconds: int) -> dict[str, Any]:
    """The TrafficMetrics of a workload, whoever sent the requests."""
    return _item(measured, measured.workload, {"direction": "from", "resource": None}, seconds)


def edge(direction: Direction, measured: Measured, seconds: int) -> dict[str, Any]:
    """The TrafficMetrics of one edge, as seen from its destination (`from`) or from its source (`to`)."""
    source = measured.source or measured.workload
    owner, other = (measured.workload, source) if direction == "from" else (source, measured.workload)
    return _item(measured, owner, {"direction": direction, "side": "client", "resource": reference(other)}, seconds)


def listing(asked: Asked, items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A TrafficMetricsList; `resource` is what was asked for."""
    resource = {"kind": asked.served.spelled}
    if asked.namespace:
        resource["namespace"] = asked.namespace
    if asked.name:
        resource["name"] = asked.name
    return {
        "kind": "TrafficMetricsList",
        "apiVersion": API_VERSION,
        "metadata": {"selfLink": asked.path},
        "resource": resource,
        "items": list(items),
    }


def edge_list(asked: Asked, edges: Iterable[Entry]) -> dict[str, Any]:
    """A TrafficMetricsList of edges."""
    return listing(asked, (edge(direction, measured, asked.seconds) for direction, measured in edges))


def reference(workload: Workload) -> dict[str, str]:
    """The object that a workload is."""
    named = {"kind": BY_KIND[workload.kind].spelled, "name": workload.name}
    return named | ({"namespace": workload.namespace} if workload.namespace else {})


def _item(measured: Measured, owner: Workload, edge: dict[str, Any], seconds: int) -> dict[str, Any]:
    served = BY_KIND[owner.kind]
    path = (
        f"/namespaces/{owner.namespace}/{served.plural}/{owner.name}"
        if owner.namespace
        else f"/namespaces/{owner.name}"
    )
    at = rfc3339(measured.at)
    metadata = {"name": owner.name} | ({"namespace": owner.namespace} if owner.namespace else {})
    return {
        "kind": "TrafficMetrics",
        "apiVersion": API_VERSION,
        "metadata": metadata | {"selfLink": PREFIX + path, "creationTimestamp": at},
        "timestamp": at,
        "window": go_duration(seconds),
        "resource": reference(owner),
        "edge": edge,
        "metrics": [*_latencies(measured), *_counts(measured)],
    }


def _latencies(measured: Measured) -> Iterable[dict[str, str]]:
    for name in QUANTILES:
        seconds = measured.latency.get(name, math.nan)
        if 0 <= seconds <= MAX_LATENCY:
            yield {"name": f"{name}_response_latency", "unit": "ms", "value": quantity(seconds * 1000)}


def _counts(measured: Measured) -> Iterable[dict[str, str]]:
    for name, count in (("success_count", measured.success), ("failure_count", measured.failure)):
        if 0 <= count <= MAX_COUNT:
            yield {"name": name, "value": quantity(count)}


def rfc3339(at: float) -> str | None:
    """Unix seconds as the API writes them; `None` when the time is unknown."""
    if not 0 < at < 253402300800:
        return None
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
