"""OpenAPI documents: what kubectl needs to explain a resource and to leave validation to the server."""

from __future__ import annotations

import re

import pytest

from canary.sandbox.apiserver.builtin import BUILTIN
from canary.sandbox.apiserver.openapi import documents, index
from canary.sandbox.apiserver.restype import ResourceType


def custom(**overrides):
    given = {
        "group": "canary.delivery",
        "version": "v1beta1",
        "plural": "canaries",
        "kind": "Canary",
        "singular": "canary",
        "storage": ("canary.delivery", "canaries"),
        "storage_version": "v1beta1",
        "list_kind": "CanaryList",
        "custom": True,
        "status": True,
        "schema": {
            "description": "A rollout.",
            "type": "object",
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string"},
                "metadata": {"type": "object"},
                "spec": {"type": "object", "properties": {"steps": {"type": "array", "items": {"type": "object"}}}},
            },
        },
    }
    return ResourceType(**{**given, **overrides})


FOUND = documents([*BUILTIN, custom()])
OURS = FOUND["apis/canary.delivery/v1beta1"]


def references(value):
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref":
                yield item
            else:
                yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_the_index_names_each_group_and_version_with_a_hash_of_its_content():
    paths = index(FOUND)["paths"]

    assert {"api/v1", "apis/apps/v1", "apis/canary.delivery/v1beta1"} <= paths.keys()
    assert re.fullmatch(r"/openapi/v3/apis/apps/v1\?hash=[0-9A-F]{128}", paths["apis/apps/v1"]["serverRelativeURL"])


def test_the_hash_follows_the_content():
    def address(**overrides):
        return index(documents([custom(**overrides)]))["paths"]["apis/canary.delivery/v1beta1"]["serverRelativeURL"]

    assert address() == address()
    assert address() != address(schema={"type": "object", "description": "Another one."})


@pytest.mark.parametrize("path", FOUND)
def test_every_reference_leads_to_a_schema(path):
    known = {f"#/components/schemas/{name}" for name in FOUND[path]["components"]["schemas"]}

    assert set(references(FOUND[path])) <= known


def test_the_schema_of_a_definition_is_told_with_its_kind():
    schema = OURS["components"]["schemas"]["delivery.canary.v1beta1.Canary"]

    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "canary.delivery", "version": "v1beta1", "kind": "Canary"}
    ]
    assert schema["description"] == "A rollout."
    assert schema["required"] == ["spec"]
    assert schema["properties"]["spec"] == custom().schema["properties"]["spec"]


def test_metadata_of_a_definition_is_described_as_for_any_kind():
    schemas = OURS["components"]["schemas"]
    (reference,) = references(schemas["delivery.canary.v1beta1.Canary"]["properties"]["metadata"])

    assert "labels" in schemas[reference.rpartition("/")[2]]["properties"]


def test_the_server_says_that_it_validates_fields_of_what_is_written():
    item = OURS["paths"]["/apis/canary.delivery/v1beta1/namespaces/{namespace}/canaries/{name}"]

    for method in ("put", "patch"):
        assert "fieldValidation" in {parameter["name"] for parameter in item[method]["parameters"]}
    assert item["patch"]["x-kubernetes-group-version-kind"]["kind"] == "Canary"
    assert "application/apply-patch+yaml" in item["patch"]["requestBody"]["content"]


def test_paths_are_those_that_are_served():
    core = FOUND["api/v1"]["paths"]

    assert "/api/v1/namespaces/{namespace}/pods/{name}/status" in core
    assert "/api/v1/pods" in core
    assert "/api/v1/namespaces/{name}" in core
    assert "/api/v1/namespaces/{namespace}/configmaps/{name}/status" not in core


def test_a_review_can_only_be_created():
    operations = FOUND["apis/authentication.k8s.io/v1"]["paths"]["/apis/authentication.k8s.io/v1/tokenreviews"]

    assert operations.keys() == {"post", "parameters"}


def test_a_field_that_is_required_is_required():
    schemas = FOUND["api/v1"]["components"]["schemas"]

    ports = schemas["io.k8s.api.core.v1.Service"]["properties"]["spec"]["properties"]["ports"]
    assert ports["items"]["required"] == ["port"]
    assert ports["x-kubernetes-list-map-keys"] == ["port", "protocol"]


def test_a_kind_that_is_not_described_allows_everything():
    schema = FOUND["apis/networking.k8s.io/v1"]["components"]["schemas"]["io.k8s.api.networking.v1.Ingress"]

    assert schema["x-kubernetes-preserve-unknown-fields"] is True
    assert schema["properties"].keys() == {"apiVersion", "kind", "metadata"}
