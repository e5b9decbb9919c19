"""The forms of an answer: discovery, tables, OpenAPI, probes, and labels that narrow a list."""

from __future__ import annotations

import json

import pytest

from canary.smi_metrics.kinds import SERVED
from tests.smi_metrics.conftest import Api, measured, workload

TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
)


async def table(api, path):
    answer = await api.ask(path, accept=TABLE)
    body = json.loads(answer.body)
    assert (answer.status, body["kind"]) == (200, "Table")
    return [column["name"].upper() for column in body["columnDefinitions"]], [row["cells"] for row in body["rows"]]


async def test_kubectl_gets_a_table(api, given):
    given.numbers = [measured(), measured("slow", success=1000.0, failure=12.5, latency={"p50": 0.0042, "p99": 2.5})]
    columns, rows = await table(api, "/namespaces/shop/deployments")
    assert columns == ["NAME", "SUCCESS", "FAILURE", "P50", "P90", "P99", "WINDOW"]
    assert rows == [
        ["slow", "1000", "12.5", "4.2ms", "-", "2500ms", "30s"],
        ["web", "73.5", "0", "162ms", "269ms", "297ms", "30s"],
    ]


async def test_a_table_of_one_object(api, given):
    given.numbers = [measured()]
    assert (await table(api, "/namespaces/shop/deployments/web"))[1][0][0] == "web"


async def test_a_table_of_edges_tells_direction_and_other_end(api, given):
    given.edges = [measured("me", source=workload("you", "other")), measured("db", source=workload("me"))]
    columns, rows = await table(api, "/namespaces/shop/deployments/me/edges")
    assert columns[:3] == ["NAME", "DIRECTION", "PEER"]
    assert [row[:3] for row in rows] == [["me", "from", "other/you"], ["me", "to", "shop/db"]]


async def test_rows_carry_the_namespace_that_kubectl_shows(api, given):
    given.numbers = [measured()]
    body = json.loads((await api.ask("/deployments", accept=TABLE)).body)
    assert body["rows"][0]["object"]["metadata"]["namespace"] == "shop"


