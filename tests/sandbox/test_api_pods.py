"""Pods: how they go, what may be changed of them, and their addresses."""

from __future__ import annotations

import pytest

PODS = "/api/v1/namespaces/default/pods"
POD = f"{PODS}/p"
FAR = {"nodeName": "far"}


@pytest.fixture
def pod(api):
    """Creates the Pod `p`."""

    def create(**spec):
        container = {"name": "c", "image": "i:1"}
        return api.post(PODS, {"metadata": {"name": "p"}, "spec": {"containers": [container], **spec}})

    return create


def deletions(api):
    """What the commits of deletions have left: the grace period, or nothing."""
    commits = [commit for commit in api.server.commits if commit.verb == "delete"]
    return [commit.new and commit.new["metadata"]["deletionGracePeriodSeconds"] for commit in commits]


def test_a_pod_that_goes_at_once_is_marked_first(api, pod):
    # Source: k8s.io/apiserver, package registry/generic/registry, `Store.Delete`.
    pod()
    gone = api.delete(POD)
    assert (gone.meta["deletionGracePeriodSeconds"], gone.meta["generation"]) == (0, 2)
    assert deletions(api) == [0, None]


def test_a_dry_deletion_of_a_pod_shows_the_mark(api, pod):
    pod()
    assert api.delete(POD, {"dryRun": ["All"]}).meta["deletionGracePeriodSeconds"] == 0
    assert "deletionTimestamp" not in api.get(POD).meta


def test_the_time_of_a_terminating_pod_can_only_be_shortened(api, pod):
    # Source: k8s.io/apiserver, package registry/rest, `BeforeDelete`.
    pod(**FAR)
    marked = api.delete(POD)
    assert api.delete(POD).body == api.delete(POD, {"gracePeriodSeconds": 60}).body == marked.body
    shorter = api.delete(POD, {"gracePeriodSeconds": 5})
    assert shorter.meta["deletionTimestamp"] == "2026-01-01T00:00:05Z"
    api.delete(POD, {"gracePeriodSeconds": 0})
    assert deletions(api) == [30, 5, 0, None]


def test_a_pod_that_has_ended_needs_no_time(api, pod):
    pod(**FAR)
    api.merge(f"{POD}/status", {"status": {"phase": "Succeeded"}})
    api.delete(POD)
    assert deletions(api) == [0, None]


def test_only_the_image_of_a_container_may_change(api, pod):
    # Source: Kubernetes, "Pod update and replacement".
    pod()
    changed = api.merge(POD, {"spec": {"containers": [{"name": "c", "image": "i:2"}]}})
    assert (changed.status, changed.meta["generation"]) == (200, 2)
    refused = api.merge(POD, {"spec": {"containers": [{"name": "d", "image": "i:2"}]}})
    (cause,) = refused.body["details"]["causes"]
    assert (refused.status, cause["field"]) == (422, "spec")


def test_no_container_comes_or_goes(api, pod):
    pod()
    refused = api.strategic(POD, {"spec": {"containers": [{"name": "d", "image": "i:2"}]}})
    assert refused.status == 422
    assert "pod updates may not add or remove containers" in refused.body["message"]


def test_one_address_makes_a_list_of_one(api, pod):
    # Source: Kubernetes API reference, Pod v1, `podIPs`.
    pod()
    for address in ("10.0.0.1", "10.0.0.2"):
        written = api.merge(f"{POD}/status", {"status": {"podIP": address}})
        assert written.body["status"]["podIPs"] == [{"ip": address}]
    assert api.merge(f"{POD}/status", {"status": {"podIP": None}}).body["status"]["podIP"] == "10.0.0.2"


def test_a_new_pod_is_pending_and_a_status_that_lacks_the_phase_stays_without(api, pod):
    made = pod()
    assert made.body["status"]["phase"] == "Pending"
    assert "phase" not in api.put(f"{POD}/status", {**made.body, "status": {}}).body["status"]


def test_labels_of_a_pod_can_be_set_with_its_status_but_owners_cannot(api, pod):
    # Source: k8s.io/kubernetes, package registry/core/pod, `podStatusStrategy`.
    pod()
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"}
    metadata = {"labels": {"a": "b"}, "ownerReferences": [owner]}
    written = api.merge(f"{POD}/status", {"metadata": metadata, "spec": {"nodeName": "n"}})
    assert written.meta["labels"] == {"a": "b"}
    assert "ownerReferences" not in written.meta
    assert "nodeName" not in written.body["spec"]
