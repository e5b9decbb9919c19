"""What is asked of Prometheus for a question, and which questions have no answer."""

from __future__ import annotations

from typing import Any

import pytest

from canary.metrics.prometheus.pack_file import customised, shipped
from canary.metrics.prometheus.queries import queries
from canary.metrics.prometheus.question import Question, Unanswerable, Workload


def test_counts_are_summed_by_workload_and_outcome() -> None:
    asked = queries(shipped("linkerd"), Question("deployment", 60, "shop"))
    assert asked.counts == (
        "sum by (namespace,deployment,classification) "
        '(increase(response_total{direction="inbound",deployment!="",namespace="shop"}[60s]))'
    )


def test_quantiles_are_those_of_all_buckets_of_a_workload_together() -> None:
    asked = queries(shipped("linkerd"), Question("deployment", 60, "shop", ("web",)))
    assert asked.latency["p99"] == (
        "histogram_quantile(0.99, sum by (le,namespace,deployment) "
        '(increase(response_latency_ms_bucket{direction="inbound",deployment="web",namespace="shop"}[60s])))'
    )
    assert list(asked.latency) == ["p50", "p90", "p99"]


def test_the_newest_sample_is_looked_for_without_a_window() -> None:
    asked = queries(shipped("linkerd"), Question("deployment", 60, "shop", ("a", "b.c")))
    assert asked.newest == (
        "max by (namespace,deployment) "
        r'(timestamp(response_total{direction="inbound",deployment=~"a|b\\.c",namespace="shop"}))'
    )


def test_an_edge_has_both_ends_however_it_is_narrowed() -> None:
    asked = queries(shipped("linkerd"), Question("deployment", 60, edges=True, peer_namespace="shop", peers=("cart",)))
    assert asked.counts == (
        "sum by (dst_namespace,dst_deployment,namespace,deployment,classification) "
        '(increase(response_total{direction="outbound",dst_deployment!="",dst_namespace!="",'
        'deployment="cart",namespace="shop"}[60s]))'
    )


def test_names_are_taken_out_of_a_pattern() -> None:
    asked = queries(shipped("envoy"), Question("service", 60, "shop", ("web",)))
    assert asked.counts == (
        "sum by (__destination_name,envoy_response_code) (label_replace("
        'increase(envoy_cluster_upstream_rq{envoy_cluster_name=~"(shop)/(web)"}[60s]), '
        '"__destination_name", "$2", "envoy_cluster_name", "(shop)/(web)"))'
    )


def test_a_namespace_that_is_not_known_is_taken_out_of_a_pattern_too() -> None:
    asked = queries(shipped("envoy"), Question("service", 60))
    assert "sum by (__destination_namespace,__destination_name,envoy_response_code)" in asked.counts
    labels = {"__destination_namespace": "shop", "__destination_name": "web"}
    assert asked.pair(labels) == (Workload("service", "shop", "web"), None)


def test_the_longest_name_is_tried_first() -> None:
    """RE2 takes the first alternative that matches."""
    asked = queries(shipped("traefik"), Question("service", 60, "shop", ("web", "web-canary")))
    assert "(shop)-(web-canary|web)-" in asked.counts


def test_what_a_mesh_does_not_know_is_left_out() -> None:
    asked = queries(shipped("istio"), Question("deployment", 60))
    assert 'destination_workload!="",destination_workload!="unknown"' in asked.counts
    assert 'destination_workload_namespace!="",destination_workload_namespace!="unknown"' in asked.counts


def test_the_labels_of_every_rule_are_kept() -> None:
    asked = queries(shipped("istio"), Question("deployment", 60, "shop"))
    assert asked.counts.startswith(
        "sum by (destination_workload_namespace,destination_workload,response_code,grpc_response_status) "
    )


def test_a_namespace_itself_is_in_no_namespace() -> None:
    asked = queries(shipped("linkerd"), Question("namespace", 60, names=("shop",)))
    assert asked.counts == (
        "sum by (namespace,classification) "
        '(increase(response_total{direction="inbound",namespace="shop",namespace!=""}[60s]))'
    )
    assert asked.pair({"namespace": "shop"}) == (Workload("namespace", "", "shop"), None)


