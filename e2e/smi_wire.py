"""The SMI traffic metrics API on the wire: numbers of a workload as TrafficMetrics objects.

Source: Service Mesh Interface specification, traffic-metrics v1alpha1; shapes and units as the smi-metrics server
answers them (latencies in ms, counts as quantities that may have a fraction, `items: null` for an empty list).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

GROUP = "metrics.smi-spec.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
PREFIX = f"/apis/{API_VERSION}"
KINDS = {
    "deployments": "Deployment",
    "pods": "Pod",
    "statefulsets": "Statefulset",
    "daemonsets": "Daemonset",
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a workload does: requests per second, the share of them that fails (0 to 1), latencies in milliseconds."""

    rate: float = 10.0
    errors: float = 0.0
    p50: float = 10.0
    p90: float = 20.0
    p99: float = 30.0


def discovery() -> dict[str, Any]:
    """The APIResourceList of the group's one version."""
    resources = [
        {"name": plural, "singularName": "", "kind": "TrafficMetrics", "namespaced": True, "verbs": ["get", "list"]}
        for plural in KINDS
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": resources}


def traffic_metrics(
    plural: str, namespace: str, name: str, numbers: Numbers, seconds: float, now: str
) -> dict[str, Any]:
    """One workload's TrafficMetrics over a window of `seconds`."""
    requests = numbers.rate * seconds
    values = [
        {"name": "p99_response_latency", "unit": "ms", "value": quantity(numbers.p99)},
        {"name": "p90_response_latency", "unit": "ms", "value": quantity(numbers.p90)},
        {"name": "p50_response_latency", "unit": "ms", "value": quantity(numbers.p50)},
        {"name": "success_count", "value": quantity(requests * (1 - numbers.errors))},
        {"name": "failure_count", "value": quantity(requests * numbers.errors)},
    ]
    return {
        "kind": "TrafficMetrics",
        "apiVersion": API_VERSION,
        "metadata": {"name": name, "namespace": namespace, "creationTimestamp": now},
        "timestamp": now,
        "window": go_duration(seconds),
        "resource": {"kind": KINDS[plural], "namespace": namespace, "name": name},
        "edge": {"direction": "from", "resource": None},
        "metrics": values,
    }


def traffic_edge(
    plural: str, namespace: str, caller: str, name: str, numbers: Numbers, seconds: float, now: str
) -> dict[str, Any]:
    """What `caller` has sent to `name`, as it was answered to it."""
    other = {"kind": KINDS[plural], "namespace": namespace, "name": name}
    whole = traffic_metrics(plural, namespace, caller, numbers, seconds, now)
    return {**whole, "edge": {"direction": "to", "side": "client", "resource": other}}


def traffic_metrics_list(plural: str, namespace: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "kind": "TrafficMetricsList",
        "apiVersion": API_VERSION,
        "metadata": {"selfLink": f"{PREFIX}/namespaces/{namespace}/{plural}"},
        "resource": {"kind": KINDS[plural], "namespace": namespace},
        "items": items or None,
    }


def quantity(value: float) -> str:
    """A Kubernetes quantity with a precision of thousandths: `9`, or `73492m`."""
    thousandths = round(value * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)


def go_duration(seconds: float) -> str:
    """Whole seconds as Go's Duration.String writes them: `30s`, `1m0s`, `1h0m0s`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{rest}s"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
