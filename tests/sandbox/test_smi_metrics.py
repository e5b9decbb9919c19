"""The SMI Traffic Metrics API on the wire, from readings that are given."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from canary.api.duration import go_duration
from canary.api.quantity import quantity
from canary.sandbox.apiserver.request import Request
from canary.sandbox.mesh.observations import Reading
from canary.sandbox.smi_metrics import MetricsApi, window_of

ROOT = "/apis/metrics.smi-spec.io/v1alpha1"


class FixedClock:
    def now(self):
        return datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)


class Given:
    """Readings as given; remembers what was asked for."""

    def __init__(self, *readings):
        self.given, self.asked = readings, []

    def readings(self, plural, namespace, seconds):
        self.asked.append((plural, namespace, seconds))
        return self.given


WEB = Reading("shop", "web", 73.492, 0, (0.1625, 0.26875, 0.296875))


def get(path, observations=None, **query):
    response = MetricsApi(observations or Given(WEB), FixedClock())(Request("GET", ROOT + path, query))
    return response.status, msgspec.json.decode(response.body)


def test_an_item_is_written_as_smi_metrics_writes_it():
    status, item = get("/namespaces/shop/deployments/web", t="30s")
    assert status == 200
    assert item == {
        "kind": "TrafficMetrics",
        "apiVersion": "metrics.smi-spec.io/v1alpha1",
        "metadata": {
            "name": "web",
            "namespace": "shop",
            "selfLink": f"{ROOT}/namespaces/shop/deployments/web",
            "creationTimestamp": "2026-01-01T12:00:00Z",
        },
        "timestamp": "2026-01-01T12:00:00Z",
        "window": "30s",
        "resource": {"kind": "Deployment", "namespace": "shop", "name": "web"},
        "edge": {"direction": "from", "resource": None},
        "metrics": [
            {"name": "p99_response_latency", "unit": "ms", "value": "296875m"},
            {"name": "p90_response_latency", "unit": "ms", "value": "268750m"},
            {"name": "p50_response_latency", "unit": "ms", "value": "162500m"},
            {"name": "success_count", "value": "73492m"},
            {"name": "failure_count", "value": "0"},
        ],
    }


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/deployments", ("deployments", None, 30)),
        ("/namespaces/shop/pods", ("pods", "shop", 30)),
        ("/namespaces/shop/services", ("services", "shop", 30)),
        ("/namespaces", ("namespaces", None, 30)),
    ],
)
def test_lists_ask_for_what_their_path_says(path, asked):
    given = Given(WEB)
    status, answer = get(path, given)
    assert (status, answer["kind"], len(answer["items"])) == (200, "TrafficMetricsList", 1)
    assert given.asked == [asked]


def test_a_namespace_is_got_by_its_own_path():
    status, item = get("/namespaces/shop", Given(Reading("shop", "shop", 1, 0, (0, 0, 0))))
    assert (status, item["resource"]) == (200, {"kind": "Namespace", "name": "shop"})


def test_no_data_is_a_null_list_and_a_500_for_one_object():
    assert get("/namespaces/shop/deployments", Given())[1]["items"] is None
    assert get("/namespaces/shop/deployments/web", Given()) == (500, {"error": "unable to lookup metrics"})


@pytest.mark.parametrize("path", ["/namespaces/shop/edges", "/namespaces/shop/deployments/web/edges"])
def test_edges_are_empty(path):
    assert get(path)[1]["items"] is None


@pytest.mark.parametrize("path", ["/widgets", "/namespaces/shop/widgets", "/namespaces/shop/widgets/web"])
def test_an_unknown_resource_is_refused(path):
    assert get(path) == (404, {"error": "Unsupported resource: widgets"})


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m", 60), ("90s", 90), ("1.9s", 1), ("", 30), ("soon", 30), ("-5s", 30), ("500ms", 0)]
)
def test_windows_are_whole_seconds_and_30_when_unreadable(text, seconds):
    assert window_of(text) == seconds


def test_a_window_below_a_second_is_an_error_with_a_bare_string():
    status, answer = get("/deployments", t="10ms")
    assert (status, type(answer)) == (500, str)


def test_durations_are_written_as_go_does():
    assert [go_duration(s) for s in (1, 60, 90, 3600)] == ["1s", "1m0s", "1m30s", "1h0m0s"]


def test_quantities_have_at_most_three_decimals():
    assert [quantity(v) for v in (0, 12, 1.5, 0.0004, 2.0006)] == ["0", "12", "1500m", "0", "2001m"]


def test_discovery_lists_every_kind():
    names = {entry["name"] for entry in get("")[1]["resources"]}
    assert names == {"deployments", "pods", "services", "namespaces"}


def test_only_reading_is_possible():
    assert MetricsApi(Given(), FixedClock())(Request("POST", ROOT + "/deployments")).status == 405
