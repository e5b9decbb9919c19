"""Every path of the SMI Traffic Metrics API as smi-metrics serves it, and what it means."""

from __future__ import annotations

import pytest

from canary.metrics.prometheus.question import Question
from canary.smi_metrics.kinds import SERVED
from tests.smi_metrics.conftest import measured, workload

NAMESPACED = [served for served in SERVED if served.namespaced]
plurals = pytest.mark.parametrize("served", NAMESPACED, ids=lambda served: served.plural)


@plurals
async def test_a_list_of_all_namespaces(api, given, served):
    given.numbers = [measured("b", "two", served.kind), measured("a", "two", served.kind)]
    body = await api.get(f"/{served.plural}", t="60s")
    assert given.questions == [Question(served.kind, 60)]
    assert (body["kind"], body["resource"]) == ("TrafficMetricsList", {"kind": served.spelled})
    assert [each["resource"]["name"] for each in body["items"]] == ["a", "b"]


@plurals
async def test_a_list_of_one_namespace(api, given, served):
    given.numbers = [measured("a", "shop", served.kind), measured("a", "other", served.kind)]
    body = await api.get(f"/namespaces/shop/{served.plural}", t="1m")
    assert given.questions == [Question(served.kind, 60, "shop")]
    assert body["resource"] == {"kind": served.spelled, "namespace": "shop"}
    assert [each["metadata"]["namespace"] for each in body["items"]] == ["shop"]


@plurals
async def test_one_object(api, given, served):
    given.numbers = [measured("a", "shop", served.kind), measured("b", "shop", served.kind)]
    body = await api.get(f"/namespaces/shop/{served.plural}/b")
    assert given.questions == [Question(served.kind, 30, "shop", ("b",))]
    assert body["kind"] == "TrafficMetrics"
    assert body["resource"] == {"kind": served.spelled, "namespace": "shop", "name": "b"}


@plurals
async def test_the_edges_of_one_object(api, given, served):
    me, you = workload("me", "shop", served.kind), workload("you", "other", served.kind)
    given.edges = [
        measured("me", "shop", served.kind, source=you),
        measured("you", "other", served.kind, source=me),
    ]
    body = await api.get(f"/namespaces/shop/{served.plural}/me/edges")
    assert given.questions == [
        Question(served.kind, 30, "shop", ("me",), edges=True),
        Question(served.kind, 30, edges=True, peer_namespace="shop", peers=("me",)),
    ]
    assert body["kind"] == "TrafficMetricsList"
    other = {"kind": served.spelled, "namespace": "other", "name": "you"}
    assert [each["edge"] for each in body["items"]] == [
        {"direction": "from", "side": "client", "resource": other},
        {"direction": "to", "side": "client", "resource": other},
    ]
    assert {each["resource"]["name"] for each in body["items"]} == {"me"}


async def test_all_namespaces(api, given):
    given.numbers = [measured("shop", kind="namespace")]
    body = await api.get("/namespaces")
    assert given.questions == [Question("namespace", 30)]
    assert [each["resource"] for each in body["items"]] == [{"kind": "Namespace", "name": "shop"}]


async def test_one_namespace(api, given):
    given.numbers = [measured("shop", kind="namespace")]
    body = await api.get("/namespaces/shop")
    assert given.questions == [Question("namespace", 30, "", ("shop",))]
    assert body["metadata"]["selfLink"] == "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop"


async def test_the_edges_of_a_namespace(api, given):
    given.edges = [measured("shop", kind="namespace", source=workload("web", kind="namespace"))]
    body = await api.get("/namespaces/shop/edges")
    assert [each["edge"]["resource"] for each in body["items"]] == [{"kind": "Namespace", "name": "web"}]


async def test_a_request_to_itself_is_an_edge_in_both_directions(api, given):
    given.edges = [measured("me", source=workload("me"))]
    body = await api.get("/namespaces/shop/deployments/me/edges")
    assert [each["edge"]["direction"] for each in body["items"]] == ["from", "to"]


@pytest.mark.parametrize(
    "path",
    [
        "/replicasets",
        "/namespaces/shop/nodes",
        "/namespaces/shop/deployments/web/status",
        "/namespaces/shop/deployments/web/edges/more",
        "/namespaces/shop/namespaces/web",
        "/edges",
        "/apis/metrics.smi-spec.io/v1alpha2",
        "/apis/apps/v1/deployments",
    ],
)
async def test_other_paths_are_not_found(api, given, path):
    status = await api.refused(path)
    assert (status["code"], status["reason"]) == (404, "NotFound")
    assert given.questions == []


@pytest.mark.parametrize(
    "path",
    [
        "/namespaces/Shop/deployments",
        "/namespaces/a.b/deployments",
        '/namespaces/shop/deployments/a"b',
        "/namespaces/-",
    ],
)
async def test_what_no_object_can_be_named_is_not_asked_for(api, given, path):
    assert (await api.refused(path))["code"] == 404
    assert given.questions == []


async def test_a_slash_at_the_end_changes_nothing(api, given):
    assert (await api.get("/"))["kind"] == "APIResourceList"
    assert (await api.get("/deployments/"))["items"] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_metrics_are_only_read(api, method):
    answer = await api.ask("/deployments", method=method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")
