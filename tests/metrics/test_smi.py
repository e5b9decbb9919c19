"""Every way in which servers of the Traffic Metrics API differ from its specification, and from sense."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.window import Missing, Sample
from canary.metrics.smi import parse
from canary.metrics.source import NO_REQUESTS, SourceError, series_of

WEB = series_of("Deployment", "shop", "web")
NAN = "-9223372036854775808m"

# What the README of smi-metrics shows (https://github.com/servicemeshinterface/smi-metrics).
README_ITEM = b"""{"kind":"TrafficMetrics","apiVersion":"metrics.smi-spec.io/v1alpha1","metadata":{"name":"linkerd-web",
"namespace":"linkerd","selfLink":"/apis/metrics.smi-spec.io/v1alpha1/namespaces/linkerd/deployments/linkerd-web",
"creationTimestamp":"2019-06-17T14:26:22Z"},"timestamp":"2019-06-17T14:26:22Z","window":"30s","resource":{"kind":
"Deployment","namespace":"linkerd","name":"linkerd-web"},"edge":{"direction":"from","resource":null},"metrics":[
{"name":"p99_response_latency","unit":"ms","value":"296875m"},{"name":"p90_response_latency","unit":"ms","value":
"268750m"},{"name":"p50_response_latency","unit":"ms","value":"162500m"},{"name":"success_count","value":"73492m"},
{"name":"failure_count","value":"0"}]}"""


@pytest.fixture
def read(build_item, build_listing):
    """The reading of Deployment shop/web in a list with one item, made of overrides."""

    def one(*items, **overrides):
        return parse(build_listing(*(items or [build_item(**overrides)])), window=30.0).get(WEB)

    return one


@pytest.fixture
def edge(build_item):
    def make(source, direction="from", side=None, **overrides):
        resource = {"kind": "Deployment", "namespace": "shop", "name": source} if source else None
        value = {"direction": direction, "resource": resource} | ({"side": side} if side else {})
        return build_item(edge=value, **overrides)

    return make


def test_a_single_metrics_object_is_read_like_a_list_of_one():
    assert parse(README_ITEM, window=30.0) == {
        series_of("Deployment", "linkerd", "linkerd-web"): Sample(
            73.492, 0.0, {"p99": 0.296875, "p90": 0.26875, "p50": 0.1625}
        )
    }


def test_latencies_in_ms_become_seconds(read):
    assert read(p50="20", p90="50", p99="2969m").latency == {"p50": 0.02, "p90": 0.05, "p99": 0.002969}


def test_latencies_in_seconds_stay_seconds(read):
    assert read(unit="seconds", p50="10m", p90="20m", p99="1").latency == {"p50": 0.01, "p90": 0.02, "p99": 1.0}


def test_seconds_that_a_server_labels_ms_are_read_as_seconds_by_the_override(build_item, build_listing):
    body = build_listing(build_item(p50="0.1", p90="0.2", p99="300m"))
    assert parse(body, window=30.0, latency_unit="Seconds")[WEB].latency == {"p50": 0.1, "p90": 0.2, "p99": 0.3}


def test_milliseconds_that_a_server_labels_seconds_are_read_by_the_override(build_item, build_listing):
    body = build_listing(build_item(unit="seconds", p50=None, p90=None, p99="250"))
    assert parse(body, window=30.0, latency_unit="Milliseconds")[WEB].latency == {"p99": 0.25}


@pytest.mark.parametrize("unit", ["", "furlongs", "us"])
def test_a_latency_of_an_unknown_unit_is_unknown(read, unit):
    assert read(unit=unit) == Sample(90.0, 10.0, {})


def test_counts_may_be_fractional(read):
    assert (read(success="73492m", failure="1500m").success, read(failure=1.5).failure) == (73.492, 1.5)


def test_counts_may_be_plain_numbers(read):
    assert read(success=100, failure=0).success == 100.0


@pytest.mark.parametrize("items", [None, []])
def test_a_list_without_items_knows_nobody(build_listing, items):
    assert parse(build_listing(items=items), window=30.0) == {}


def test_a_list_without_the_field_items_knows_nobody():
    assert parse(b'{"kind":"TrafficMetricsList"}', window=30.0) == {}


def test_a_latency_of_zero_beside_requests_is_unknown(read):
    assert read(p50="0", p90="0", p99="0") == Sample(90.0, 10.0, {})


def test_a_latency_that_was_nan_is_unknown(read):
    assert read(p99=NAN).latency == {"p50": 0.02, "p90": 0.05}


def test_an_absent_latency_is_unknown(read):
    assert read(p50=None).latency == {"p90": 0.05, "p99": 0.08}


def test_without_requests_there_is_no_rate(read):
    assert read(success="0", failure="0", p50=NAN, p90=NAN, p99=NAN) == NO_REQUESTS


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"success": NAN}, "success_count is negative"),
        ({"failure": "-1"}, "failure_count is negative"),
        ({"success": "1e300"}, "success_count is beyond belief"),
        ({"failure": 1e300}, "failure_count is beyond belief"),
        ({"success": "many"}, "success_count is not a number"),
        ({"failure": ""}, "failure_count is not a number"),
        ({"failure": "NaN"}, "failure_count is not a number"),
        ({"success": "Infinity"}, "success_count is not a number"),
        ({"success": "9" * 400}, None),
        ({"success": None}, "success_count is absent"),
        ({"failure": None}, "failure_count is absent"),
        ({"metrics": None}, "success_count is absent"),
        ({"metrics": []}, "success_count is absent"),
        ({"metrics": "none"}, "malformed item"),
        ({"metrics": [{"value": "1"}]}, "malformed item"),
        ({"success": True}, "malformed item"),
        ({"success": [1]}, "malformed item"),
        ({"edge": "from"}, "malformed item"),
        ({"window": 30}, "malformed item"),
        ({"window": "60s"}, "wrong window: 60s instead of 30s"),
        ({"window": ""}, "wrong window: none instead of 30s"),
        ({"window": "-30s"}, "wrong window: -30s instead of 30s"),
        ({"window": "soon"}, "wrong window: soon instead of 30s"),
    ],
)
def test_nonsense_in_one_item_is_missing_with_its_reason(read, overrides, reason):
    reading = read(**overrides)
    assert isinstance(reading, Missing)
    assert reason is None or reading.reason == reason


def test_a_count_of_null_is_not_a_number(read, build_item):
    broken = build_item()
    broken["metrics"][-1]["value"] = None
    assert read(broken) == Missing("failure_count is not a number")


def test_a_latency_beyond_belief_is_unknown(read):
    assert "p99" not in read(p99="1e300").latency


def test_a_broken_latency_leaves_the_counts_usable(read):
    assert read(p99="slow") == Sample(90.0, 10.0, {"p50": 0.02, "p90": 0.05})


def test_one_malformed_item_leaves_the_others_usable(build_item, build_listing):
    answer = parse(build_listing(build_item("web"), build_item("db", metrics=7), {"resource": 1}, 5), window=30.0)
    assert isinstance(answer[WEB], Sample)
    assert answer[series_of("Deployment", "shop", "db")] == Missing("malformed item")


@pytest.mark.parametrize("text", ["1m0s", "60s", "60000ms", "1m"])
def test_a_window_is_compared_as_a_duration(build_item, build_listing, text):
    assert isinstance(parse(build_listing(build_item(window=text)), window=60.0)[WEB], Sample)


def test_a_window_half_as_long_is_wrong(build_item, build_listing):
    assert isinstance(parse(build_listing(build_item(window="30s")), window=60.0)[WEB], Missing)


def test_edge_null_is_the_plain_reading(read):
    assert isinstance(read(edge=None), Sample)


def test_an_item_without_an_edge_is_the_plain_reading(read, build_item):
    bare = build_item()
    del bare["edge"]
    assert isinstance(read(bare), Sample)


@pytest.mark.parametrize("resource", [None, {}, {"kind": "", "namespace": "", "name": ""}])
def test_an_empty_edge_resource_is_everybody(read, resource):
    assert isinstance(read(edge={"direction": "from", "resource": resource}), Sample)


def test_separate_to_and_from_items_are_told_apart(read, edge):
    assert read(edge(None, "to", success="1"), edge(None, "from", success="77")).success == 77.0


def test_only_outgoing_traffic_is_no_reading(read, edge):
    assert read(edge(None, "to")) is None


def test_an_edge_without_a_direction_is_no_reading(read):
    assert read(edge={"resource": None}) is None


def test_edges_are_left_out_where_there_is_a_plain_item(read, edge):
    assert read(edge("a", success="1"), edge(None, success="50"), edge("b", success="2")).success == 50.0


def test_edges_are_summed_where_there_is_no_plain_item(read, edge):
    reading = read(edge("a", success="1", p99="900"), edge("b", success="2", failure="3", p99="100"))
    assert reading == Sample(3.0, 13.0, {"p50": 0.02, "p90": 0.05, "p99": 0.9})


def test_an_edge_without_requests_adds_nothing(read, edge):
    assert read(edge("a", success="0", failure="0", p99=NAN), edge("b")).success == 90.0


def test_an_edge_that_cannot_be_used_spoils_the_sum(read, edge):
    assert read(edge("a"), edge("b", success=NAN)) == Missing("success_count is negative")


def test_the_server_side_is_preferred_to_the_client_side(read, edge):
    assert read(edge(None, side="client", success="5"), edge(None, side="server", success="6")).success == 6.0


def test_the_client_side_alone_is_read(read, edge):
    assert read(edge(None, side="client", success="5")).success == 5.0


def test_an_item_listed_twice_is_ambiguous(read, build_item):
    assert read(build_item(success="1"), build_item(success="2")) == Missing("listed 2 times")


def test_an_edge_listed_twice_is_ambiguous(read, edge):
    assert read(edge("a"), edge("a")) == Missing("listed 2 times")


def test_a_metric_listed_twice_is_ambiguous(read, build_item):
    double = build_item()
    double["metrics"].append({"name": "success_count", "value": "1"})
    assert read(double) == Missing("a metric is listed twice")


def test_of_an_object_key_that_occurs_twice_the_last_value_counts(build_item, build_listing):
    body = build_listing(build_item(success="5")).replace(b'"value": "5"', b'"value": "4", "value": "5"')
    assert parse(body, window=30.0)[WEB].success == 5.0


def test_only_one_side_has_data(build_item, build_listing):
    answer = parse(build_listing(build_item("web-canary")), window=30.0)
    assert set(answer) == {series_of("Deployment", "shop", "web-canary")}


def test_names_may_have_dots_and_are_compared_whole(build_item, build_listing):
    answer = parse(build_listing(build_item("web.v2", success="1"), build_item("webxv2", success="2")), window=30.0)
    assert answer[series_of("Deployment", "shop", "web.v2")].success == 1.0


@pytest.mark.parametrize("spelling", ["DaemonSet", "Daemonset", "daemonset"])
def test_the_spelling_of_a_kind_does_not_matter(build_item, build_listing, spelling):
    body = build_listing(build_item(resource={"kind": spelling, "namespace": "shop", "name": "agent"}))
    assert isinstance(parse(body, window=30.0)[series_of("DaemonSet", "shop", "agent")], Sample)


def test_another_namespace_and_another_kind_are_other_series(build_item, build_listing):
    other = build_item(resource={"kind": "Deployment", "namespace": "test", "name": "web"})
    pod = build_item(resource={"kind": "Pod", "namespace": "shop", "name": "web"})
    assert WEB not in parse(build_listing(other, pod), window=30.0)


def test_an_old_timestamp_is_stale(build_item, build_listing):
    body = build_listing(build_item(timestamp="2026-01-01T00:00:00Z"))
    now = 1767225600.0
    assert isinstance(parse(body, window=30.0, now=now + 120)[WEB], Sample)
    assert parse(body, window=30.0, now=now + 121)[WEB] == Missing("stale: 121 s old")


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", "2026-01-01T00:00:30", "2030-01-01T00:00:00Z"])
def test_a_timestamp_that_says_nothing_is_not_stale(build_item, build_listing, timestamp):
    assert isinstance(parse(build_listing(build_item(timestamp=timestamp)), window=30.0, now=1767225630.0)[WEB], Sample)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE html><html>login</html>", "HTML, not JSON"),
        (b"\n <html>", "HTML, not JSON"),
        (b"", "no TrafficMetricsList"),
        (b"{}", "a nameless kind"),
        (b"null", "no TrafficMetricsList"),
        (b"[]", "no TrafficMetricsList"),
        (b'"prometheus: context deadline exceeded"', "no TrafficMetricsList"),
        (b"Unauthorized client certificate", "no TrafficMetricsList"),
        (b'{"kind":"TrafficMetricsList","items":[{"kind":"Traf', "truncated"),
        (b'{"kind":"TrafficMetricsList","items":{}}', "no TrafficMetricsList"),
        (b'{"kind":"Status","message":"etcd is away"}', "a Status, no TrafficMetricsList: etcd is away"),
        (b'{"kind":"PodList","items":[]}', "a PodList"),
        (b'{"kind":"TrafficMetricsList","items":[NaN]}', "no TrafficMetricsList"),
        (b'{"kind":"\xff"}', "no TrafficMetricsList"),
        (b"[" * 200_000, "no TrafficMetricsList"),
    ],
)
def test_an_answer_that_is_none_is_an_error_of_the_source(body, reason):
    with pytest.raises(SourceError, match=r"^the metrics API answered") as caught:
        parse(body, window=30.0)
    assert reason in str(caught.value)


def test_a_truncated_answer_is_an_error_wherever_it_is_cut(build_item, build_listing):
    body = build_listing(build_item())
    for length in range(len(body)):
        with pytest.raises(SourceError):
            parse(body[:length], window=30.0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ["timestamp", "window", "resource", "edge", "metrics"]


@given(field=st.sampled_from(FIELDS), value=JSON, where=st.sampled_from(["item", "metric"]))
def test_whatever_a_field_holds_the_reading_is_typed_and_usable(field, value, where):
    base = json.loads(README_ITEM)
    if where == "item":
        base[field] = value
    else:
        base["metrics"][3]["value"] = value
    body = json.dumps({"kind": "TrafficMetricsList", "items": [base]}).encode()
    for reading in parse(body, window=30.0, now=1e9).values():
        assert isinstance(reading, Missing) or (reading.requests > 0 and reading.success >= 0 and reading.failure >= 0)
        assert isinstance(reading, Missing) or all(0 < seconds <= 1e6 for seconds in reading.latency.values())
