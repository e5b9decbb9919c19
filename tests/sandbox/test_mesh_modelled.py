"""The mesh without sockets: counts from weights, rates and behaviours in virtual time."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import msgspec
import pytest

from canary.kube.clock import LoopClock
from canary.kube.errors import ServerError
from canary.kube.resources import DEPLOYMENTS, PODS, SERVICES
from canary.sandbox.app import App, Release
from canary.sandbox.embedded import EmbeddedCluster, Mesh
from canary.sandbox.virtual_time import run_virtual

APP = App()
V1 = Release("1.0", latency=0.1, spread=0.0)
V2 = Release("2.0", latency=0.3, spread=0.0, errors=20)
METRICS = "/apis/metrics.smi-spec.io/v1alpha1"


def split(v1, v2):
    return {
        "apiVersion": "split.smi-spec.io/v1alpha4",
        "kind": "TrafficSplit",
        "metadata": {"name": "podinfo", "namespace": "shop"},
        "spec": {
            "service": "podinfo",
            "backends": [{"service": "podinfo-v2-0", "weight": v2}, {"service": "podinfo-v1-0", "weight": v1}],
        },
    }


@asynccontextmanager
async def mesh(*, weights=(90, 10), rate=100.0, seed=None):
    clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with EmbeddedCluster(clock, random.Random(1), mesh=Mesh.MODELLED, model_seed=seed) as cluster:
        await cluster.apply(APP.namespace_manifest(), APP.root(rate=rate))
        for release in (V1, V2):
            await cluster.apply(APP.service(release), APP.deployment(release))
        await cluster.apply(split(*weights))
        await cluster.ready("shop", "podinfo-v1-0", "podinfo-v2-0")
        await asyncio.sleep(100.0 - clock.monotonic())
        yield cluster


async def metrics(cluster, window="30s", plural="deployments"):
    path = f"{METRICS}/namespaces/shop/{plural}"
    answer = msgspec.json.decode((await cluster.client.fetch(path, query={"t": window})).body)
    return {
        item["resource"]["name"]: {metric["name"]: metric["value"] for metric in item["metrics"]}
        for item in answer["items"] or ()
    }


def number(value):
    return float(value[:-1]) / 1000 if value.endswith("m") else float(value)


def totals(values):
    return {name: number(v["success_count"]) + number(v["failure_count"]) for name, v in values.items()}


def test_expected_counts_follow_rate_weight_and_error_share():
    async def main():
        async with mesh() as cluster:
            return await metrics(cluster)

    served = run_virtual(main())
    assert served["podinfo-v1-0"] == {
        "p99_response_latency": "100",
        "p90_response_latency": "100",
        "p50_response_latency": "100",
        "success_count": "2700",
        "failure_count": "0",
    }
    assert (served["podinfo-v2-0"]["success_count"], served["podinfo-v2-0"]["failure_count"]) == ("240", "60")
    assert served["podinfo-v2-0"]["p99_response_latency"] == "300"


def test_a_window_over_a_change_of_weight_counts_both_parts():
    async def main():
        async with mesh() as cluster:
            await cluster.apply(split(50, 50))
            await asyncio.sleep(10)
            return totals(await metrics(cluster)), totals(await metrics(cluster, "10s"))

    both, later = run_virtual(main())
    assert both == {"podinfo-v1-0": 20 * 90 + 10 * 50, "podinfo-v2-0": 20 * 10 + 10 * 50}
    assert later == {"podinfo-v1-0": 500, "podinfo-v2-0": 500}


def test_a_workload_without_traffic_is_absent():
    async def main():
        async with mesh(weights=(100, 0)) as cluster:
            with pytest.raises(ServerError, match="500"):
                await cluster.client.fetch(f"{METRICS}/namespaces/shop/deployments/podinfo-v2-0")
            return await metrics(cluster)

    assert set(run_virtual(main())) == {"podinfo-v1-0"}


def test_a_backend_without_ready_pods_fails_as_a_service():
    async def main():
        async with mesh() as cluster:
            await cluster.client.patch(DEPLOYMENTS, "podinfo-v2-0", {"spec": {"replicas": 0}}, "shop")
            await asyncio.sleep(60)
            return await metrics(cluster), await metrics(cluster, plural="services")

    deployments, services = run_virtual(main())
    assert set(deployments) == {"podinfo-v1-0"}
    assert (services["podinfo-v2-0"]["success_count"], services["podinfo-v2-0"]["failure_count"]) == ("0", "300")


def test_traffic_and_behaviour_follow_annotations():
    async def main():
        async with mesh(weights=(100, 0)) as cluster:
            rate = {"metadata": {"annotations": {"sandbox.canary.delivery/request-rate": "10"}}}
            await cluster.client.patch(SERVICES, "podinfo", rate, "shop")
            for pod in list(cluster.workloads.views.pods):
                patch = {"metadata": {"annotations": {"sandbox.canary.delivery/error-percent": "50"}}}
                await cluster.client.patch(PODS, pod.metadata.name, patch, "shop")
            await asyncio.sleep(30)
            return (await metrics(cluster))["podinfo-v1-0"]

    served = run_virtual(main())
    assert (served["success_count"], served["failure_count"]) == ("150", "150")


def test_random_counts_are_the_same_for_the_same_seed_only():
    async def main(seed):
        async with mesh(seed=seed) as cluster:
            return await metrics(cluster)

    assert run_virtual(main(7)) == run_virtual(main(7))
    assert run_virtual(main(7)) != run_virtual(main(8))


def test_random_counts_scatter_around_the_expected_ones():
    async def main():
        async with mesh(seed=7) as cluster:
            await asyncio.sleep(900)
            return await metrics(cluster, "900s")

    served = run_virtual(main())
    # Six standard deviations of a Poisson count.
    for name, kind, mean in (
        ("podinfo-v1-0", "success_count", 81_000),
        ("podinfo-v2-0", "success_count", 7_200),
        ("podinfo-v2-0", "failure_count", 1_800),
    ):
        assert abs(number(served[name][kind]) - mean) < 6 * mean**0.5
        assert number(served[name][kind]) != mean


def test_random_windows_add_up():
    async def main():
        async with mesh(seed=7) as cluster:
            await metrics(cluster, "10s")
            first = totals(await metrics(cluster))
            await asyncio.sleep(30)
            return first, totals(await metrics(cluster)), totals(await metrics(cluster, "1m"))

    first, second, both = run_virtual(main())
    assert both == {name: first[name] + second[name] for name in both}


def test_pods_share_the_traffic_of_their_service():
    async def main():
        async with mesh() as cluster:
            return totals(await metrics(cluster, plural="pods"))

    served = run_virtual(main())
    assert sorted(served.values()) == [150, 150, 1350, 1350]
