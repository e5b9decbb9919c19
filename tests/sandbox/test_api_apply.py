"""Server-side apply, its conflicts and the record of owners."""

from __future__ import annotations

import pytest

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
WEB = f"{DEPLOYMENTS}/web"
MAPS = "/api/v1/namespaces/default/configmaps"
SETTINGS = f"{MAPS}/settings"


def owners(reply, manager):
    (entry,) = [entry for entry in reply.meta["managedFields"] if entry["manager"] == manager]
    return entry["fieldsV1"]


def managers(reply):
    return [(e["manager"], e["operation"], e.get("subresource", "")) for e in reply.meta.get("managedFields", [])]


def test_an_apply_creates_and_records_what_it_set(api, config_map):
    made = api.apply(SETTINGS, config_map(labels={"app": "x"}))
    assert made.status == 201
    assert made.meta["managedFields"] == [
        {
            "manager": "applier",
            "operation": "Apply",
            "apiVersion": "v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:data": {"f:a": {}}, "f:metadata": {"f:labels": {"f:app": {}}}},
        }
    ]


def test_applying_the_same_again_changes_nothing(api, config_map):
    made = api.apply(SETTINGS, config_map())
    api.clock.advance(60)
    assert api.apply(SETTINGS, config_map()).body == made.body


def test_a_field_that_is_no_longer_applied_goes(api, config_map):
    api.apply(SETTINGS, config_map(data={"a": "1", "b": "2"}))
    assert api.apply(SETTINGS, config_map(data={"a": "1"})).body["data"] == {"a": "1"}


def test_a_field_that_another_manager_owns_too_stays(api, config_map):
    api.apply(SETTINGS, config_map(data={"a": "1", "b": "2"}))
    api.apply(SETTINGS, config_map(data={"b": "2"}), "other")
    left = api.apply(SETTINGS, config_map(data={"a": "1"}))
    assert left.body["data"] == {"a": "1", "b": "2"}
    assert owners(left, "other") == {"f:data": {"f:b": {}}}


def test_another_value_for_an_owned_field_is_a_conflict_that_names_owner_and_field(api, deployment):
    api.apply(WEB, deployment(replicas=2))
    refused = api.apply(WEB, deployment(replicas=3), "other")
    assert (refused.status, refused.body["reason"]) == (409, "Conflict")
    assert refused.body["message"] == 'Apply failed with 1 conflict: conflict with "applier": .spec.replicas'
    assert refused.body["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "applier"', "field": ".spec.replicas"}
    ]


def test_an_update_owns_what_it_changed_and_conflicts_with_an_apply(api, deployment):
    api.apply(WEB, deployment(replicas=2))
    changed = api.merge(WEB, {"spec": {"replicas": 5}}, fieldManager="scaler")
    assert "f:replicas" not in owners(changed, "applier")["f:spec"]
    assert owners(changed, "scaler") == {"f:spec": {"f:replicas": {}}}
    refused = api.apply(WEB, deployment(replicas=2))
    assert 'conflict with "scaler" using apps/v1: .spec.replicas' in refused.body["message"]


def test_force_takes_the_field_over(api, deployment):
    api.apply(WEB, deployment(replicas=2))
    taken = api.apply(WEB, deployment(replicas=3), "other", force="true")
    assert taken.body["spec"]["replicas"] == 3
    assert "f:replicas" not in owners(taken, "applier")["f:spec"]
    assert "f:replicas" in owners(taken, "other")["f:spec"]


def test_several_conflicts_are_listed_by_manager(api, config_map):
    api.apply(SETTINGS, config_map(data={"a": "1", "b": "1"}))
    refused = api.apply(SETTINGS, config_map(data={"a": "2", "b": "2"}), "other")
    assert refused.body["message"] == ('Apply failed with 2 conflicts: conflicts with "applier":\n- .data.a\n- .data.b')


