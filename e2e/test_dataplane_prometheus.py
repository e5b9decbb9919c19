"""A real Prometheus that scrapes the real proxy, once a second."""

from __future__ import annotations

import json
import math
import urllib.parse
import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from canary.metrics.prometheus.aggregates import measure
from canary.metrics.prometheus.http import HttpPrometheus
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.prometheus.question import Question, Workload
from e2e.dataplane.behaviour import Behaviour
from e2e.dataplane.scene import CALLER, Scene
from e2e.prometheus import PrometheusServer
from e2e.shop import NAME, NEW, OLD

FROM_CALLER: dict[str, Any] = {"peer_kind": "deployment", "peers": (CALLER,)}


def test_a_real_prometheus_has_what_the_callers_count(scene: Scene) -> None:
    scene.open()
    scene.split(40)
    scene.behave(NEW, Behaviour(errors=0.3))
    with scene.prometheus() as prometheus:
        requests = scene.load(rate=150, seconds=4, poisson=3).finish()
        print(requests.table())
        wanted = {f"{who} {status}": count for (who, status), count in requests.counts().items()}
        scene.until(lambda: counters(prometheus, scene.shop.namespace) == wanted, f"{wanted} in Prometheus", timeout=10)
        shares = latency_shares(prometheus, f"{scene.shop.namespace}/{OLD}")
    # A request takes longer for its caller than for the proxy, never less.
    within = sum(request.seconds <= 0.02 for request in requests.of(OLD)) / len(requests.of(OLD))
    assert shares[20.0] >= within - 0.01
    assert shares[10000.0] == 1.0


async def test_the_pack_of_envoy_reads_a_live_one(scene: Scene) -> None:
    scene.open()
    scene.split(40)
    scene.behave(NEW, Behaviour(errors=0.3, median=0.03, p99=0.06))
    window = 10
    with scene.prometheus() as prometheus:
        load = scene.load(rate=100, seconds=120)
        # The load goes on while it is measured: a question that comes late is about as many requests.
        scene.until(lambda: load.answered >= 100 * (window + 4), "a full window", timeout=60)
        client = HttpPrometheus(prometheus.url)
        question = Question("service", window, scene.shop.namespace, (OLD, NEW))
        found = await measure(client, shipped("envoy"), question, timeout=10)
        edges = await measure(client, shipped("envoy"), replace(question, edges=True, **FROM_CALLER), timeout=10)
        await client.close()
        requests = load.stop()
    measured = {one.workload.name: one for one in found}
    assert set(measured) == {OLD, NEW}
    assert {edge.source for edge in edges} == {Workload("deployment", scene.shop.namespace, CALLER)}
    assert {edge.workload.name: edge.failure for edge in edges} == pytest.approx(
        {name: one.failure for name, one in measured.items()}, rel=0.15
    )
    for name, one in measured.items():
        own = requests.of(name)
        # The window holds other requests than the rest of the load, but its share of them, give or take some chance.
        assert one.success + one.failure == pytest.approx(100 * window * len(own) / len(requests), rel=0.15)
        assert one.failure / (one.success + one.failure) == pytest.approx(len(own.bad()) / len(own), abs=0.1)
        assert one.latency["p50"] == pytest.approx(own.quantile(0.5), abs=0.01)


def test_a_prometheus_that_was_away_goes_on_with_what_it_had(scene: Scene) -> None:
    scene.open()
    with scene.prometheus() as prometheus:
        load = scene.load(rate=50, seconds=1)
        assert len(load.finish()) == 50
        # Requests of the root without a split count for its own cluster.
        scene.until(lambda: root_counter(prometheus, scene.shop.namespace) == [50], "50 requests in Prometheus", 10)
        before = prometheus.url
        prometheus.stop()
        with pytest.raises(OSError, match="refused"):
            query(prometheus, "up")
        prometheus.start()
        assert prometheus.url == before
        assert root_counter(prometheus, scene.shop.namespace) == [50]


def root_counter(prometheus: PrometheusServer, namespace: str) -> list[int]:
    found = query(prometheus, f'envoy_cluster_upstream_rq{{envoy_cluster_name="{namespace}/{NAME}"}}')
    return [int(value) for _, value in found]


def counters(prometheus: PrometheusServer, namespace: str) -> dict[str, int]:
    """Requests by version and status, as they were scraped last."""
    found = query(prometheus, f'envoy_cluster_upstream_rq{{envoy_cluster_name=~"{namespace}/web-v.*"}}')
    return {
        f"{labels['envoy_cluster_name'].removeprefix(namespace + '/')} {labels['envoy_response_code']}": int(value)
        for labels, value in found
    }


def latency_shares(prometheus: PrometheusServer, cluster: str) -> dict[float, float]:
    """The share of requests that took at most so many milliseconds."""
    found = query(prometheus, f'envoy_cluster_upstream_rq_time_bucket{{envoy_cluster_name="{cluster}"}}')
    counts = {float(labels["le"]): value for labels, value in found}
    return {bound: count / counts[math.inf] for bound, count in counts.items()}


def query(prometheus: PrometheusServer, promql: str) -> list[tuple[dict[str, str], float]]:
    """An instant vector: labels and value of each series."""
    url = f"{prometheus.url}/api/v1/query?{urllib.parse.urlencode({'query': promql})}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = json.load(answer)["data"]["result"]
    return [(series["metric"], float(series["value"][1])) for series in found]
