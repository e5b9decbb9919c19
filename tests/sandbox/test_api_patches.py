"""Merge, JSON and strategic merge patches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.merge_patch import merge_patch

MAPS = "/api/v1/namespaces/default/configmaps"
SETTINGS = f"{MAPS}/settings"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WEB = f"{DEPLOYMENTS}/web"


@pytest.fixture
def settings(api, config_map):
    return api.post(MAPS, config_map(data={"a": "1", "b": "2"}, annotations={"note": "x"}))


def containers(reply):
    return reply.body["spec"]["template"]["spec"]["containers"]


def test_a_merge_patch_sets_and_null_removes(api, settings):
    assert api.merge(SETTINGS, {"data": {"a": None, "c": "3"}}).body["data"] == {"b": "2", "c": "3"}


def test_a_patch_that_names_an_old_version_is_a_conflict(api, settings):
    api.merge(SETTINGS, {"data": {"a": "2"}})
    assert api.merge(SETTINGS, {"metadata": {"resourceVersion": settings.version}, "data": {"a": "3"}}).status == 409


def test_a_json_patch_applies_in_order_or_not_at_all(api, settings):
    operations = [
        {"op": "test", "path": "/metadata/annotations/note", "value": "x"},
        {"op": "remove", "path": "/metadata/annotations/note"},
        {"op": "add", "path": "/metadata/annotations/x~1y", "value": "3"},
        {"op": "move", "from": "/data/a", "path": "/data/z"},
        {"op": "copy", "from": "/data/b", "path": "/data/b2"},
        {"op": "replace", "path": "/data/b", "value": "9"},
    ]
    patched = api.json_patch(SETTINGS, *operations)
    assert patched.body["data"] == {"b": "9", "z": "1", "b2": "2"}
    assert patched.body["metadata"]["annotations"] == {"x/y": "3"}
    failed = api.json_patch(SETTINGS, {"op": "remove", "path": "/data/b"}, *operations[:1])
    assert (failed.status, failed.body["reason"]) == (422, "Invalid")
    assert api.get(SETTINGS).body == patched.body


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "test", "path": "/data/a", "value": "2"}, 422),
        ({"op": "remove", "path": "/data/none"}, 422),
        ({"op": "add", "path": "data", "value": "1"}, 422),
        ({"op": "fly", "path": "/data/a"}, 422),
    ],
)
def test_a_json_patch_that_does_not_fit_is_refused(api, settings, operation, status):
    assert api.json_patch(SETTINGS, operation).status == status


def test_a_json_patch_may_replace_the_member_of_a_map_that_is_missing(api, settings):
    patched = api.json_patch(SETTINGS, {"op": "replace", "path": "/data/none", "value": "1"})
    assert patched.body["data"]["none"] == "1"


def test_an_object_in_the_place_of_a_json_patch_is_refused(api, settings):
    assert api("PATCH", SETTINGS, {"data": {}}, kind="application/json-patch+json").status == 400


def test_an_unknown_patch_type_is_not_supported(api, settings):
    assert api("PATCH", SETTINGS, {"data": {}}, kind="application/json").status == 415


def test_a_strategic_patch_merges_containers_by_name(api, deployment):
    api.post(DEPLOYMENTS, deployment())
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}}
    assert [c["name"] for c in containers(api.strategic(WEB, patch))] == ["side", "main"]
    patch["spec"]["template"]["spec"]["containers"] = [{"name": "main", "image": "web:2"}]
    assert [c["image"] for c in containers(api.strategic(WEB, patch))] == ["s:1", "web:2"]
    patch["spec"]["template"]["spec"]["containers"] = [{"name": "main", "$patch": "delete"}]
    assert [c["name"] for c in containers(api.strategic(WEB, patch))] == ["side"]


def test_a_strategic_patch_puts_items_in_the_order_it_names(api, deployment):
    api.post(DEPLOYMENTS, deployment())
    order = {"$setElementOrder/containers": [{"name": "side"}, {"name": "main"}]}
    order["containers"] = [{"name": "side", "image": "side:1"}]
    patched = api.strategic(WEB, {"spec": {"template": {"spec": order}}})
    assert [c["name"] for c in containers(patched)] == ["side", "main"]


def test_a_strategic_patch_can_retain_keys_and_replace(api, deployment):
    api.post(DEPLOYMENTS, deployment())
    patched = api.strategic(WEB, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})
    assert patched.body["spec"]["strategy"] == {"type": "Recreate"}
    patched = api.strategic(WEB, {"metadata": {"labels": {"$patch": "replace", "x": "y"}}})
    assert patched.meta["labels"] == {"x": "y"}


def test_conditions_merge_by_type(api, deployment):
    api.post(DEPLOYMENTS, deployment())
    for sort, status in (("Available", "False"), ("Progressing", "True"), ("Available", "True")):
        patched = api.strategic(f"{WEB}/status", {"status": {"conditions": [{"type": sort, "status": status}]}})
    assert patched.body["status"]["conditions"] == [
        {"type": "Progressing", "status": "True"},
        {"type": "Available", "status": "True"},
    ]


def test_custom_resources_know_no_strategic_patch(api, widgets, widget):
    api.post(widgets, widget())
    assert api.strategic(f"{widgets}/one", {"spec": {"size": 4}}).status == 415


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, _JSON)
def test_merging_twice_is_merging_once(value, patch):
    once = merge_patch(value, patch)
    assert merge_patch(once, patch) == once
