"""The mesh with real requests over loopback sockets."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest

from canary.kube.clock import SystemClock
from canary.kube.resources import DEPLOYMENTS, PODS
from canary.sandbox.app import App, Release
from canary.sandbox.embedded import EmbeddedCluster, Mesh
from canary.sandbox.load import Load
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.sandbox.workloads.objects import Pod
from canary.traffic.versions import VERSIONS, resource

APP = App()
V1 = Release("1.0", latency=0.001, spread=0.0)
V2 = Release("2.0", latency=0.001, spread=0.0)


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
async def mesh(*releases, root=None, weights=None):
    async with EmbeddedCluster(SystemClock(), random.Random(42), mesh=Mesh.HTTP, start_delay=0.0) as cluster:
        await cluster.apply(APP.namespace_manifest(), APP.root(root))
        for release in releases:
            await cluster.apply(APP.service(release), APP.deployment(release))
        if weights is not None:
            await cluster.apply(split(*weights))
        await cluster.ready("shop", *(APP.backend(release.version) for release in releases))
        replicas = {APP.backend(release.version): release.replicas for release in releases}
        wanted = {"podinfo": root.replicas if root else sum(replicas.values())}
        if weights is not None:
            pairs = zip(("podinfo-v1-0", "podinfo-v2-0"), weights, strict=True)
            wanted = {name: replicas[name] for name, weight in pairs if weight}
        await cluster.routed("shop", "podinfo", wanted)
        async with aiohttp.ClientSession() as session:
            cluster.session, cluster.url = session, await cluster.listen("shop", "podinfo")
            yield cluster


async def ask(cluster):
    async with cluster.session.get(cluster.url) as answer:
        await answer.read()
        return answer.headers.get("x-sandbox-version", ""), answer.headers.get("x-sandbox-pod", ""), answer.status


async def counts(cluster, requests):
    seen = {}
    for _ in range(requests // 20):
        for version, _, _ in await asyncio.gather(*(ask(cluster) for _ in range(20))):
            seen[version] = seen.get(version, 0) + 1
    return seen


async def metrics(cluster, plural="deployments"):
    path = f"/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/{plural}"
    answer = msgspec.json.decode((await cluster.client.fetch(path, query={"t": "60s"})).body)
    return {
        item["resource"]["name"]: {metric["name"]: metric["value"] for metric in item["metrics"]}
        for item in answer["items"] or ()
    }


async def test_without_a_split_the_pods_behind_the_root_service_take_turns():
    async with mesh(V1, V2) as cluster:
        pods = [(await ask(cluster))[1] for _ in range(8)]
    assert len(set(pods)) == 4
    assert pods[:4] == pods[4:]


async def test_requests_follow_the_weights():
    async with mesh(V1, V2, weights=(75, 25)) as cluster:
        seen = await counts(cluster, 400)
    # Six standard deviations around 100 of 400.
    assert 48 < seen["2.0"] < 152
    assert seen["1.0"] + seen["2.0"] == 400


async def test_a_changed_weight_is_followed_at_once():
    async with mesh(V1, V2, weights=(100, 0)) as cluster:
        before = await counts(cluster, 40)
        await cluster.apply(split(0, 100))
        await cluster.routed("shop", "podinfo", {"podinfo-v2-0": 2})
        after = await counts(cluster, 40)
    assert (before, after) == ({"1.0": 40}, {"2.0": 40})


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_split_of_any_version_is_followed(version):
    async with mesh(V1, V2) as cluster:
        body = split(0, 100) | {"apiVersion": f"split.smi-spec.io/{version}"}
        await cluster.client.create(resource(version), body, "shop")
        await cluster.routed("shop", "podinfo", {"podinfo-v2-0": 2})
        assert await counts(cluster, 20) == {"2.0": 20}


async def test_a_deleted_split_leaves_the_root_service():
    async with mesh(V1, V2, root=V1, weights=(0, 100)) as cluster:
        assert await counts(cluster, 20) == {"2.0": 20}
        await cluster.client.delete(TRAFFIC_SPLITS, "podinfo", "shop")
        await cluster.routed("shop", "podinfo", {"podinfo": 2})
        assert await counts(cluster, 20) == {"1.0": 20}


async def test_the_share_of_a_backend_without_ready_pods_fails():
    async with mesh(V1, V2, weights=(0, 100)) as cluster:
        await cluster.client.patch(DEPLOYMENTS, "podinfo-v2-0", {"spec": {"replicas": 0}}, "shop")
        await cluster.routed("shop", "podinfo", {"podinfo-v2-0": 0})
        _, _, status = await ask(cluster)
        services = await metrics(cluster, "services")
        deployments = await metrics(cluster)
    assert status == 503
    assert services["podinfo-v2-0"]["failure_count"] == "1"
    assert deployments == {}


async def test_scaling_down_under_load_fails_no_request():
    async with mesh(Release("1.0", replicas=4, latency=0.02)) as cluster:
        load = Load(cluster.clock, random.Random(1), rate=200)
        sending = asyncio.create_task(load.run(cluster.url, 1.5))
        await cluster.clock.sleep(0.3)
        await cluster.client.patch(DEPLOYMENTS, "podinfo-v1-0", {"spec": {"replicas": 1}}, "shop")
        await sending
    assert load.by_version()["1.0"].failed == 0
    assert load.dropped == 0


async def test_the_metrics_are_what_the_load_has_seen():
    broken = Release("2.0", errors=50, latency=0.03, spread=0.0)
    async with mesh(V1, broken, weights=(50, 50)) as cluster:
        load = Load(cluster.clock, random.Random(5), rate=200)
        await load.run(cluster.url, 1.0)
        served = await metrics(cluster)
        by_pod = await metrics(cluster, "pods")
    tallies = load.by_version()
    assert tallies["2.0"].failed > 10 < tallies["2.0"].ok
    for name, version in (("podinfo-v1-0", "1.0"), ("podinfo-v2-0", "2.0")):
        assert served[name]["success_count"] == str(tallies[version].ok)
        assert served[name]["failure_count"] == str(tallies[version].failed)
        of_pods = [m for pod, m in by_pod.items() if pod.startswith(name)]
        assert sum(int(m["success_count"]) for m in of_pods) == tallies[version].ok
    # The proxy waits for the backend, and the client for the proxy.
    p50 = float(served["podinfo-v2-0"]["p50_response_latency"].rstrip("m")) / 1000
    slowest = sorted(outcome.seconds * 1000 for outcome in load.outcomes if outcome.version == "2.0")
    assert 30 <= p50 <= slowest[len(slowest) // 2 + 1]


async def test_a_pod_that_is_gone_still_answers_those_who_have_not_heard():
    async with mesh(V1) as cluster:
        address, port = next(iter(cluster.mesh.backends._ports.items()))
        gone = next(pod for pod in cluster.workloads.views.pods if pod.status.pod_ip == address)
        await cluster.client.delete(PODS, gone.metadata.name, "shop")
        await cluster.mesh.backends.pods.lacks(gone)
        # Long enough for the server to be closed, if nothing kept it open.
        await cluster.clock.sleep(0.2)
        async with cluster.session.get(f"http://127.0.0.1:{port}") as answer:
            assert (answer.status, answer.headers["x-sandbox-pod"]) == (200, gone.metadata.name)


async def test_behaviour_follows_the_annotations_of_a_running_pod():
    async with mesh(V1) as cluster:
        for pod in list(cluster.workloads.views.pods):
            patch = {"metadata": {"annotations": {"sandbox.canary.delivery/error-percent": "100"}}}
            written = await cluster.client.patch(PODS, pod.metadata.name, patch, "shop", type=Pod)
            await cluster.mesh.backends.pods.shows(written)
        assert {(await ask(cluster))[2] for _ in range(10)} == {500}


async def test_the_load_sends_no_more_at_once_than_it_may():
    async with mesh(Release("1.0", latency=0.2, spread=0.0)) as cluster:
        load = Load(cluster.clock, random.Random(1), rate=300, concurrency=5)
        await load.run(cluster.url, 0.5)
    assert load.dropped > 0
    assert len(load.outcomes) <= 20


async def test_a_root_that_nobody_answers_for_is_unavailable():
    async with EmbeddedCluster(SystemClock(), random.Random(1), mesh=Mesh.HTTP) as cluster:
        await cluster.apply(APP.namespace_manifest(), APP.root())
        load = Load(cluster.clock, random.Random(1), rate=100)
        await load.run(await cluster.listen("shop", "podinfo"), 0.1)
    assert {outcome.status for outcome in load.outcomes} <= {503}
    assert all(not outcome.ok for outcome in load.outcomes)


async def test_nothing_listens_once_the_cluster_has_ended():
    async with mesh(V1) as cluster:
        url = cluster.url
        port = next(iter(cluster.mesh.backends._ports.values()))
    for closed in (url, f"http://127.0.0.1:{port}"):
        load = Load(SystemClock(), random.Random(1), rate=100)
        await load.run(closed, 0.05)
        assert {outcome.status for outcome in load.outcomes} <= {0}
