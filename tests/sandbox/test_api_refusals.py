"""What the server refuses, drops or fills in where a lenient double would just store it."""

from __future__ import annotations

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
SETTINGS = f"{MAPS}/settings"
SECRETS = "/api/v1/namespaces/default/secrets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
OTHER_UID = "12345678-0000-4000-8000-000000000000"


def test_a_dry_deletion_asked_for_in_the_body_deletes_nothing(api, config_map):
    api.post(MAPS, config_map())
    assert api.delete(SETTINGS, {"dryRun": ["All"]}).status == 200
    assert api.get(SETTINGS).status == 200


def test_a_dry_deletion_does_not_mark_what_finalizers_hold(api, config_map):
    api.post(MAPS, config_map(metadata={"finalizers": ["a.b/c"]}))
    assert "deletionTimestamp" in api.delete(SETTINGS, {"dryRun": ["All"]}).meta
    assert "deletionTimestamp" not in api.get(SETTINGS).meta


@pytest.mark.parametrize("query", [{"dryRun": "Some"}, {"fieldValidation": "Maybe"}, {"fieldManager": "x" * 129}])
def test_parameters_that_mean_nothing_are_refused(api, config_map, query):
    refused = api.post(MAPS, config_map(), **query)
    assert refused.status == 422
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == list(query)


def test_force_is_for_apply_only(api, config_map):
    api.post(MAPS, config_map())
    assert api.merge(SETTINGS, {}, force="true").status == 422


def test_unknown_fields_of_a_built_in_kind_are_dropped_with_a_warning(api, deployment):
    wrong = deployment()
    wrong["spec"]["template"]["spec"]["containers"][0]["imag"] = "x"
    made = api.post(DEPLOYMENTS, wrong)
    assert 'unknown field \\"spec.template.spec.containers[0].imag\\"' in made.headers["warning"]
    assert "imag" not in made.body["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/merge-patch+json", 422), ("application/apply-patch+yaml", 500)],
)
def test_strict_validation_refuses_unknown_fields_of_a_built_in_kind(api, deployment, kind, status):
    wrong = deployment(replica=3)
    assert api.post(DEPLOYMENTS, wrong, fieldValidation="Strict").status == 400
    api.post(DEPLOYMENTS, deployment())
    strict = {"fieldValidation": "Strict", "fieldManager": "one"}
    assert api("PATCH", f"{DEPLOYMENTS}/web", wrong, kind=kind, **strict).status == status


def test_values_of_another_type_are_refused(api, deployment, config_map):
    assert api.post(DEPLOYMENTS, deployment(replicas="3")).status == 400
    assert api.post(MAPS, config_map(data={"a": 1})).status == 400
    api.post(DEPLOYMENTS, deployment())
    assert api.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": "3"}}).status == 422


@pytest.mark.parametrize(
    "metadata", [{"annotations": {"a": 1}}, {"labels": []}, {"finalizers": [1]}, {"ownerReferences": {}}]
)
def test_metadata_of_another_type_is_refused(api, config_map, metadata):
    assert api.post(MAPS, config_map(metadata=metadata)).status == 400
    api.post(MAPS, config_map())
    assert api.merge(SETTINGS, {"metadata": metadata}).status == 422


def test_empty_metadata_is_left_out(api, config_map):
    api.post(MAPS, config_map(metadata={"finalizers": ["a.b/c"], "labels": {"a": None}}))
    gone = api.json_patch(SETTINGS, {"op": "remove", "path": "/metadata/finalizers/0"})
    assert "finalizers" not in gone.meta
    assert gone.meta["labels"] == {"a": ""}


def test_a_finalizer_must_have_a_qualified_name(api, config_map):
    assert api.post(MAPS, config_map(metadata={"finalizers": ["not one!"]})).status == 422


def test_what_is_of_another_type_is_refused_before_a_stale_version_is(api, config_map):
    api.post(MAPS, config_map())
    stale = {"metadata": {"resourceVersion": "1"}}
    assert api.merge(SETTINGS, {**stale, "data": {"a": 1}}).status == 422
    assert api.merge(SETTINGS, {**stale, "data": {"a": "2"}}).status == 409


def test_what_is_immutable_stays(api, config_map):
    api.post(MAPS, config_map(immutable=True))
    assert api.merge(SETTINGS, {"data": {"a": "other"}}).status == 422
    assert api.merge(SETTINGS, {"immutable": None}).status == 422
    assert api.merge(SETTINGS, {"metadata": {"labels": {"a": "b"}}}).status == 200


def test_a_secret_keeps_its_text_as_data(api):
    made = api.post(SECRETS, {"metadata": {"name": "web"}, "stringData": {"a": "x"}})
    assert (made.body["data"], made.body["type"]) == ({"a": "eA=="}, "Opaque")
    assert "stringData" not in made.body


def test_a_patch_cannot_change_who_an_object_is(api, config_map):
    made = api.post(MAPS, config_map())
    assert api.merge(SETTINGS, {"metadata": {"uid": OTHER_UID}}).status == 422
    replaced = {**made.body, "metadata": {**made.meta, "uid": OTHER_UID}}
    assert api.put(SETTINGS, replaced).status == 409


def test_a_version_that_is_no_number_is_an_error(api, config_map):
    made = api.post(MAPS, config_map())
    assert api.put(SETTINGS, {**made.body, "metadata": {**made.meta, "resourceVersion": "x"}}).status == 500


def test_a_custom_resource_of_another_kind_is_invalid(api, widgets, widget):
    refused = api.post(widgets, {**widget(), "kind": "Other"})
    assert (refused.status, refused.body["details"]["causes"][0]["field"]) == (422, "kind")


def test_paths_of_custom_resources_are_not_bound_to_methods(api, widgets, widget):
    assert api.post(f"{widgets}/ignored", widget()).meta["name"] == "one"
    assert api.put(widgets, {}).status == 400
    assert api.get(f"{widgets}/one/nothing").body["reason"] == "NotFound"


def test_the_order_of_a_strategic_list_must_be_that_of_its_items(api, deployment):
    api.post(DEPLOYMENTS, deployment())
    spec = {"$setElementOrder/containers": [{"name": "main"}], "containers": [{"name": "side", "image": "x"}]}
    assert api.strategic(f"{DEPLOYMENTS}/web", {"spec": {"template": {"spec": spec}}}).status == 500


@pytest.mark.parametrize("name", ["default", "kube-public", "kube-system"])
def test_some_namespaces_cannot_be_deleted(api, name):
    assert api.delete(f"/api/v1/namespaces/{name}").status == 403


def test_every_namespace_has_an_account_and_the_first_the_service_of_the_api(api):
    api.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    assert api.get("/api/v1/namespaces/shop/serviceaccounts/default").status == 200
    assert api.get("/api/v1/namespaces/default/services/kubernetes").body["spec"]["clusterIP"] == "10.96.0.1"


def test_an_event_with_a_time_may_be_about_another_namespace(api):
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "web"},
        "regarding": {"namespace": "elsewhere"},
        "reportingController": "canary.delivery/controller",
        "reportingInstance": "canary-1",
        "action": "Advance",
        "reason": "Advanced",
        "type": "Normal",
    }
    assert api.post(path, event).status == 422
    assert api.post(path, {**event, "eventTime": "2026-01-01T00:00:00.000000Z"}).status == 201
