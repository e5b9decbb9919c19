"""TrafficSplits as bytes: the same for every weight and version, and foreign fields never touched."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.traffic.split import UnreadableSplit, new_split, rewrite
from canary.traffic.versions import VERSIONS
from canary.traffic.weights import Backend, InvalidWeights, shares

STATE = "canary.delivery/state"


def golden(version, backends):
    return (
        b'{"apiVersion":"split.smi-spec.io/%s","kind":"TrafficSplit","metadata":{"name":"web","namespace":"shop",'
        b'"labels":{"canary.delivery/canary":"web"},"annotations":{"canary.delivery/state":"{\\"v\\":1}"}},'
        b'"spec":{"service":"web","backends":[%s]}}' % (version.encode(), backends)
    )


def created(version, backends):
    return new_split(version, "shop", "web", backends, {"canary.delivery/canary": "web"}, {STATE: '{"v":1}'})


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("weight", range(101))
def test_the_bytes_for_a_weight_are_golden(version, weight):
    backends = b'{"service":"web-v2","weight":%d},{"service":"web-v1","weight":%d}' % (weight, 100 - weight)
    assert created(version, shares("web-v1", "web-v2", weight)) == golden(version, backends)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_bytes_without_a_canary_are_golden(version):
    assert created(version, shares("web-v1")) == golden(version, b'{"service":"web-v1","weight":100}')


def test_a_root_among_its_own_backends_is_refused():
    with pytest.raises(InvalidWeights, match="web cannot be a backend of its own split"):
        new_split("v1alpha4", "shop", "web", shares("web", "web-v2", 5), {}, {})


LIVE = (
    b'{"apiVersion":"split.smi-spec.io/v1alpha3","kind":"TrafficSplit","metadata":{"annotations":'
    b'{"team":"caf\\u00e9 <a>","canary.delivery/state":"old"},"creationTimestamp":"2026-01-01T00:00:00Z",'
    b'"finalizers":["trafficsplit.finalizers.smi-controller"],"generation":7,"labels":{"app":"web"},"managedFields":'
    b'[{"manager":"kubectl","fieldsV1":{"f:spec":{"f:service":{}}}}],"name":"web","namespace":"shop",'
    b'"resourceVersion":"123456789012345678901234567890","uid":"u-1"},"spec":{"backends":[{"service":"a","weight":1}],'
    b'"matches":[{"kind":"HTTPRouteGroup","name":"ab","apiGroup":"x"}],"service":"web","vendor":1.50e2},'
    b'"status":{"state":  "ok"}}'
)


def test_only_backends_and_our_marks_are_replaced():
    body = rewrite(LIVE, shares("web-v1", "web-v2", 10), {STATE: "new"}, {"canary.delivery/canary": "web"})
    expected = LIVE.replace(b'"canary.delivery/state":"old"', b'"canary.delivery/state":"new"')
    expected = expected.replace(b'"labels":{"app":"web"}', b'"labels":{"app":"web","canary.delivery/canary":"web"}')
    expected = expected.replace(
        b'[{"service":"a","weight":1}]', b'[{"service":"web-v2","weight":10},{"service":"web-v1","weight":90}]'
    )
    assert body == expected


def test_our_marks_can_be_removed():
    body = json.loads(rewrite(LIVE, shares("a"), {STATE: None, "absent": None}, {"app": None}))
    assert body["metadata"]["annotations"] == {"team": "café <a>"}
    assert body["metadata"]["labels"] == {}


@pytest.mark.parametrize("backends", ['"backends":[],', '"backends":null,', '"backends":"odd",', ""])
@pytest.mark.parametrize("marks", ['"annotations":null,"labels":null,', '"annotations":{},"labels":{},', ""])
@pytest.mark.parametrize("version", VERSIONS)
def test_odd_live_objects_are_rewritten(version, backends, marks):
    live = (
        f'{{"apiVersion":"split.smi-spec.io/{version}","metadata":{{{marks}"name":"web"}},"spec":{{{backends}"x":1}}}}'
    )
    body = json.loads(rewrite(live.encode(), shares("web-v1", "web-v2", 0), {STATE: "s"}, {"l": "v"}))
    assert body == {
        "apiVersion": f"split.smi-spec.io/{version}",
        "metadata": {"annotations": {STATE: "s"}, "labels": {"l": "v"}, "name": "web"},
        "spec": {
            "backends": [{"service": "web-v2", "weight": 0}, {"service": "web-v1", "weight": 100}],
            "x": 1,
        },
    }


@pytest.mark.parametrize("marks", ['"annotations":null,', ""])
def test_without_marks_to_write_none_appear(marks):
    live = f'{{"metadata":{{{marks}"name":"web"}},"spec":{{"backends":[{{"service":"a","weight":100}}]}}}}'.encode()
    assert rewrite(live, shares("a"), {STATE: None}, {}) == live


@pytest.mark.parametrize(
    "live",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        LIVE[:-1],
        b'{"spec":{}}',
        b'{"metadata":{}}',
        b'{"metadata":null,"spec":{}}',
        b'{"metadata":{},"spec":[]}',
        b'{"metadata":{"annotations":"x"},"spec":{}}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_split_is_never_written_back(live):
    with pytest.raises(UnreadableSplit):
        rewrite(live, shares("a"), {STATE: "s"}, {})


@pytest.mark.parametrize(
    "backends",
    [
        (),
        (Backend("a", 99),),
        (Backend("a", 50), Backend("b", 51)),
        (Backend("a", -5), Backend("b", 105)),
        (Backend("a", 50), Backend("a", 50)),
        (Backend("", 100),),
        (Backend("a", True), Backend("b", 99)),
        (Backend("a", 10.0), Backend("b", 90)),
        (Backend("a", "10"), Backend("b", 90)),
    ],
)
def test_weights_that_are_no_whole_percentages_of_100_are_refused(backends):
    with pytest.raises(InvalidWeights):
        rewrite(LIVE, backends, {}, {})
    with pytest.raises(InvalidWeights):
        new_split("v1alpha4", "shop", "web", backends, {}, {})


TEXT = st.text(max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
MARKS = st.none() | st.dictionaries(TEXT, TEXT, max_size=3)


@given(
    top=st.dictionaries(TEXT, JSON, max_size=3),
    metadata=st.dictionaries(TEXT, JSON, max_size=3),
    spec=st.dictionaries(TEXT, JSON, max_size=3),
    annotations=MARKS,
    labels=MARKS,
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
)
def test_every_foreign_value_survives_a_rewrite(top, metadata, spec, annotations, labels, indent, ascii_only):
    live = top | {
        "metadata": metadata | {"annotations": annotations, "labels": labels},
        "spec": spec | {"backends": None},
    }
    body = rewrite(
        json.dumps(live, indent=indent, ensure_ascii=ascii_only).encode(),
        shares("a", "b", 3),
        {STATE: "s", "gone": None},
        {"l": "v"},
    )
    live["metadata"]["annotations"] = {k: v for k, v in (annotations or {}).items() if k != "gone"} | {STATE: "s"}
    live["metadata"]["labels"] = (labels or {}) | {"l": "v"}
    live["spec"]["backends"] = [{"service": "b", "weight": 3}, {"service": "a", "weight": 97}]
    assert json.loads(body) == live


def test_a_rewrite_of_a_rewrite_changes_nothing():
    once = rewrite(LIVE, shares("a", "b", 3), {STATE: "s"}, {})
    assert rewrite(once, shares("a", "b", 3), {STATE: "s"}, {}) == once
