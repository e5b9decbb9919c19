"""What the server tells clients about its resources."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.builtin import BUILTIN
from canary.sandbox.apiserver.discovery import answer, version_priority
from canary.sandbox.apiserver.registry import Aggregated
from canary.sandbox.apiserver.restype import ResourceType, ScalePaths

ALL_AT_ONCE = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


def kind(**overrides):
    given = {
        "group": "split.smi-spec.io",
        "version": "v1alpha4",
        "plural": "trafficsplits",
        "kind": "TrafficSplit",
        "singular": "trafficsplit",
        "storage": ("split.smi-spec.io", "trafficsplits"),
        "storage_version": "v1alpha4",
        "list_kind": "TrafficSplitList",
        "custom": True,
        "short_names": ("ts",),
        "categories": ("smi",),
    }
    return ResourceType(**{**given, **overrides})


METRICS = Aggregated(
    "metrics.smi-spec.io",
    "v1alpha1",
    ({"name": "pods", "singularName": "", "namespaced": True, "kind": "TrafficMetrics", "verbs": ["get", "list"]},),
    handler=lambda request: None,
)


def body(path, kinds=(), apis=(), accept="application/json"):
    return answer(path, accept, kinds, apis).body


def test_versions_are_ordered_by_stability_then_number_then_alphabet():
    given = ["v1alpha1", "foo10", "v10", "v2", "v1beta2", "v11alpha2", "v1beta11", "foo1", "v1", "v11beta2"]

    assert sorted(given, key=version_priority) == [
        "v10",
        "v2",
        "v1",
        "v11beta2",
        "v1beta11",
        "v1beta2",
        "v11alpha2",
        "v1alpha1",
        "foo1",
        "foo10",
    ]


def test_a_group_prefers_its_most_stable_version_whatever_is_stored():
    kinds = [kind(version=version, storage_version="v1alpha1") for version in ("v1alpha1", "v1alpha4", "v1alpha2")]

    group = body("/apis/split.smi-spec.io", kinds)

    assert [each["version"] for each in group["versions"]] == ["v1alpha4", "v1alpha2", "v1alpha1"]
    assert group["preferredVersion"] == {"groupVersion": "split.smi-spec.io/v1alpha4", "version": "v1alpha4"}


def test_the_groups_of_definitions_come_after_the_built_in_ones():
    names = [group["name"] for group in body("/apis", [kind(group="aaa.io"), *BUILTIN], [METRICS])["groups"]]

    assert names[0] == "apiregistration.k8s.io"
    assert names[-2:] == ["aaa.io", "metrics.smi-spec.io"]
    assert "" not in names


def test_a_version_lists_resources_with_names_and_subresources_without():
    found = body("/apis/split.smi-spec.io/v1alpha4", [kind(status=True, scale=ScalePaths())])

    main, status, scale = found["resources"]
    assert found["groupVersion"] == "split.smi-spec.io/v1alpha4"
    assert (main["name"], main["singularName"], main["shortNames"]) == ("trafficsplits", "trafficsplit", ["ts"])
    assert main["categories"] == ["smi"]
    assert "watch" in main["verbs"]
    assert (status["name"], status["kind"], status["verbs"]) == (
        "trafficsplits/status",
        "TrafficSplit",
        ["get", "patch", "update"],
    )
    assert (scale["name"], scale["group"], scale["version"], scale["kind"]) == (
        "trafficsplits/scale",
        "autoscaling",
        "v1",
        "Scale",
    )
    assert not {"shortNames", "categories"} & (status.keys() | scale.keys())


def test_the_core_group_is_told_under_api():
    assert body("/api", BUILTIN)["versions"] == ["v1"]
    assert {"pods", "pods/status"} <= {each["name"] for each in body("/api/v1", BUILTIN)["resources"]}


def test_an_aggregated_api_is_told_as_its_server_describes_it():
    assert body("/apis/metrics.smi-spec.io/v1alpha1", apis=[METRICS])["resources"] == list(METRICS.resources)


@pytest.mark.parametrize("path", ["/apis/nothing.io", "/apis/apps/v9", "/api/v2", "/apis//v1", "/healthz", "/"])
def test_what_is_not_served_has_no_document(path):
    assert answer(path, "", BUILTIN) is None


def test_everything_is_told_at_once_to_those_who_ask():
    found = answer("/apis", ALL_AT_ONCE, [kind(status=True)], [METRICS])

    (split,) = (item for item in found.body["items"] if item["metadata"]["name"] == "split.smi-spec.io")
    assert found.content_type == ALL_AT_ONCE.split(",")[0]
    assert found.body["kind"] == "APIGroupDiscoveryList"
    assert split["versions"] == [
        {
            "version": "v1alpha4",
            "freshness": "Current",
            "resources": [
                {
                    "resource": "trafficsplits",
                    "scope": "Namespaced",
                    "singularResource": "trafficsplit",
                    "responseKind": {"group": "split.smi-spec.io", "version": "v1alpha4", "kind": "TrafficSplit"},
                    "verbs": list(kind().verbs),
                    "shortNames": ["ts"],
                    "categories": ["smi"],
                    "subresources": [
                        {
                            "subresource": "status",
                            "responseKind": {
                                "group": "split.smi-spec.io",
                                "version": "v1alpha4",
                                "kind": "TrafficSplit",
                            },
                            "verbs": ["get", "patch", "update"],
                        }
                    ],
                }
            ],
        }
    ]


def test_old_clients_get_the_document_that_they_know():
    assert answer("/apis", "application/json", BUILTIN).content_type == "application/json"
    assert answer("/apis", ALL_AT_ONCE.replace("v=v2;", "v=v2beta1;"), BUILTIN).body["apiVersion"].endswith("/v2beta1")


def test_the_core_group_at_once_has_no_name():
    (core,) = answer("/api", ALL_AT_ONCE, BUILTIN).body["items"]

    assert "name" not in core["metadata"]
    assert {each["resource"] for each in core["versions"][0]["resources"]} >= {"pods", "services", "events"}
