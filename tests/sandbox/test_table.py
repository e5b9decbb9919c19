"""Tables: columns, cells and ages as kubectl prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from canary.sandbox.apiserver.builtin import BUILTIN
from canary.sandbox.apiserver.table import columns_for, custom_columns, render
from canary.sandbox.apiserver.table.ages import human, since
from canary.sandbox.apiserver.table.jsonpath import PathError, find

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
META = {"name": "web", "namespace": "shop", "creationTimestamp": "2026-01-01T11:55:00Z"}
MINUTE, HOUR, DAY = 60, 3600, 86400


def cells(columns, obj, *, wide=True):
    """The row as kubectl shows it, by column."""
    row = render(columns, [{"metadata": META, **obj}], now=NOW)["rows"][0]["cells"]
    return {column.name: cell for column, cell in zip(columns, row, strict=True) if wide or column.priority == 0}


def builtin(group, plural):
    return columns_for(next(kind for kind in BUILTIN if (kind.group, kind.plural) == (group, plural)))


@pytest.mark.parametrize(
    ("seconds", "age"),
    [
        (-5, "<invalid>"),
        (-2, "<invalid>"),
        (-1.9, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (125, "2m5s"),
        (10 * MINUTE - 1, "9m59s"),
        (10 * MINUTE + 5, "10m"),
        (179 * MINUTE, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 12 * MINUTE, "3h12m"),
        (8 * HOUR + 59 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + HOUR, "2d1h"),
        (8 * DAY + HOUR, "8d"),
        (729 * DAY, "729d"),
        (730 * DAY, "2y"),
        (731 * DAY, "2y1d"),
        (9 * 365 * DAY + 40 * DAY, "9y"),
    ],
)
def test_an_age_has_at_most_two_units(seconds, age):
    assert human(seconds) == age


def test_an_age_that_nobody_knows_is_unknown():
    assert since(None, NOW) == "<unknown>"
    assert since("yesterday", NOW) == "<invalid>"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec.weight", [25]),
        ("{.spec.weight}", [25]),
        (".metadata.labels['a.b/c']", ["x"]),
        ('.metadata.labels["a.b/c"]', ["x"]),
        (r".metadata.labels.a\.b/c", ["x"]),
        (".spec.steps[0]", [5]),
        (".spec.steps[-1]", [50]),
        (".spec.steps[9]", []),
        (".spec.steps[*]", [5, 50]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        (".status.conditions[?(@.type=='Paused')].status", []),
        (".status.conditions[?(@.observedGeneration>2)].type", ["Ready"]),
        (".nothing.here", []),
        (".spec['weight','steps']", [25, [5, 50]]),
        (".spec['nothing', 'weight']", [25]),
        ("['metadata','spec'].weight", [25]),
    ],
)
def test_a_path_finds_what_it_names(path, expected):
    obj = {
        "metadata": {"labels": {"a.b/c": "x"}},
        "spec": {"weight": 25, "steps": [5, 50]},
        "status": {"conditions": [{"type": "Old"}, {"type": "Ready", "status": "True", "observedGeneration": 3}]},
    }

    assert find(path, obj) == expected


@pytest.mark.parametrize("path", ["spec", "..x", ".a[", ".a[?(@.b=~'c')]", ".a[?(@.b==c)]"])
def test_a_path_that_is_not_supported_is_refused(path):
    with pytest.raises(PathError):
        find(path, {})


def test_a_custom_resource_has_the_columns_of_its_definition():
    columns = custom_columns(
        [
            {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
            {"name": "Weight", "type": "integer", "jsonPath": ".status.canaryWeight"},
            {"name": "Suspend", "type": "boolean", "jsonPath": ".spec.suspend"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
            {"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1},
        ]
    )
    obj = {
        "spec": {"suspend": False},
        "status": {"canaryWeight": 25, "conditions": [{"type": "Ready", "status": "Unknown"}], "message": "on its way"},
    }

    assert cells(columns, obj) == {
        "Name": "web",
        "Ready": "Unknown",
        "Weight": 25,
        "Suspend": False,
        "Age": "5m",
        "Message": "on its way",
    }
    assert [column.definition["priority"] for column in columns] == [0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", {"a": 1}, '{"a":1}'),
        ("integer", "5", None),
        ("integer", True, None),
        ("integer", 2.0, 2),
        ("number", 1, 1.0),
        ("boolean", "true", None),
        ("date", 5, None),
        ("date", "2026-01-01T10:00:00Z", "120m"),
    ],
)
def test_a_cell_has_the_declared_type_or_is_empty(kind, value, cell):
    columns = custom_columns([{"name": "X", "type": kind, "jsonPath": ".x"}])

    assert cells(columns, {"x": value})["X"] == cell


def test_a_definition_without_columns_shows_name_and_age():
    assert cells(custom_columns(None), {}) == {"Name": "web", "Age": "5m"}


def test_a_row_carries_metadata_or_the_object_or_nothing():
    obj = {"metadata": META, "spec": {}}

    def carried(include):
        return render(custom_columns(None), [obj], now=NOW, include=include)["rows"][0].get("object")

    assert carried("Metadata") == {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": META,
    }
    assert carried("Object") == obj
    assert carried("None") is None


def test_a_watch_can_leave_out_the_headers():
    table = render(custom_columns(None), [], now=NOW, metadata={"resourceVersion": "7"}, headers=False)

    assert table == {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": "7"},
        "columnDefinitions": [],
        "rows": [],
    }


def test_a_service_shows_its_ports_and_selector():
    spec = {
        "type": "ClusterIP",
        "clusterIP": "10.0.0.1",
        "ports": [{"port": 80, "protocol": "TCP"}, {"port": 443, "nodePort": 30443}],
        "selector": {"b": "2", "a": "1"},
    }

    assert cells(builtin("", "services"), {"spec": spec}) == {
        "Name": "web",
        "Type": "ClusterIP",
        "Cluster-IP": "10.0.0.1",
        "External-IP": "<none>",
        "Port(s)": "80/TCP,443:30443/TCP",
        "Age": "5m",
        "Selector": "a=1,b=2",
    }


def test_a_deployment_shows_how_many_pods_are_ready():
    spec = {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
        "template": {"spec": {"containers": [{"name": "web", "image": "web:1"}, {"name": "log", "image": "log:2"}]}},
    }
    status = {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}

    assert cells(builtin("apps", "deployments"), {"spec": spec, "status": status}) == {
        "Name": "web",
        "Ready": "2/3",
        "Up-to-date": 3,
        "Available": 2,
        "Age": "5m",
        "Containers": "web,log",
        "Images": "web:1,log:2",
        "Selector": "app=web,tier",
    }


def container(state, **status):
    return {"ready": False, "restartCount": 0, "state": state, **status}


RUNNING = container({"running": {}}, ready=True)


@pytest.mark.parametrize(
    ("metadata", "status", "shown"),
    [
        ({}, {"phase": "Pending"}, ("0/2", "Pending", "0")),
        ({}, {"phase": "Running", "containerStatuses": [RUNNING, RUNNING]}, ("2/2", "Running", "0")),
        (
            {},
            {
                "phase": "Running",
                "containerStatuses": [
                    RUNNING,
                    container(
                        {"waiting": {"reason": "CrashLoopBackOff"}},
                        restartCount=3,
                        lastState={"terminated": {"finishedAt": "2026-01-01T11:50:00Z"}},
                    ),
                ],
            },
            ("1/2", "CrashLoopBackOff", "3 (10m ago)"),
        ),
        (
            {},
            {"phase": "Failed", "containerStatuses": [container({"terminated": {"exitCode": 3}})]},
            ("0/2", "ExitCode:3", "0"),
        ),
        (
            {},
            {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": "True"}],
                "containerStatuses": [container({"terminated": {"exitCode": 0, "reason": "Completed"}}), RUNNING],
            },
            ("1/2", "Running", "0"),
        ),
        ({"deletionTimestamp": "2026-01-01T12:00:00Z"}, {"phase": "Running"}, ("0/2", "Terminating", "0")),
        ({"deletionTimestamp": "2026-01-01T12:00:00Z"}, {"phase": "Succeeded"}, ("0/2", "Succeeded", "0")),
    ],
)
def test_a_pod_shows_its_state_in_one_word(metadata, status, shown):
    pod = {"metadata": {**META, **metadata}, "spec": {"containers": [{}, {}]}, "status": status}

    row = cells(builtin("", "pods"), pod)

    assert (row["Ready"], row["Status"], row["Restarts"]) == shown


@pytest.mark.parametrize(
    ("group", "event"),
    [
        (
            "",
            {
                "involvedObject": {"kind": "Canary", "name": "web"},
                "message": "raised to 25 %",
                "count": 3,
                "firstTimestamp": "2026-01-01T11:00:00Z",
                "lastTimestamp": "2026-01-01T11:59:00Z",
                "source": {"component": "canary"},
            },
        ),
        (
            "events.k8s.io",
            {
                "regarding": {"kind": "Canary", "name": "web"},
                "note": "raised to 25 %",
                "eventTime": "2026-01-01T11:00:00.000000Z",
                "series": {"count": 3, "lastObservedTime": "2026-01-01T11:59:00.000000Z"},
                "reportingController": "canary",
            },
        ),
    ],
)
def test_both_forms_of_an_event_are_shown_alike(group, event):
    row = cells(builtin(group, "events"), {**event, "type": "Normal", "reason": "Advanced"})

    assert row == {
        "Last Seen": "60s",
        "Type": "Normal",
        "Reason": "Advanced",
        "Object": "canary/web",
        "Subobject": "",
        "Source": "canary",
        "Message": "raised to 25 %",
        "First Seen": "60m",
        "Count": "3",
        "Name": "web",
    }


def test_an_event_that_happened_once_was_seen_last_when_it_was_seen_first():
    row = cells(builtin("events.k8s.io", "events"), {"eventTime": "2026-01-01T11:59:30.5Z"})

    assert (row["Last Seen"], row["First Seen"], row["Count"]) == ("29s", "29s", "1")


def test_a_slice_shows_three_addresses_and_counts_the_rest():
    endpoints = [{"addresses": [f"10.0.0.{last}"]} for last in range(1, 6)]

    row = cells(
        builtin("discovery.k8s.io", "endpointslices"),
        {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": endpoints},
    )

    assert (row["Ports"], row["Endpoints"]) == ("80", "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...")


def test_an_empty_slice_says_so():
    row = cells(
        builtin("discovery.k8s.io", "endpointslices"), {"addressType": "IPv4", "ports": None, "endpoints": None}
    )

    assert (row["Ports"], row["Endpoints"]) == ("<unset>", "<unset>")


@pytest.mark.parametrize(
    ("group", "plural", "obj", "shown"),
    [
        ("", "namespaces", {"status": {"phase": "Active"}}, {"Status": "Active"}),
        ("", "configmaps", {"data": {"a": "1"}, "binaryData": {"b": "Yg=="}}, {"Data": 2}),
        ("", "secrets", {"type": "Opaque", "data": {"a": "YQ=="}}, {"Type": "Opaque", "Data": 1}),
        ("", "serviceaccounts", {}, {"Age": "5m"}),
        ("coordination.k8s.io", "leases", {"spec": {"holderIdentity": "a"}}, {"Holder": "a"}),
        ("apiextensions.k8s.io", "customresourcedefinitions", {}, {"Created At": "2026-01-01T11:55:00Z"}),
        ("apps", "replicasets", {"spec": {"replicas": 2}, "status": {"replicas": 1}}, {"Desired": 2, "Current": 1}),
    ],
)
def test_a_built_in_kind_shows_what_people_look_for(group, plural, obj, shown):
    row = cells(builtin(group, plural), obj, wide=False)

    assert {"Name": "web", **shown}.items() <= row.items()


@pytest.mark.parametrize("kind", [kind for kind in BUILTIN if "list" in kind.verbs], ids=lambda kind: kind.qualified)
def test_an_object_with_nothing_but_a_name_can_be_shown(kind):
    table = render(columns_for(kind), [{"metadata": {"name": "web"}}], now=NOW + timedelta(days=1))

    assert len(table["rows"][0]["cells"]) == len(table["columnDefinitions"])
