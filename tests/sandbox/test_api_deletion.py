"""Deleting: preconditions, finalizers, grace, garbage collection, and the end of namespaces."""

from __future__ import annotations

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
SETTINGS = f"{MAPS}/settings"
EVENTS = "/api/v1/namespaces/default/events"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


@pytest.fixture
def owned(api, config_map):
    """Makes a config map that the config map `owner` owns."""

    def make(name, owner, *, block=False):
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.meta["name"], "uid": owner.meta["uid"]}
        if block:
            reference["blockOwnerDeletion"] = True
        return api.post(MAPS, config_map(name, metadata={"ownerReferences": [reference]}))

    return make


def test_a_deletion_answers_with_a_success_and_the_uid(api, config_map):
    made = api.post(MAPS, config_map())
    gone = api.delete(SETTINGS)
    assert (gone.status, gone.body["status"]) == (200, "Success")
    assert gone.body["details"] == {"name": "settings", "kind": "configmaps", "uid": made.meta["uid"]}
    assert api.delete(SETTINGS).status == 404


@pytest.mark.parametrize(
    ("field", "words"), [("uid", "UID in precondition"), ("resourceVersion", "ResourceVersion in")]
)
def test_an_unmet_precondition_is_a_conflict(api, config_map, field, words):
    made = api.post(MAPS, config_map())
    refused = api.delete(SETTINGS, {"preconditions": {field: "1"}})
    assert refused.status == 409
    assert f"Precondition failed: {words}" in refused.body["message"]
    assert api.delete(SETTINGS, {"preconditions": {field: made.meta[field]}}).status == 200


def test_a_finalizer_holds_the_object_until_it_is_removed(api, widgets, widget):
    made = api.post(widgets, widget(metadata={"finalizers": ["a.io/f"]}))
    path = f"{widgets}/one"
    marked = api.delete(path)
    assert marked.meta["deletionTimestamp"] == "2026-01-01T00:00:00Z"
    assert marked.meta["deletionGracePeriodSeconds"] == 0
    assert marked.meta["generation"] == made.meta["generation"] + 1
    assert api.delete(path).version == marked.version
    assert api.merge(path, {"metadata": {"finalizers": None}}).status == 200
    assert api.get(path).status == 404


def test_a_terminating_object_gets_no_new_finalizers(api, config_map):
    api.post(MAPS, config_map(metadata={"finalizers": ["a.io/f"]}))
    api.delete(SETTINGS)
    refused = api.merge(SETTINGS, {"metadata": {"finalizers": ["a.io/f", "b.io/g"]}})
    assert refused.status == 422
    assert 'found new finalizers []string{"b.io/g"}' in refused.body["message"]


def test_the_deletion_timestamp_cannot_be_taken_back(api, config_map):
    api.post(MAPS, config_map(metadata={"finalizers": ["a.io/f"]}))
    api.delete(SETTINGS)
    assert (
        "deletionTimestamp" in api.merge(SETTINGS, {"metadata": {"deletionTimestamp": None}, "data": {"x": "y"}}).meta
    )


def test_dependents_follow_their_owner(api, config_map, owned):
    owner = api.post(MAPS, config_map("owner"))
    child = owned("child", owner)
    owned("grandchild", child)
    api.delete(f"{MAPS}/owner")
    assert api.get(MAPS).names == []


def test_orphans_stay_and_lose_the_reference(api, config_map, owned):
    owned("child", api.post(MAPS, config_map("owner")))
    api.delete(f"{MAPS}/owner", {"propagationPolicy": "Orphan"})
    left = api.get(MAPS)
    assert left.names == ["child"]
    assert "ownerReferences" not in left.body["items"][0]["metadata"]


def test_in_the_foreground_dependents_go_first(api, config_map, owned):
    owned("child", api.post(MAPS, config_map("owner")), block=True)
    marked = api.delete(f"{MAPS}/owner", propagationPolicy="Foreground")
    assert marked.meta["finalizers"] == ["foregroundDeletion"]
    assert api.get(MAPS).names == []
    assert [(c.name, c.new is None) for c in list(api.server.commits)[2:]] == [
        ("owner", False),
        ("child", True),
        ("owner", True),
    ]


