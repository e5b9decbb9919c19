"""The SMI Traffic Metrics API of the embedded cluster, on the wire as smi-metrics serves it.

Paths under /apis/metrics.smi-spec.io/v1alpha1, all GET, window by `?t=<Go duration>` in whole seconds, 30 s when absent
or unreadable:

    /PLURAL                                  list, all namespaces
    /namespaces/NAME                         get one Namespace
    /namespaces/NAME/PLURAL[/NAME]           list, get
    /namespaces/NAME[/PLURAL/NAME]/edges     list, always empty: the traffic here comes from no workload

An object without requests in the window is not in a list, and a get of it is a 500, as there.
Sources: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-metrics/v1alpha1/traffic-metrics.md and
https://github.com/servicemeshinterface/smi-metrics (package metrics, routes.go). Beyond the latter this serves
`services`, which the former has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from email.utils import format_datetime
from typing import Any

import msgspec

from canary.api.duration import go_duration, parse_duration
from canary.api.quantity import quantity
from canary.kube.clock import Clock
from canary.kube.transport import Response
from canary.sandbox.apiserver.request import Request
from canary.sandbox.mesh.observations import KINDS, Observations, Reading

GROUP = "metrics.smi-spec.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
DEFAULT_WINDOW = 30

RESOURCES: tuple[dict[str, Any], ...] = tuple(
    {
        "name": plural,
        "singularName": kind.lower(),
        "namespaced": plural != "namespaces",
        "kind": "TrafficMetrics",
        "verbs": ["get", "list"],
    }
    for plural, kind in sorted(KINDS.items())
)
"""What discovery says of the API."""

_ROOT = f"/apis/{API_VERSION}"
_JSON = {"content-type": "application/json"}


class MetricsApi:
    """Answers requests below `/apis/metrics.smi-spec.io/v1alpha1` from what a mesh has observed."""

    def __init__(self, observations: Observations, clock: Clock) -> None:
        self._observations, self._clock = observations, clock

    def __call__(self, request: Request) -> Response:
        response = self._answer(request)
        date = format_datetime(self._clock.now(), usegmt=True)
        return replace(response, headers={**response.headers, "date": date})

    def _answer(self, request: Request) -> Response:
        if request.method != "GET":
            return _answer(405, {"error": "Method not allowed"})
        parts = [part for part in request.path.removeprefix(_ROOT).split("/") if part]
        window = window_of(request.query.get("t", ""))
        if window == 0:
            return _answer(500, "the window must be at least one second")
        match parts:
            case []:
                listed = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION}
                return _answer(200, listed | {"resources": RESOURCES})
            case ["namespaces", name]:
                return self._get("namespaces", None, name, window)
            case ["namespaces", _, "edges"] | ["namespaces", _, _, _, "edges"]:
                return _answer(200, self._list(request.path, [], window, ""))
            case [plural] if plural in KINDS:
                return self._all(request.path, plural, None, window)
            case ["namespaces", namespace, plural] if plural in KINDS:
                return self._all(request.path, plural, namespace, window)
            case ["namespaces", namespace, plural, name] if plural in KINDS:
                return self._get(plural, namespace, name, window)
        return _answer(404, {"error": f"Unsupported resource: {parts[-1] if len(parts) < 4 else parts[2]}"})

    def _all(self, path: str, plural: str, namespace: str | None, window: int) -> Response:
        readings = self._observations.readings(plural, namespace, window)
        return _answer(200, self._list(path, readings, window, plural))

    def _get(self, plural: str, namespace: str | None, name: str, window: int) -> Response:
        for reading in self._observations.readings(plural, namespace, window):
            if reading.name == name:
                return _answer(200, self._item(reading, window, plural))
        return _answer(500, {"error": "unable to lookup metrics"})

    def _list(self, path: str, readings: Sequence[Reading], window: int, plural: str) -> dict[str, Any]:
        return {
            "kind": "TrafficMetricsList",
            "apiVersion": API_VERSION,
            "metadata": {"selfLink": path},
            "resource": {"kind": KINDS.get(plural, "")},
            "items": [self._item(reading, window, plural) for reading in readings] or None,
        }

    def _item(self, reading: Reading, window: int, plural: str) -> dict[str, Any]:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        link = f"{_ROOT}/namespaces/{reading.namespace}"
        resource = {"kind": KINDS[plural], "name": reading.name}
        if plural != "namespaces":
            link += f"/{plural}/{reading.name}"
            resource["namespace"] = reading.namespace
        p50, p90, p99 = (quantity(seconds * 1000.0) for seconds in reading.latencies)
        return {
            "kind": "TrafficMetrics",
            "apiVersion": API_VERSION,
            "metadata": {
                "name": reading.name,
                "namespace": reading.namespace,
                "selfLink": link,
                "creationTimestamp": now,
            },
            "timestamp": now,
            "window": go_duration(window),
            "resource": resource,
            "edge": {"direction": "from", "resource": None},
            "metrics": [
                {"name": "p99_response_latency", "unit": "ms", "value": p99},
                {"name": "p90_response_latency", "unit": "ms", "value": p90},
                {"name": "p50_response_latency", "unit": "ms", "value": p50},
                {"name": "success_count", "value": quantity(reading.success)},
                {"name": "failure_count", "value": quantity(reading.failure)},
            ],
        }


def window_of(text: str) -> int:
    """Whole seconds of a window, cut off; 30 for what is no duration."""
    try:
        return math.floor(parse_duration(text) + 1e-9)
    except ValueError:
        return DEFAULT_WINDOW


def _answer(status: int, body: Any) -> Response:
    return Response(status, msgspec.json.encode(body), _JSON)