@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html, application/*;q=0.1"])
async def test_json_is_served_to_who_accepts_it(api, accept):
    assert json.loads((await api.ask("/deployments", accept=accept)).body)["kind"] == "TrafficMetricsList"


@pytest.mark.parametrize(
    "accept",
    [
        "application/vnd.kubernetes.protobuf",
        "application/yaml",
        "text/html",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "application/json;as=Table;v=v1beta1;g=meta.k8s.io",
        "application/json;as=Table",
    ],
)
async def test_other_forms_are_not_acceptable(api, given, accept):
    answer = await api.ask("/deployments", accept=accept)
    assert (answer.status, json.loads(answer.body)["reason"]) == (406, "NotAcceptable")
    assert given.questions == []


async def test_discovery_names_every_resource_and_its_verbs(api):
    body = await api.get("")
    assert (body["kind"], body["groupVersion"]) == ("APIResourceList", "metrics.smi-spec.io/v1alpha1")
    listed = {each["name"]: (each["namespaced"], each["kind"], each["verbs"]) for each in body["resources"]}
    for served in SERVED:
        assert listed[served.plural] == (served.namespaced, served.discovered, ["get", "list"])
    assert listed["deployments/edges"] == (True, "TrafficMetricsList", ["get"])
    assert listed["edges"] == (True, "EdgeTrafficMetrics", ["list"])


async def test_no_two_resources_have_one_kind_in_discovery(api):
    body = await api.get("")
    kinds = [each["kind"] for each in body["resources"] if "/" not in each["name"]]
    assert len(set(kinds)) == len(kinds)


async def test_the_group_is_served_in_one_version(api):
    version = {"groupVersion": "metrics.smi-spec.io/v1alpha1", "version": "v1alpha1"}
    group = await api.get("/apis/metrics.smi-spec.io")
    assert (group["name"], group["versions"], group["preferredVersion"]) == ("metrics.smi-spec.io", [version], version)
    assert (await api.get("/apis"))["groups"] == [group]


async def test_aggregated_discovery_says_the_same_as_the_list(api):
    answer = await api.ask("/apis", accept=DISCOVERY)
    assert answer.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    (item,) = json.loads(answer.body)["items"]
    (version,) = item["versions"]
    found = {}
    for each in version["resources"]:
        found[each["resource"]] = (each["responseKind"]["kind"], each["verbs"])
        for below in each.get("subresources", ()):
            found[f"{each['resource']}/{below['subresource']}"] = (below["responseKind"]["kind"], below["verbs"])
    listed = {each["name"]: (each["kind"], each["verbs"]) for each in (await api.get(""))["resources"]}
    assert found == listed
    assert (item["metadata"]["name"], version["version"]) == ("metrics.smi-spec.io", "v1alpha1")


async def test_openapi_describes_the_kind_in_both_versions(api):
    two = await api.get("/openapi/v2")
    (url,) = (each["serverRelativeURL"] for each in (await api.get("/openapi/v3"))["paths"].values())
    three = await api.get(url.partition("?")[0])
    assert two["definitions"] == three["components"]["schemas"]
    (schema,) = two["definitions"].values()
    assert schema["x-kubernetes-group-version-kind"][0]["kind"] == "TrafficMetrics"


async def test_openapi_describes_every_field_that_is_served(api, given):
    given.numbers = [measured()]
    (schema,) = (await api.get("/openapi/v2"))["definitions"].values()
    assert schema["properties"].keys() == (await api.get("/namespaces/shop/deployments/web")).keys()


async def test_the_version_is_one_that_clients_can_read(api):
    version = await api.get("/version")
    assert version["gitVersion"] == f"v{version['major']}.{version['minor']}.0"


@pytest.mark.parametrize("path", ["/healthz", "/livez"])
async def test_a_server_that_is_not_ready_is_alive(given, labels, path):
    assert (await Api(given, labels, problem="starting").ask(path)).body == b"ok"


async def test_readiness_tells_what_is_wrong(given, labels):
    answer = await Api(given, labels, problem="starting").ask("/readyz")
    assert (answer.status, answer.body) == (503, b"starting")
    assert (await Api(given, labels).ask("/readyz")).status == 200


async def test_a_label_selector_narrows_a_list_by_the_labels_of_the_objects(api, given, labels):
    given.numbers = [measured("a"), measured("b"), measured("a", "other")]
    labels.objects = {"app=a": {("shop", "a")}}
    body = await api.get("/deployments", labelSelector="app=a")
    assert [each["resource"] for each in body["items"]] == [{"kind": "Deployment", "namespace": "shop", "name": "a"}]
    assert labels.asked == [("deployments", "", "app=a")]


async def test_a_label_selector_narrows_a_list_of_namespaces(api, given, labels):
    given.numbers = [measured("shop", kind="namespace"), measured("other", kind="namespace")]
    labels.objects = {"team=web": {("", "shop")}}
    body = await api.get("/namespaces", labelSelector="team=web")
    assert [each["resource"]["name"] for each in body["items"]] == ["shop"]


async def test_a_label_selector_that_is_none_is_refused(api):
    status = await api.refused("/deployments", labelSelector="a b")
    assert (status["code"], status["message"]) == (400, "labelSelector: unable to parse a b")


@pytest.mark.parametrize("path", ["/namespaces/shop", "/namespaces/shop/deployments/web/edges"])
async def test_a_label_selector_where_nothing_is_selected_is_refused(api, path):
    assert (await api.refused(path, labelSelector="app=a"))["code"] == 400


async def test_a_field_selector_is_refused_and_not_ignored(api):
    assert (await api.refused("/deployments", fieldSelector="metadata.name=web"))["code"] == 400


@pytest.mark.parametrize("value", ["true", "1"])
async def test_metrics_cannot_be_watched(api, value):
    assert (await api.refused("/deployments", watch=value))["reason"] == "MethodNotAllowed"


async def test_limit_and_the_like_are_ignored(api):
    assert (await api.get("/deployments", limit="500", resourceVersion="0", watch="false"))["items"] == []