def test_a_namespace_in_a_pattern_is_in_no_namespace_either() -> None:
    asked = queries(shipped("envoy"), Question("namespace", 60, "shop"))
    assert asked.pair({"__destination_name": "shop"}) == (Workload("namespace", "", "shop"), None)


def test_who_sends_may_be_of_another_kind() -> None:
    asked = queries(shipped("envoy"), Question("service", 60, "shop", edges=True, peer_kind="pod"))
    labels = {"__destination_name": "web", "namespace": "shop", "pod": "cart-1"}
    assert asked.pair(labels) == (Workload("service", "shop", "web"), Workload("pod", "shop", "cart-1"))


def test_without_a_histogram_no_quantile_is_asked_for() -> None:
    pack = customised(shipped("linkerd"), {"latency": None})
    assert queries(pack, Question("deployment", 60)).latency == {}


def test_where_no_server_knows_a_kind_clients_are_asked() -> None:
    asked = queries(shipped("linkerd"), Question("service", 60, "shop"))
    assert 'direction="outbound"' in asked.counts
    assert asked.source is None


@pytest.mark.parametrize(
    "labels", [{}, {"namespace": "shop"}, {"deployment": "web"}, {"namespace": "", "deployment": ""}]
)
def test_a_series_that_does_not_say_whose_it_is_is_nobodys(labels: dict[str, str]) -> None:
    assert queries(shipped("linkerd"), Question("deployment", 60)).pair(labels) is None


def test_an_edge_without_a_known_source_is_nobodys() -> None:
    asked = queries(shipped("linkerd"), Question("deployment", 60, edges=True))
    assert asked.pair({"dst_namespace": "shop", "dst_deployment": "web"}) is None


@pytest.mark.parametrize(
    ("pack", "question", "sentence"),
    [
        (
            "nginx",
            Question("deployment", 60),
            "does not measure what a deployment receives; it does for namespace, service",
        ),
        ("nginx", Question("service", 60, edges=True), "does not say who sends the requests"),
        (
            "envoy",
            Question("pod", 60, edges=True),
            "does not measure what is sent to a pod; it does for namespace, serv",
        ),
        ("envoy", Question("service", 60, edges=True), "does not measure what a service sends; it does for deployment"),
        ("traefik", Question("service", 60), "services of all namespaces cannot be told apart"),
        ("linkerd", Question("deployment", 0), "ask for at least one second"),
        ("linkerd", Question("deployment", 60, peers=("cart",)), "a question about edges"),
        ("linkerd", Question("deployment", 60, peer_namespace="shop"), "a question about edges"),
        ("linkerd", Question("deployment", 60, "shop", ("\udc00",)), "nothing has such a name"),
        ("envoy", Question("service", 60, "\ud800"), "nothing has such a name"),
    ],
)
def test_what_cannot_be_answered_is_said(pack: str, question: Question, sentence: str) -> None:
    with pytest.raises(Unanswerable) as caught:
        queries(shipped(pack), question)
    assert sentence in str(caught.value)


def test_dashes_part_the_peers_of_one_namespace_only() -> None:
    names: dict[str, Any] = {"service": {"label": "client", "pattern": "{namespace}-{name}"}}
    changed = {"edges": {"destination": {"namespace": "ns", "names": {"service": {"label": "service"}}}}}
    changed["edges"]["source"] = {"names": names}
    pack = customised(shipped("generic"), changed)
    with pytest.raises(Unanswerable, match="services of all namespaces"):
        queries(pack, Question("service", 60, "shop", edges=True))
    asked = queries(pack, Question("service", 60, "shop", edges=True, peer_namespace="shop"))
    labels = {"ns": "shop", "service": "web", "__source_name": "cart"}
    assert asked.pair(labels) == (Workload("service", "shop", "web"), Workload("service", "shop", "cart"))
