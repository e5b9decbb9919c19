"""Packs are read strictly, and those that come with the program are whole."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from canary.metrics.prometheus.pack import End, Pack, Requests
from canary.metrics.prometheus.pack_file import PACKS, BadPack, customised, parse_pack, shipped

EXPOSITIONS = Path(__file__).parent / "expositions"


def pack(**overrides: Any) -> dict[str, Any]:
    """A whole pack; an override replaces the field that it names with dots, None takes it away."""
    document: dict[str, Any] = {
        "name": "mesh",
        "title": "A mesh",
        "cites": ["its manual"],
        "requests": {"metric": "requests_total", "failure": {"label": "code", "regex": "5.."}},
        "latency": {"metric": "latency_bucket", "unit": "ms"},
        "received": {
            "where": {"side": "server"},
            "destination": {"namespace": "namespace", "names": {"deployment": {"label": "workload"}}},
        },
        "edges": {
            "source": {"namespace": "from_namespace", "names": {"deployment": {"label": "from"}}},
            "destination": {"names": {"service": {"label": "cluster", "pattern": "{namespace}/{name}"}}},
        },
    }
    document = copy.deepcopy(document)
    for path, value in overrides.items():
        *parents, last = path.split("__")
        part = document
        for parent in parents:
            part = part[parent]
        if value is None:
            del part[last]
        else:
            part[last] = value
    return document


def read(document: Any) -> Pack:
    return parse_pack(yaml.safe_dump(document), "mesh.yaml")


def test_a_whole_pack_is_read() -> None:
    assert read(pack()).kinds == ("deployment", "service")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"requests": None}, "missing required field `requests`"),
        ({"request": {}}, "unknown field `request`"),
        ({"requests__failure__regx": "x"}, "unknown field `regx` - at `$.requests.failure`"),
        ({"requests__metric": 'x"}'}, "$.requests.metric"),
        ({"requests__metric": ""}, "$.requests.metric"),
        ({"requests__failure__label": "a-b"}, "$.requests.failure.label"),
        ({"requests__failure__label": "code\n"}, "$.requests.failure.label"),
        ({"requests__failure__label": "__name__"}, "$.requests.failure.label"),
        ({"requests__failure__regex": "("}, "requests.failure.regex: "),
        ({"requests__failure__regex": "(?!2)..."}, "requests.failure.regex: "),
        ({"requests__failure__regex": r"(.)\1."}, "requests.failure.regex: "),
        ({"requests__failure__regex": ""}, "$.requests.failure.regex"),
        ({"requests__ignored": {"label": "code", "regex": "*"}}, "requests.ignored.regex: "),
        ({"requests__grpcFailure": {"label": "code", "regex": "^1"}}, "requests.grpcFailure.regex: "),
        ({"latency__unit": "us"}, "$.latency.unit"),
        ({"latency__metric": "latency_sum"}, "latency.metric: latency_sum has no buckets"),
        ({"received__where": {"side": "[[:alpha:]]"}}, "received.where.side: "),
        ({"received__where": {"a b": "x"}}, "`key` in `$.received.where`"),
        ({"received__destination__names": {"cronjob": {"label": "x"}}}, "$.received.destination.names"),
        ({"received__destination__names": {}}, "received.destination.names: at least one kind"),
        ({"received__destination__namespace": None}, "received.destination.names.deployment.pattern: the namespace is"),
        (
            {"received__destination__names": {"pod": {"label": "x", "pattern": "{namespace}/{name}"}}},
            "received.destination.names.pod.pattern: the namespace is known twice",
        ),
        (
            {"edges__destination__names": {"service": {"label": "x", "pattern": "{namespace}/x"}}},
            "edges.destination.names.service.pattern: {name} must occur exactly once",
        ),
        (
            {"edges__destination__names": {"namespace": {"label": "x", "pattern": "{namespace}/{name}"}}},
            "edges.destination.names.namespace.pattern: {namespace} has no place here",
        ),
        ({"edges__source__names": {"pod": {"label": "x", "pattern": "{nam}"}}}, "edges.source.names.pod.pattern: "),
        ({"edges__source": None}, "edges.source: an edge has a source"),
        ({"edges": None, "received": None}, "received: one of received and edges"),
        ({"name": "Mesh!"}, "$.name"),
        ({"cites": "its manual"}, "$.cites"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(BadPack) as caught:
        read(pack(**changes))
    assert str(caught.value).startswith("mesh.yaml: ")
    assert field in str(caught.value)


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(BadPack, match=r"requests\.failure\.regex: .*; edges\.source: "):
        read(pack(requests__failure__regex="(", edges__source=None))


@pytest.mark.parametrize("text", ["{", "[]", "", "- a\n- b", "!!python/object:os.system {}", "[" * 3000])
def test_what_is_no_pack_at_all_is_refused(text: str) -> None:
    with pytest.raises(BadPack, match=r"^mesh\.yaml: "):
        parse_pack(text, "mesh.yaml")


def test_an_unknown_pack_is_told_from_those_that_there_are() -> None:
    with pytest.raises(BadPack, match="there is no pack 'osm'; there are consul, envoy, generic, istio, linkerd"):
        shipped("osm")


@pytest.mark.parametrize("name", ["../linkerd", "linkerd.yaml", ""])
def test_a_pack_is_no_path(name: str) -> None:
    with pytest.raises(BadPack, match="there is no pack"):
        shipped(name)


@pytest.mark.parametrize(
    ("labels", "outcome"),
    [
        ({"code": "200"}, "success"),
        ({"code": "503"}, "failure"),
        ({"code": "200", "grpc": "14"}, "failure"),
        ({"code": "200", "grpc": "5"}, "success"),
        ({"code": "0"}, None),
        ({"code": "0", "grpc": "14"}, None),
        ({"code": "1503"}, "success"),
        ({"code": "5031"}, "success"),
        ({}, "success"),
    ],
)
def test_a_series_counts_success_failure_or_neither(labels: dict[str, str], outcome: str | None) -> None:
    requests = read(
        pack(
            requests__grpcFailure={"label": "grpc", "regex": "2|14"}, requests__ignored={"label": "code", "regex": "0"}
        )
    ).requests
    assert requests.outcome(labels) == outcome


# Overrides.


def test_an_override_replaces_what_it_names_and_no_more() -> None:
    changed = customised(shipped("nginx"), {"received": {"destination": {"namespace": "exported_namespace"}}})
    assert changed.received is not None
    assert changed.received.destination.namespace == "exported_namespace"
    assert changed.received.destination.names["service"].label == "service"
    assert changed.requests == shipped("nginx").requests


def test_null_takes_a_field_away() -> None:
    assert customised(shipped("nginx"), {"latency": None}).latency is None


def test_a_field_in_two_words_is_overridden_as_it_is_written_in_a_file() -> None:
    assert customised(shipped("istio"), {"requests": {"grpcFailure": None}}).requests.grpc_failure is None


@pytest.mark.parametrize("name", PACKS)
def test_without_overrides_a_pack_is_the_same(name: str) -> None:
    assert customised(shipped(name), {}) == shipped(name)


@pytest.mark.parametrize(
    ("overrides", "field"),
    [
        ({"requests": {"metrc": "x"}}, "unknown field `metrc`"),
        ({"requests": {"failure": {"regex": "("}}}, "requests.failure.regex"),
        ({"requests": None}, "missing required field `requests`"),
        ({"requests": "x"}, "$.requests"),
        ({"received": {"destination": {"namespace": None}}}, "received.destination.names.service.pattern"),
    ],
)
def test_overrides_obey_the_same_schema(overrides: dict[str, Any], field: str) -> None:
    with pytest.raises(BadPack) as caught:
        customised(shipped("nginx"), overrides)
    assert str(caught.value).startswith("the pack nginx with its overrides: ")
    assert field in str(caught.value)


def test_a_pack_is_changed_for_one_who_asks_and_for_nobody_else() -> None:
    before = msgspec.to_builtins(shipped("envoy"))
    customised(shipped("envoy"), {"edges": {"source": {"names": {"pod": {"label": "other"}}}}})
    assert msgspec.to_builtins(shipped("envoy")) == before


# The packs that are shipped.


def labels_of(found: Pack) -> Iterator[str]:
    requests: Requests = found.requests
    yield from requests.labels
    for view in filter(None, (found.received, found.edges)):
        yield from view.where
        ends: list[End] = [end for end in (view.destination, view.source) if end is not None]
        for end in ends:
            yield from (name.label for name in end.names.values())
            if end.namespace:
                yield end.namespace


@pytest.mark.parametrize("name", PACKS)
def test_a_shipped_pack_says_where_its_names_are_from(name: str) -> None:
    assert shipped(name).name == name
    assert shipped(name).cites


@pytest.mark.parametrize("name", PACKS)
def test_every_label_of_a_shipped_pack_is_in_its_exposition_but_daemonsets(name: str) -> None:
    """The expositions have no DaemonSet: its label is that of a Deployment in all but the name."""
    exposition = (EXPOSITIONS / f"{name}.prom").read_text("utf-8")
    exposed = set(re.findall(r'([a-zA-Z_]\w*)="', exposition))
    assert set(labels_of(shipped(name))) - exposed <= {"daemonset", "dst_daemonset", "dst_statefulset"}


@pytest.mark.parametrize("name", PACKS)
def test_every_metric_of_a_shipped_pack_is_in_its_exposition(name: str) -> None:
    exposition = (EXPOSITIONS / f"{name}.prom").read_text("utf-8")
    found = shipped(name)
    assert f"\n{found.requests.metric}{{" in exposition
    assert found.latency is not None
    assert f"\n{found.latency.metric}{{" in exposition


def test_there_is_an_exposition_for_every_pack_and_no_other() -> None:
    assert sorted(path.stem for path in EXPOSITIONS.iterdir()) == sorted(PACKS)


@pytest.mark.parametrize("name", PACKS)
def test_servers_measure_before_clients_do(name: str) -> None:
    found = shipped(name)
    assert found.received is not None
    for kind in found.received.destination.names:
        assert found.view(kind) is found.received
