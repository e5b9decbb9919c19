"""What is said about numbers: units, windows, times, and what is not known."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from canary.core.window import Missing, Sample
from canary.metrics.smi import parse
from canary.metrics.source import NO_REQUESTS, series_of
from canary.smi_metrics.kinds import SERVED
from tests.smi_metrics.conftest import AT, Api, Given, Labelled, measured, workload

GOLDEN = {
    "kind": "TrafficMetrics",
    "apiVersion": "metrics.smi-spec.io/v1alpha1",
    "metadata": {
        "name": "web",
        "namespace": "shop",
        "selfLink": "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments/web",
        "creationTimestamp": "2026-01-01T12:00:00Z",
    },
    "timestamp": "2026-01-01T12:00:00Z",
    "window": "1m30s",
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


async def test_an_object_has_the_form_of_smi_metrics(api, given):
    given.numbers = [measured()]
    assert await api.get("/namespaces/shop/deployments/web", t="90s") == GOLDEN


async def test_a_list_has_the_form_of_smi_metrics(api, given):
    given.numbers = [measured()]
    assert await api.get("/namespaces/shop/deployments", t="90s") == {
        "kind": "TrafficMetricsList",
        "apiVersion": "metrics.smi-spec.io/v1alpha1",
        "metadata": {"selfLink": "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments"},
        "resource": {"kind": "Deployment", "namespace": "shop"},
        "items": [GOLDEN],
    }


async def test_no_data_is_an_empty_list_and_not_null(api):
    assert (await api.get("/deployments"))["items"] == []
    assert (await api.get("/namespaces/shop/deployments/web/edges"))["items"] == []


async def test_an_object_without_data_is_not_found(api):
    status = await api.refused("/namespaces/shop/deployments/web", t="60s")
    assert (status["code"], status["reason"]) == (404, "NotFound")
    assert status["message"] == "no requests of deployment 'web' in namespace 'shop' were measured in the last 60 s"
    assert status["details"] == {"group": "metrics.smi-spec.io", "kind": "deployments", "name": "web"}


async def test_an_object_that_was_measured_twice_has_no_number(api, given):
    given.numbers = [measured(), measured(success=1.0)]
    status = await api.refused("/namespaces/shop/deployments/web")
    assert (status["code"], status["message"]) == (500, "deployment 'web' in namespace 'shop' was measured 2 times")


@pytest.mark.parametrize("latency", [math.nan, math.inf, -math.inf, -1.0, 1e300])
async def test_a_latency_that_is_none_is_absent(api, given, latency):
    given.numbers = [measured(latency={"p50": 0.1, "p99": latency})]
    body = await api.get("/namespaces/shop/deployments/web")
    assert [each["name"] for each in body["metrics"]] == ["p50_response_latency", "success_count", "failure_count"]


@pytest.mark.parametrize("count", [math.nan, math.inf, -1.0, 1e300])
async def test_a_count_that_is_none_is_absent(api, given, count):
    given.numbers = [measured(latency={}, failure=count)]
    body = await api.get("/namespaces/shop/deployments/web")
    assert [each["name"] for each in body["metrics"]] == ["success_count"]


@pytest.mark.parametrize("at", [0.0, math.nan, math.inf, 1e300])
async def test_an_unknown_time_is_null(api, given, at):
    given.numbers = [measured(at=at)]
    assert (await api.get("/namespaces/shop/deployments/web"))["timestamp"] is None


@pytest.mark.parametrize(
    ("text", "seconds", "said"),
    [(None, 30, "30s"), ("1s", 1, "1s"), ("60s", 60, "1m0s"), ("1m30s", 90, "1m30s"), ("1h", 3600, "1h0m0s")],
)
async def test_the_window_is_the_one_that_was_asked_for(api, given, text, seconds, said):
    given.numbers = [measured()]
    body = await api.get("/namespaces/shop/deployments/web", **({} if text is None else {"t": text}))
    assert (given.questions[0].seconds, body["window"]) == (seconds, said)


@pytest.mark.parametrize(
    "text", ["", "30", "soon", "-30s", "0s", "500ms", "1.5s", "3601s", "2h", "30s\n", "9" * 99 + "s"]
)
async def test_a_window_that_cannot_be_measured_is_refused_by_name(api, given, text):
    status = await api.refused("/deployments", t=text)
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert status["message"].startswith("t: ")
    assert given.questions == []


counts = st.floats(0, 1e9)
latencies = st.dictionaries(st.sampled_from(["p50", "p90", "p99"]), st.floats(1e-6, 1e5))


@for_all(st.sampled_from(SERVED), counts, counts, latencies, st.integers(1, 3600))
async def test_our_own_client_reads_back_what_was_measured(served, success, failure, latency, seconds):
    numbers = measured(kind=served.kind, success=success, failure=failure, latency=latency)
    api = Api(Given([numbers]), Labelled())
    path = f"/namespaces/shop/{served.plural}" if served.namespaced else "/namespaces"
    answer = await api.ask(path, t=f"{seconds}s")
    read = parse(answer.body, window=seconds, now=AT + 1)
    reading = read[series_of(served.kind, numbers.workload.namespace, "web")]
    if round(success * 1000) + round(failure * 1000) == 0:
        assert reading == NO_REQUESTS
        return
    assert isinstance(reading, Sample)
    assert reading.success == pytest.approx(success, abs=6e-4)
    assert reading.failure == pytest.approx(failure, abs=6e-4)
    assert reading.latency == pytest.approx(latency, abs=6e-7)


async def test_our_own_client_sums_the_edges_of_an_object(api, given):
    given.edges = [
        measured("me", success=3.0, latency={}, source=workload("a")),
        measured("me", success=4.0, latency={}, source=workload("b")),
        measured("a", success=100.0, latency={}, source=workload("me")),
    ]
    answer = await api.ask("/namespaces/shop/deployments/me/edges")
    assert parse(answer.body, window=30, now=AT)[series_of("Deployment", "shop", "me")] == Sample(7.0, 0.0)


async def test_our_own_client_tells_old_numbers_by_their_time(api, given):
    given.numbers = [measured()]
    answer = await api.ask("/deployments")
    reading = parse(answer.body, window=30, now=AT + 3600)[series_of("deployment", "shop", "web")]
    assert reading == Missing("stale: 3600 s old")


async def test_our_own_client_does_not_take_a_workload_without_requests_for_a_good_one(api, given):
    given.numbers = [measured(success=0.0, failure=0.0, latency={"p99": math.nan})]
    answer = await api.ask("/deployments")
    assert parse(answer.body, window=30)[series_of("deployment", "shop", "web")] == NO_REQUESTS


@for_all(st.text(), st.text(), st.text())
async def test_whatever_is_asked_the_answer_is_json_of_its_status(path, window, selector):
    api = Api(Given([measured()]), Labelled())
    answer = await api.ask(f"/namespaces/{path}", t=window, labelSelector=selector)
    body = json.loads(answer.body)
    assert body.get("code", 200) == answer.status in (200, 400, 404)
