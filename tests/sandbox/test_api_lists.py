"""Lists: selectors, pages, versions and forms."""

from __future__ import annotations

import pytest

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.fixture
def maps(api, config_map):
    for name, labels in (("a", {"app": "x", "n": "1"}), ("b", {"app": "y", "n": "2"}), ("c", {"n": "3"})):
        api.post(MAPS, config_map(name, labels=labels))
    return MAPS


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("", "abc"),
        ("app=x", "a"),
        ("app==x", "a"),
        ("app!=x", "bc"),
        ("app", "ab"),
        ("!app", "c"),
        ("app in (x, y)", "ab"),
        ("app notin (x)", "bc"),
        ("app in (x,y),n=2", "b"),
        ("n>1", "bc"),
        ("n<2", "a"),
        ("app=", ""),
    ],
)
def test_label_selectors(api, maps, selector, names):
    assert "".join(api.get(maps, labelSelector=selector).names) == names


@pytest.mark.parametrize("selector", ["app in x", "=x", "a=b c", "app in (x) n"])
def test_a_bad_label_selector_is_refused(api, maps, selector):
    assert api.get(maps, labelSelector=selector).status == 400


def test_field_selectors(api, maps):
    assert api.get(maps, fieldSelector="metadata.name=b").names == ["b"]
    assert api.get(maps, fieldSelector="metadata.name!=b").names == ["a", "c"]
    refused = api.get(maps, fieldSelector="spec.colour=red")
    assert (refused.status, refused.body["message"]) == (400, "field label not supported: spec.colour")


def test_pods_are_found_by_phase_and_node(api):
    for name, node in (("p", "n1"), ("q", "n2")):
        pod = {"metadata": {"name": name}, "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]}}
        api.post(PODS, pod)
    assert api.get(PODS, fieldSelector="spec.nodeName=n2,status.phase=Pending").names == ["q"]


def test_a_list_carries_the_version_from_which_a_watch_goes_on(api, maps):
    listed = api.get(maps)
    assert listed.body["kind"] == "ConfigMapList"
    assert listed.version == api.get(f"{maps}/c").version
    assert "kind" not in listed.body["items"][0]


def test_pages_show_one_state_whatever_happens_between_them(api, maps, config_map):
    first = api.get(maps, limit="2")
    assert first.names == ["a", "b"]
    assert first.meta["remainingItemCount"] == 1
    api.post(maps, config_map("d"))
    api.delete(f"{maps}/c")
    rest = api.get(maps, limit="2", continue_=first.meta["continue"])
    assert rest.names == ["c"]
    assert rest.version == first.version
    assert "continue" not in rest.meta


def test_a_page_goes_on_while_anything_is_left_selected_or_not(api, maps):
    # Source: k8s.io/apiserver, package storage/etcd3, `GetList`.
    page = api.get(maps, labelSelector="app=x", limit="1")
    assert page.names == ["a"]
    last = api.get(maps, labelSelector="app=x", limit="1", continue_=page.meta["continue"])
    assert (last.names, last.meta.get("continue")) == ([], None)


def test_a_page_of_a_forgotten_state_has_expired(api, maps, config_map):
    first = api.get(maps, limit="2")
    api.post(maps, config_map("d"))
    api.server.compact()
    expired = api.get(maps, limit="2", continue_=first.meta["continue"])
    assert (expired.status, expired.body["reason"]) == (410, "Expired")


def test_a_list_can_be_of_exactly_one_version(api, maps, config_map):
    before = api.get(maps).version
    api.delete(f"{maps}/a")
    assert api.get(maps, resourceVersion=before, resourceVersionMatch="Exact").names == ["a", "b", "c"]
    assert api.get(maps, resourceVersion=before).names == ["b", "c"]
    assert api.get(maps, resourceVersion="0").names == ["b", "c"]


def test_a_version_of_the_future_is_too_large(api, maps):
    refused = api.get(maps, resourceVersion="999999")
    assert refused.status == 504
    assert refused.body["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"limit": "x"}, 400),
        ({"continue_": "!"}, 400),
        ({"resourceVersion": "x"}, 400),
        ({"labelSelector": "app=x,"}, 400),
        ({"resourceVersionMatch": "Exact"}, 422),
        ({"resourceVersion": "1", "resourceVersionMatch": "Roughly"}, 422),
        ({"resourceVersion": "0", "resourceVersionMatch": "Exact"}, 422),
        ({"sendInitialEvents": "true"}, 422),
    ],
)
def test_bad_parameters_are_refused(api, maps, query, status):
    assert api.get(maps, **query).status == status


def test_a_table_has_the_printer_columns(api, widgets, widget):
    api.post(widgets, widget())
    table = api.get(widgets, accept=TABLE)
    assert [column["name"] for column in table.body["columnDefinitions"]] == ["Name", "Size"]
    (row,) = table.body["rows"]
    assert row["cells"] == ["one", 3]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert api.get(f"{widgets}/one", accept=TABLE).body["kind"] == "Table"


def test_metadata_alone_can_be_asked_for(api, maps):
    assert api.get(f"{maps}/a", accept=METADATA).body["kind"] == "PartialObjectMetadata"
    listed = api.get(maps, accept=METADATA.replace("Metadata;", "MetadataList;"))
    assert listed.body["kind"] == "PartialObjectMetadataList"
    assert set(listed.body["items"][0]) == {"kind", "apiVersion", "metadata"}


def test_a_form_that_the_server_does_not_have_is_not_acceptable(api, maps):
    assert api.get(maps, accept="application/vnd.kubernetes.protobuf").status == 406


def test_a_list_of_all_namespaces(api, maps, config_map):
    api.post("/api/v1/namespaces/kube-system/configmaps", config_map("z"))
    assert api.get("/api/v1/configmaps").names == ["a", "b", "c", "z"]
