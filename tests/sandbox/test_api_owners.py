"""Who owns fields in the odd cases: several versions, /scale, empty maps, and objects that nobody tracked.

Source: k8s.io/apimachinery, package util/managedfields; sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import pytest

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
OLD = "/apis/example.com/v1/namespaces/default/widgets"
NEW = "/apis/example.com/v2/namespaces/default/widgets"
MAPS = "/api/v1/namespaces/default/configmaps"
SETTINGS = f"{MAPS}/settings"
WEB = "/apis/apps/v1/namespaces/default/deployments/web"
REPLICAS = {"f:spec": {"f:replicas": {}}}


@pytest.fixture
def two_versions(api, widget_crd):
    """Widgets in v1, which only has a size, and v2, which is stored and has a colour, too."""

    def version(name, **properties):
        spec = {"type": "object", "properties": {"size": {"x-kubernetes-preserve-unknown-fields": True}, **properties}}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}
        return {"name": name, "served": True, "storage": name == "v2", "schema": schema}

    new = version("v2", size={"type": "integer"}, color={"type": "string"})
    assert api.post(CRDS, widget_crd(versions=[version("v1"), new])).status == 201


def of_v2(widget, **spec):
    return {**widget(spec=spec), "apiVersion": "example.com/v2"}


def entries(reply):
    return [(e["manager"], e.get("subresource", ""), e["fieldsV1"]) for e in reply.meta.get("managedFields", [])]


def test_an_apply_fails_of_what_another_managers_version_does_not_know(api, two_versions, widget):
    api.post(OLD, widget(spec={"size": 3}))
    refused = api.apply(f"{NEW}/one", of_v2(widget, size=3, color="red"))
    assert refused.status == 500
    assert refused.body["message"] == "failed to convert new object: .spec.color: field not declared in schema"


def test_an_apply_fails_where_the_stored_object_does_not_fit_its_version(api, two_versions, widget):
    api.post(OLD, widget(spec={"size": "large"}))
    assert api.apply(f"{NEW}/one", of_v2(widget, size=3), force="true").status == 500


def test_another_write_that_a_managers_version_does_not_know_forgets_all_managers(api, two_versions, widget):
    api.post(OLD, widget(spec={"size": 3}))
    assert api.merge(f"{NEW}/one", {"spec": {"size": 4}}).meta["managedFields"]
    written = api.merge(f"{NEW}/one", {"spec": {"color": "red"}})
    assert (written.status, entries(written)) == (200, [])


def test_who_forgot_all_managers_has_none_until_somebody_applies(api, config_map):
    api.post(MAPS, config_map())
    api.merge(SETTINGS, {"metadata": {"managedFields": [{}]}})
    assert entries(api.merge(SETTINGS, {"data": {"b": "2"}})) == []
    applied = api.apply(SETTINGS, config_map(data={"c": "3"}))
    assert entries(applied) == [
        ("applier", "", {"f:data": {"f:c": {}}}),
        ("before-first-apply", "", {"f:data": {".": {}, "f:a": {}, "f:b": {}}}),
    ]


def test_nothing_is_forgotten_at_a_creation(api, config_map):
    assert entries(api.post(MAPS, config_map(metadata={"managedFields": [{}]}))) == [
        ("tester", "", {"f:data": {".": {}, "f:a": {}}})
    ]


def test_nobody_owns_a_number_of_zero_that_came_by_scale(api, deployment):
    api.apply(WEB, deployment(replicas=2))
    api.merge(f"{WEB}/scale", {"spec": {"replicas": 0}})
    assert not any("f:replicas" in fields.get("f:spec", {}) for _, _, fields in entries(api.get(WEB)))
    api.merge(f"{WEB}/scale", {"spec": {"replicas": 3}})
    assert ("tester", "scale", REPLICAS) in entries(api.get(WEB))


def test_scaling_to_what_there_is_gives_the_number_an_entry_of_its_own(api, deployment):
    made = api.post(WEB.removesuffix("/web"), deployment(replicas=2))
    api.merge(f"{WEB}/scale", {"spec": {"replicas": 2}})
    now = api.get(WEB)
    assert int(now.version) > int(made.version)
    assert [who for who, _, _ in entries(now)] == ["tester", "tester"]
    assert ("tester", "", REPLICAS) in entries(now)


def test_an_empty_map_that_was_applied_is_stored_until_the_next_write(api, widgets, widget):
    made = api.apply(f"{widgets}/one", {**widget(), "metadata": {"name": "one", "labels": {}}})
    assert "labels" not in made.meta
    again = api.merge(f"{widgets}/one", {})
    assert int(again.version) > int(made.version)
    assert api.merge(f"{widgets}/one", {}).version == again.version


def test_a_status_does_not_count_as_there_before_the_first_apply(api, deployment):
    api.post(WEB.removesuffix("/web"), deployment())
    api.merge(WEB, {"metadata": {"managedFields": [{}]}})
    api.merge(f"{WEB}/status", {"status": {"replicas": 1}})
    first = entries(api.apply(WEB, deployment(), force="true"))
    assert [who for who, _, fields in first if "f:status" in fields] == []
    assert {who for who, _, _ in first} == {"applier", "before-first-apply"}


@pytest.fixture
def two_owners(api, config_map):
    """What `one` applied, and `two` changed a part of."""
    api.apply(SETTINGS, config_map(data={"a": "1", "b": "1"}), manager="one")
    return api.merge(SETTINGS, {"data": {"a": "2"}}, query={"fieldManager": "two"}).meta["managedFields"]


def test_a_client_drops_the_entry_of_a_manager_and_nobody_meets_it_any_more(api, config_map, two_owners):
    mine = [entry for entry in two_owners if entry["manager"] == "one"]
    assert api.apply(SETTINGS, config_map(data={"a": "3"}), manager="one").status == 409
    dropped = api.merge(SETTINGS, {"metadata": {"managedFields": mine}}, query={"fieldManager": "two"})
    assert dropped.meta["managedFields"] == mine
    assert api.apply(SETTINGS, config_map(data={"a": "3"}), manager="one").status == 200


@pytest.mark.parametrize("change", [{"operation": ""}, {"operation": "Guess"}, {"fieldsType": "FieldsV2"}])
def test_entries_that_are_not_understood_change_nothing(api, two_owners, change):
    given = [two_owners[0] | change]
    assert api.merge(SETTINGS, {"metadata": {"managedFields": given}}).meta["managedFields"] == two_owners


def test_entries_are_put_in_order_and_empty_ones_go(api, two_owners):
    empty = {**two_owners[0], "manager": "three", "fieldsV1": {"x:unknown": {}}}
    found = api.merge(SETTINGS, {"metadata": {"managedFields": [empty, *two_owners[::-1]]}})
    assert found.meta["managedFields"] == two_owners