def test_in_the_foreground_an_owner_waits_for_a_blocking_dependent_with_a_finalizer(api, config_map, owned):
    owner = api.post(MAPS, config_map("owner"))
    owned("child", owner, block=True)
    api.merge(f"{MAPS}/child", {"metadata": {"finalizers": ["a.io/f"]}})
    api.delete(f"{MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert api.get(MAPS).names == ["child", "owner"]
    assert "deletionTimestamp" in api.get(f"{MAPS}/child").meta
    api.merge(f"{MAPS}/child", {"metadata": {"finalizers": None}})
    assert api.get(MAPS).names == []


def test_in_the_foreground_an_owner_does_not_wait_for_a_dependent_that_does_not_block(api, config_map, owned):
    owned("child", api.post(MAPS, config_map("owner")))
    api.merge(f"{MAPS}/child", {"metadata": {"finalizers": ["a.io/f"]}})
    api.delete(f"{MAPS}/owner", {"propagationPolicy": "Foreground"})
    assert api.get(MAPS).names == ["child"]


def test_a_dependent_with_another_living_owner_stays(api, config_map):
    one, two = (api.post(MAPS, config_map(name)) for name in ("one", "two"))
    references = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": owner.meta["name"], "uid": owner.meta["uid"]}
        for owner in (one, two)
    ]
    api.post(MAPS, config_map("child", metadata={"ownerReferences": references}))
    api.delete(f"{MAPS}/one")
    assert [r["name"] for r in api.get(f"{MAPS}/child").meta["ownerReferences"]] == ["two"]


def test_an_object_whose_owner_never_was_goes(api, config_map):
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ghost", "uid": "1"}
    api.post(MAPS, config_map(metadata={"ownerReferences": [reference]}))
    assert api.get(MAPS).names == []


def test_an_owner_of_the_same_name_with_another_uid_is_no_owner(api, config_map, owned):
    owner = api.post(MAPS, config_map("owner"))
    api.delete(f"{MAPS}/owner")
    api.post(MAPS, config_map("owner"))
    owned("child", owner)
    assert api.get(MAPS).names == ["owner"]


def test_events_are_deleted_whatever_becomes_of_dependents(api):
    # Source: k8s.io/kubernetes, package registry/core/event, which does not support garbage collection.
    event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default", "kind": "Pod", "name": "p"}}
    api.post(EVENTS, event)
    assert api.delete(f"{EVENTS}/e", {"propagationPolicy": "Foreground"}).body["status"] == "Success"
    assert [commit.verb for commit in api.server.commits] == ["create", "delete"]


def test_a_lease_that_is_put_back_is_still_on_its_way_out(api):
    # Only a POST takes the mark away. Source: k8s.io/apiserver, package registry/rest, `WipeObjectMetaSystemFields`.
    api.post(LEASES, {"metadata": {"name": "l", "finalizers": ["a.io/f"]}, "spec": {"holderIdentity": "a"}})
    marked = api.delete(f"{LEASES}/l").body
    api.merge(f"{LEASES}/l", {"metadata": {"finalizers": None}})
    metadata = {key: value for key, value in marked["metadata"].items() if key != "uid"}
    assert api.put(f"{LEASES}/l", {**marked, "metadata": metadata}).meta["deletionTimestamp"]
    copy = {**metadata, "name": "m", "resourceVersion": ""}
    assert "deletionTimestamp" not in api.post(LEASES, {"metadata": copy}).meta


def test_a_collection_is_deleted_by_selector(api, config_map):
    for name in "abc":
        api.post(MAPS, config_map(name, labels={"pick": str(name < "c").lower()}))
    assert api.delete(MAPS, labelSelector="pick=true").names == ["a", "b"]
    assert api.get(MAPS).names == ["c"]


def test_a_namespace_takes_its_contents_with_it(api, config_map):
    api.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    api.post("/api/v1/namespaces/shop/configmaps", config_map())
    api.delete("/api/v1/namespaces/shop")
    assert api.get("/api/v1/namespaces/shop").status == 404
    assert api.get("/api/v1/configmaps").names == []


def test_a_namespace_waits_for_finalizers_and_takes_nothing_new(api, config_map):
    api.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    api.post("/api/v1/namespaces/shop/configmaps", config_map(metadata={"finalizers": ["a.io/f"]}))
    api.delete("/api/v1/namespaces/shop")
    assert api.get("/api/v1/namespaces/shop").body["status"]["phase"] == "Terminating"
    refused = api.post("/api/v1/namespaces/shop/configmaps", config_map("late"))
    assert refused.status == 403
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    api.merge("/api/v1/namespaces/shop/configmaps/settings", {"metadata": {"finalizers": None}})
    assert api.get("/api/v1/namespaces/shop").status == 404


def test_an_unknown_propagation_policy_is_refused(api, config_map):
    api.post(MAPS, config_map())
    assert api.delete(SETTINGS, {"propagationPolicy": "Sideways"}).status == 422