def test_an_item_of_a_list_with_keys_has_its_own_owner(api, deployment):
    api.apply(WEB, deployment())
    side = {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s:1"}]}}}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, **side}
    both = api.apply(WEB, body, "injector")
    names = [c["name"] for c in both.body["spec"]["template"]["spec"]["containers"]]
    assert names == ["main", "side"]
    item = owners(both, "injector")["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert item == {'k:{"name":"side"}': {".": {}, "f:image": {}, "f:name": {}}}
    left = api.apply(WEB, {k: v for k, v in body.items() if k != "spec"}, "injector")
    assert [c["name"] for c in left.body["spec"]["template"]["spec"]["containers"]] == ["main"]
    assert ("injector", "Apply", "") not in managers(left)


def test_a_list_without_keys_is_one_value_with_one_owner(api, widgets, widget):
    api.apply(f"{widgets}/one", widget(spec={"steps": [1, 2]}))
    refused = api.apply(f"{widgets}/one", widget(spec={"steps": [1, 2, 3]}), "other")
    assert refused.body["details"]["causes"][0]["field"] == ".spec.steps"


def test_a_list_with_keys_of_a_custom_resource_merges_by_key(api, widgets, widget):
    path = f"{widgets}/one"
    api.apply(path, widget(spec={"parts": [{"name": "a", "weight": 1}]}))
    both = api.apply(path, widget(spec={"parts": [{"name": "b", "weight": 2}]}), "other")
    assert [part["name"] for part in both.body["spec"]["parts"]] == ["a", "b"]
    refused = api.apply(path, widget(spec={"parts": [{"name": "a", "weight": 9}]}), "other")
    assert refused.body["details"]["causes"][0]["field"] == '.spec.parts[name="a"].weight'


def test_defaults_belong_to_nobody_who_applies(api, widgets, widget):
    made = api.apply(f"{widgets}/one", widget())
    assert made.body["spec"] == {"size": 3, "color": "red"}
    assert owners(made, "applier") == {"f:spec": {"f:size": {}}}


def test_a_field_goes_with_its_last_owner_and_takes_along_the_defaults_in_it(api, widgets, widget):
    assert "color" in api.apply(f"{widgets}/one", widget()).body["spec"]
    bare = {name: value for name, value in widget().items() if name != "spec"}
    assert "spec" not in api.apply(f"{widgets}/one", bare).body


def test_status_has_owners_of_its_own(api, widgets, widget):
    path = f"{widgets}/one"
    api.apply(path, widget())
    api.apply(f"{path}/status", widget(status={"phase": "Up"}), "controller")
    kept = api.apply(path, widget(status={"phase": "Forged"}))
    assert kept.body["status"] == {"phase": "Up"}
    assert managers(kept) == [("applier", "Apply", ""), ("controller", "Apply", "status")]


def test_finalizers_are_a_set(api, config_map):
    api.apply(SETTINGS, config_map(metadata={"finalizers": ["a.io/x"]}))
    both = api.apply(SETTINGS, config_map(metadata={"finalizers": ["b.io/y"]}), "other")
    assert both.meta["finalizers"] == ["a.io/x", "b.io/y"]
    assert api.apply(SETTINGS, config_map()).meta["finalizers"] == ["b.io/y"]


def test_a_create_is_owned_by_the_user_agent(api, config_map):
    made = api.post(MAPS, config_map(), agent="kubectl/v1.37 (linux)")
    assert managers(made) == [("kubectl", "Update", "")]
    assert owners(made, "kubectl") == {"f:data": {".": {}, "f:a": {}}}


def test_one_empty_entry_forgets_all_owners(api, config_map):
    api.apply(SETTINGS, config_map())
    kept = api.merge(SETTINGS, {"metadata": {"managedFields": []}})
    assert managers(kept) != []
    reset = api.merge(SETTINGS, {"metadata": {"managedFields": [{}]}})
    assert managers(reset) == []


@pytest.mark.parametrize(
    ("changes", "query", "status", "words"),
    [
        ({}, {"manager": ""}, 422, "is required for apply patch"),
        ({"apiVersion": ""}, {}, 400, "apiVersion"),
        ({"metadata": {"managedFields": [{}]}}, {}, 400, "metadata.managedFields must be nil"),
        ({"metadata": {"uid": "x"}}, {}, 409, "uid mismatch"),
        ({"metadata": {"name": "else"}}, {}, 400, "does not match the name on the URL"),
    ],
)
def test_a_bad_apply_is_refused(api, config_map, changes, query, status, words):
    body = {**config_map(), **{key: value for key, value in changes.items() if key != "metadata"}}
    body["metadata"] = {**body["metadata"], **changes.get("metadata", {})}
    refused = api.apply(SETTINGS, body, **query)
    assert refused.status == status
    assert words in refused.body["message"]


def test_an_apply_that_names_a_version_insists_on_it(api, config_map):
    made = api.apply(SETTINGS, config_map())
    api.merge(SETTINGS, {"data": {"z": "1"}})
    stale = config_map(data={"a": "2"}, metadata={"resourceVersion": made.version})
    assert api.apply(SETTINGS, stale).status == 409


def test_an_apply_of_an_unknown_field_is_refused(api, widgets, widget):
    refused = api.apply(f"{widgets}/one", widget(spec={"wings": 2}))
    assert refused.status == 500
    assert refused.body["message"].endswith(".spec.wings: field not declared in schema")
