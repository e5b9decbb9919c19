"""The data files of kinds of proxies: what they say, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.metrics.proxies.counts import Growth, Reader
from canary.metrics.proxies.flavour import FLAVOURS, BadFlavour, parse_flavour, shipped

PAGES = Path(__file__).parent / "pages"
FLAVOUR = """
name: mine
title: Mine
cites: []
port: 9102
path: /metrics
requests: {metric: requests_total, failure: {label: code, regex: 5..}}
"""


def growth(flavour: str, before: str, now: str) -> Growth:
    """What grew between two pages, whose lines may be indented."""
    reader = Reader(shipped(flavour))
    pages = ["".join(f"{line.strip()}\n" for line in page.splitlines() if line.strip()) for page in (before, now)]
    old, new = (reader.read(page.encode()) for page in pages)
    return reader.growth(old, new)


@pytest.mark.parametrize("name", FLAVOURS)
def test_a_flavour_that_is_shipped_can_be_used_and_says_where_its_names_are_from(name: str) -> None:
    flavour = shipped(name)
    assert flavour.name == name
    assert flavour.cites
    assert flavour.life is not None


def test_another_name_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(BadFlavour, match="envoy, istio, linkerd"):
        shipped("../envoy")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("port: 0", "port"),
        ("port: 65536", "port"),
        ("path: metrics", "path"),
        ("path: '/metrics?a=b'", "path"),
        ("path: '/a b'", "path"),
        ("name: No", "name"),
        ("where: {'a b': x}", "where"),
        ("where: {a: '('}", "unterminated"),
        ("without: [{a: '(?!b)'}]", "mine"),
        ("life: {metric: m, says: Age}", "says"),
        ("colour: red", "colour"),
        ("requests: {metric: 'a b', failure: {label: a, regex: b}}", "metric"),
        ("requests: {metric: a, failure: {label: a, regex: '['}}", "mine"),
        ("latency: {metric: latency, unit: ms}", "_bucket"),
        ("latency: {metric: latency_bucket, unit: us}", "unit"),
        ("port: [", "mine"),
    ],
)
def test_a_flavour_with_a_mistake_is_refused_in_words(wrong: str, words: str) -> None:
    field = wrong.partition(":")[0]
    lines = [line for line in FLAVOUR.splitlines() if not line.startswith(f"{field}:")]
    with pytest.raises(BadFlavour, match=words):
        parse_flavour("\n".join([*lines, wrong]), "mine")


def test_a_query_is_encoded() -> None:
    flavour = parse_flavour(FLAVOUR + 'query: {usedonly: "", filter: "^a|b&c=d e#f$"}', "mine")
    assert flavour.target == "/metrics?usedonly=&filter=%5Ea%7Cb%26c%3Dd%20e%23f%24"
    assert parse_flavour(FLAVOUR, "mine").target == "/metrics"


def test_envoy_itself_is_read() -> None:
    first, second = ((PAGES / f"envoy-1.40.0-{name}.txt").read_text() for name in ("first", "second"))
    found = growth("envoy", first, second)
    assert (found.success, found.failure) == (8.0, 2.0)
    assert found.within[float("inf")] == 10.0
    assert len(found.bounds) == 20


def test_requests_that_envoy_sent_elsewhere_are_none_that_the_pod_received() -> None:
    page = """
        envoy_server_uptime{{}} 9
        envoy_cluster_upstream_rq{{envoy_response_code="200",envoy_cluster_name="outbound|80||db"}} {0}
        envoy_cluster_upstream_rq{{envoy_response_code="200",envoy_cluster_name="inbound|80||"}} {1}
    """
    assert growth("envoy", page.format(0, 0), page.format(50, 3)).success == 3.0


def test_istio_counts_what_the_destination_reports() -> None:
    # Labels in the order of istio/istio#20536; without most of them, which nobody looks at.
    page = """
        envoy_server_uptime{{}} 9
        istio_requests_total{{response_code="200",reporter="destination",grpc_response_status=""}} {0}
        istio_requests_total{{response_code="503",reporter="destination",grpc_response_status=""}} {1}
        istio_requests_total{{response_code="0",reporter="destination",response_flags="DC"}} {2}
        istio_requests_total{{response_code="200",reporter="source",source_workload="b",grpc_response_status=""}} {3}
        istio_requests_total{{response_code="200",reporter="destination",grpc_response_status="14"}} {4}
        istio_request_duration_milliseconds_bucket{{response_code="200",reporter="destination",le="5"}} {0}
        istio_request_duration_milliseconds_bucket{{response_code="200",reporter="destination",le="+Inf"}} {0}
        istio_request_duration_milliseconds_bucket{{response_code="200",reporter="source",le="5"}} {3}
        istio_request_duration_milliseconds_bucket{{response_code="200",reporter="source",le="+Inf"}} {3}
    """
    found = growth("istio", page.format(10, 0, 0, 0, 0), page.format(17, 2, 100, 1000, 1))
    assert (found.success, found.failure) == (7.0, 3.0)
    assert found.within == {5.0: 7.0, float("inf"): 7.0}


def test_linkerd_counts_what_is_inbound_but_neither_probes_nor_our_own_reads() -> None:
    # Labels as in linkerd/website#1833.
    labels = 'target_addr="10.42.0.28:7000",target_ip="10.42.0.28",target_port="{0}",route_kind="{1}",route_name="{2}"'
    series = [
        ("inbound", "7000", "default", "default", "success"),
        ("inbound", "7000", "HTTPRoute", "probe", "failure"),
        ("inbound", "7000", "default", "probe", "success"),
        ("inbound", "4191", "default", "default", "success"),
        ("outbound", "5432", "", "", "success"),
    ]

    def page(*counts: int) -> str:
        lines = [
            "# HELP process_start_time_seconds Time that the process started",
            "process_start_time_seconds 1700000000.5",
        ]
        for (direction, port, kind, name, outcome), count in zip(series, counts, strict=True):
            text = f'direction="{direction}",{labels.format(port, kind, name)},classification="{outcome}"'
            lines.append(f'response_total{{{text},grpc_status=""}} {count}')
        return "\n".join([*lines, "# EOF"])

    found = growth("linkerd", page(1, 1, 1, 1, 1), page(6, 3, 100, 200, 300))
    assert (found.success, found.failure) == (5.0, 2.0)


@pytest.mark.parametrize("name", FLAVOURS)
def test_an_answer_of_something_else_is_not_a_proxy_without_requests(name: str) -> None:
    with pytest.raises(ValueError, match="is the port that of the proxy"):
        Reader(shipped(name)).read(b"go_goroutines 12\n")
