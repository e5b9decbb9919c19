"""Custom resources: definitions, defaults, pruning, validation, versions."""

from __future__ import annotations

import copy

import pytest

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


def test_a_definition_is_established_and_served_at_once(api, widget_crd):
    assert api.get(WIDGETS).status == 404
    made = api.post(CRDS, widget_crd())
    conditions = {c["type"]: c["status"] for c in made.body["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert made.body["status"]["storedVersions"] == ["v1"]
    assert made.body["spec"]["names"]["listKind"] == "WidgetList"
    assert api.get(WIDGETS).body["kind"] == "WidgetList"


def test_a_definition_must_be_named_after_its_plural_and_group(api, widget_crd):
    crd = widget_crd()
    crd["metadata"]["name"] = "wrong"
    refused = api.post(CRDS, crd)
    assert refused.status == 422
    assert refused.body["details"]["causes"][0]["field"] == "metadata.name"


def test_defaults_are_filled_in_and_unknown_fields_pruned(api, widgets, widget):
    made = api.post(widgets, widget(spec={"size": 3, "wings": 2}))
    assert made.body["spec"] == {"size": 3, "color": "red"}
    assert made.headers["warning"] == '299 - "unknown field \\"spec.wings\\""'


def test_strict_field_validation_refuses_unknown_fields(api, widgets, widget):
    refused = api.post(widgets, widget(spec={"size": 3, "wings": 2}), fieldValidation="Strict")
    assert refused.status == 400
    assert refused.body["message"].endswith(': strict decoding error: unknown field "spec.wings"')
    quiet = api.post(widgets, widget(spec={"size": 3, "wings": 2}), fieldValidation="Ignore")
    assert "warning" not in quiet.headers


def test_a_schema_violation_is_a_422_with_its_cause(api, widgets, widget):
    refused = api.post(widgets, widget(spec={"size": 0}))
    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    (cause,) = refused.body["details"]["causes"]
    assert (cause["field"], cause["reason"]) == ("spec.size", "FieldValueInvalid")
    assert refused.body["message"].startswith('Widget.example.com "one" is invalid: spec.size: Invalid value: 0')


def test_the_generation_counts_everything_but_metadata_and_status(api, widgets, widget):
    path = f"{widgets}/one"
    assert api.post(widgets, widget(status={"phase": "Forged"})).meta["generation"] == 1
    assert "status" not in api.get(path).body
    assert api.merge(path, {"metadata": {"annotations": {"a": "b"}}}).meta["generation"] == 1
    assert api.merge(f"{path}/status", {"status": {"phase": "Up"}}).meta["generation"] == 1
    assert api.merge(path, {"spec": {"size": 4}}).meta["generation"] == 2


def test_without_the_status_subresource_status_is_like_any_field(api, widget_crd, widget):
    api.post(CRDS, widget_crd(status=False))
    made = api.post(WIDGETS, widget(status={"phase": "Up"}))
    assert made.body["status"] == {"phase": "Up"}
    assert api.merge(f"{WIDGETS}/one", {"status": {"phase": "Down"}}).meta["generation"] == 2
    assert api.get(f"{WIDGETS}/one/status").status == 404


def test_a_put_of_a_custom_resource_needs_a_version(api, widgets, widget):
    api.post(widgets, widget())
    assert api.put(f"{widgets}/one", widget(spec={"size": 4})).status == 422
    assert api.put(f"{widgets}/two", widget("two")).status == 404


def test_a_custom_resource_is_scaled_by_the_paths_of_its_definition(api, widgets, widget):
    api.post(widgets, widget(spec={"size": 1, "replicas": 2}))
    assert api.get(f"{widgets}/one/scale").body["spec"] == {"replicas": 2}
    assert api.merge(f"{widgets}/one/scale", {"spec": {"replicas": 5}}).body["spec"] == {"replicas": 5}
    assert api.get(f"{widgets}/one").body["spec"]["replicas"] == 5


@pytest.fixture
def two_versions(api, widget_crd):
    crd = widget_crd()
    (new,) = crd["spec"]["versions"]
    old = copy.deepcopy(new)
    new["name"], old["name"], old["storage"] = "v2", "v1", False
    del old["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["replicas"]
    crd["spec"]["versions"] = [old, new]
    assert api.post(CRDS, crd).status == 201
    return crd


def test_one_object_is_seen_through_every_served_version(api, two_versions, widget):
    v2 = WIDGETS.replace("/v1/", "/v2/")
    made = api.post(v2, {**widget(spec={"size": 1, "replicas": 2}), "apiVersion": "example.com/v2"})
    old = api.get(f"{WIDGETS}/one")
    assert old.body["apiVersion"] == "example.com/v1"
    assert old.body["spec"] == {"size": 1, "color": "red"}
    assert old.version == made.version
    api.merge(f"{WIDGETS}/one", {"spec": {"size": 2}})
    # A write through a version loses what that version does not know.
    assert api.get(f"{v2}/one").body["spec"] == {"size": 2, "color": "red"}


def test_a_version_that_is_no_longer_served_is_gone(api, two_versions):
    name = f"{CRDS}/widgets.example.com"
    versions = [{**two_versions["spec"]["versions"][0], "served": False}, two_versions["spec"]["versions"][1]]
    api.merge(name, {"spec": {"versions": versions}})
    assert api.get(WIDGETS).status == 404
    assert api.get(WIDGETS.replace("/v1/", "/v2/")).status == 200


def test_a_new_default_shows_in_old_objects(api, widgets, widget):
    api.post(widgets, widget())
    crd = api.get(f"{CRDS}/widgets.example.com").body
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["shape"] = {"type": "string", "default": "round"}
    api.put(f"{CRDS}/widgets.example.com", crd)
    assert api.get(f"{widgets}/one").body["spec"]["shape"] == "round"


def test_a_definition_takes_its_objects_with_it_and_waits_for_their_finalizers(api, widgets, widget):
    api.post(widgets, widget())
    api.post(widgets, widget("held", metadata={"finalizers": ["a.io/f"]}))
    marked = api.delete(f"{CRDS}/widgets.example.com")
    assert marked.meta["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
    assert api.get(widgets).names == ["held"]
    api.merge(f"{widgets}/held", {"metadata": {"finalizers": None}})
    assert api.get(f"{CRDS}/widgets.example.com").status == 404
    assert api.get(widgets).status == 404


def test_discovery_lists_the_definition(api, widgets):
    listed = api.get("/apis/example.com/v1").body["resources"]
    assert [item["name"] for item in listed] == ["widgets", "widgets/status", "widgets/scale"]
    assert "/openapi/v3/apis/example.com/v1" in str(api.get("/openapi/v3").body)


@pytest.fixture
def defaulted(api, widget_crd):
    """The path of Widgets whose status has a default."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "status": {"type": "object", "default": {"seen": -1}, "properties": {"seen": {"type": "integer"}}},
        },
    }
    assert api.post(CRDS, widget_crd(schema=schema)).status == 201
    return WIDGETS


def test_the_first_write_stores_the_defaults_of_the_status(api, defaulted, widget):
    made = api.post(defaulted, widget())
    assert made.body["status"] == {"seen": -1}
    first = api.put(f"{defaulted}/one", made.body)
    assert first.version != made.version
    assert api.put(f"{defaulted}/one", first.body).version == first.version


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_so_does_a_deletion_that_waits_for_a_finalizer(api, defaulted, widget, policy):
    api.post(defaulted, widget(metadata={"finalizers": ["a.io/f"]}))
    api.delete(f"{defaulted}/one", {"propagationPolicy": policy})
    waiting = api.get(f"{defaulted}/one")
    assert api.merge(f"{defaulted}/one", {}).version == waiting.version
