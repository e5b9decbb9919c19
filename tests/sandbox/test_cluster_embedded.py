"""The embedded cluster as a whole."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import msgspec
import pytest

from canary.kube.client import Client
from canary.kube.clock import LoopClock, SystemClock
from canary.kube.http import connect
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, PODS
from canary.sandbox.app import App, Release
from canary.sandbox.embedded import CANARIES, EmbeddedCluster, Mesh
from canary.sandbox.virtual_time import run_virtual
from canary.traffic.versions import VERSIONS, Discovery, resource

APP = App()
V1 = Release("1.0")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def split(version="v1alpha4", weights=(10, 90)):
    return {
        "apiVersion": f"split.smi-spec.io/{version}",
        "kind": "TrafficSplit",
        "metadata": {"name": "podinfo", "namespace": "shop"},
        "spec": {
            "service": "podinfo",
            "backends": [{"service": name, "weight": w} for name, w in zip(("v2", "v1"), weights, strict=True)],
        },
    }


def embedded(**options):
    return EmbeddedCluster(LoopClock(EPOCH), random.Random(1), **options)


def test_both_definitions_are_there_from_the_start():
    async def main():
        async with embedded() as cluster:
            listing = await cluster.client.list(CUSTOM_RESOURCE_DEFINITIONS)
            canaries = await cluster.client.list(CANARIES)
            return {crd["metadata"]["name"] for crd in listing.items}, canaries.items

    assert run_virtual(main()) == ({"canaries.canary.delivery", "trafficsplits.split.smi-spec.io"}, ())


def test_discovery_finds_every_version_of_the_split_and_chooses_the_stored_one():
    async def main():
        async with embedded() as cluster:
            discovery = Discovery(cluster.client)
            return (await discovery.served()).versions, await discovery.version()

    versions, chosen = run_virtual(main())
    assert set(versions) == set(VERSIONS)
    assert chosen == "v1alpha4"


@pytest.mark.parametrize("written", VERSIONS)
def test_a_split_reads_the_same_in_every_version(written):
    async def main():
        async with embedded() as cluster:
            await cluster.apply(APP.namespace_manifest(), split(written))
            return [(await cluster.client.get(resource(v), "podinfo", "shop"))["spec"] for v in VERSIONS]

    assert run_virtual(main()) == [split()["spec"]] * 4


def test_the_metrics_api_is_told_by_discovery_only_when_there_is_a_mesh():
    async def main(mesh):
        async with embedded(mesh=mesh) as cluster:
            groups = msgspec.json.decode((await cluster.client.fetch("/apis")).body)["groups"]
            return "metrics.smi-spec.io" in {group["name"] for group in groups}

    assert run_virtual(main(Mesh.MODELLED))
    assert not run_virtual(main(Mesh.NONE))


def test_waiting_for_a_deployment_that_never_becomes_ready_ends():
    async def main():
        async with embedded() as cluster:
            stuck = APP.deployment(V1)
            stuck["spec"]["template"]["metadata"]["annotations"]["sandbox.canary.delivery/ready"] = "false"
            await cluster.apply(APP.namespace_manifest(), stuck)
            with pytest.raises(TimeoutError):
                await cluster.ready("shop", APP.backend("1.0"), timeout=60.0)

    run_virtual(main())


def test_requests_need_a_mesh_that_carries_them():
    async def main():
        async with embedded(mesh=Mesh.MODELLED) as cluster:
            with pytest.raises(RuntimeError, match=r"Mesh\.HTTP"):
                await cluster.listen("shop", "podinfo")

    run_virtual(main())


def test_workloads_survive_watches_that_break():
    async def main():
        async with embedded() as cluster:
            await cluster.apply(APP.namespace_manifest(), APP.deployment(V1))
            for _ in range(5):
                cluster.server.cut_watches()
                await asyncio.sleep(0.7)
            cluster.server.compact()
            await cluster.client.patch(DEPLOYMENTS, APP.backend("1.0"), {"spec": {"replicas": 5}}, "shop")
            await cluster.ready("shop", APP.backend("1.0"), timeout=300)
            return len((await cluster.client.list(PODS, "shop")).items)

    assert run_virtual(main()) == 5


def test_the_block_ends_every_task_even_when_it_is_cancelled():
    async def main():
        async def inside():
            async with embedded(mesh=Mesh.MODELLED) as cluster:
                await cluster.apply(APP.namespace_manifest(), APP.root(rate=5), APP.deployment(V1))
                await asyncio.sleep(3600)

        task = asyncio.create_task(inside())
        await asyncio.sleep(10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(1)
        return [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]

    assert run_virtual(main()) == []


def test_a_part_that_crashes_is_told_at_the_end():
    async def main():
        async with embedded() as cluster:

            async def crash():
                raise LookupError("a part of the cluster")

            cluster._start(crash())
            await asyncio.sleep(1)

    with pytest.raises(LookupError, match="a part of the cluster"):
        run_virtual(main())


async def test_the_api_server_answers_over_http_with_its_kubeconfig(tmp_path):
    async with EmbeddedCluster(SystemClock(), random.Random(1), start_delay=0.0, mesh=Mesh.HTTP) as cluster:
        face = await cluster.serve(token="sesame")
        face.write_kubeconfig(tmp_path / "config")
        await cluster.apply(APP.namespace_manifest(), APP.service(V1))
        transport = await connect(str(tmp_path / "config"), clock=cluster.clock)
        client = Client(transport, clock=cluster.clock, rng=random.Random(1))
        try:
            await client.create(DEPLOYMENTS, APP.deployment(V1), "shop")
            await cluster.ready("shop", APP.backend("1.0"))
            deployment = await client.get(DEPLOYMENTS, APP.backend("1.0"), "shop")
            served = (await client.fetch("/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments")).body
        finally:
            await client.close()
    assert deployment["status"]["readyReplicas"] == 2
    assert msgspec.json.decode(served)["items"] is None
