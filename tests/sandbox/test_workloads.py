"""Deployments, pods and endpoints of the embedded cluster, in virtual time."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from canary.kube.clock import LoopClock
from canary.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS, SERVICES
from canary.sandbox.app import App, Release
from canary.sandbox.embedded import EmbeddedCluster
from canary.sandbox.virtual_time import run_virtual

APP = App()
V1 = Release("1.0", replicas=3)
NAME = "podinfo-v1-0"


@asynccontextmanager
async def cluster(*releases, seed=1, **options):
    clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with EmbeddedCluster(clock, random.Random(seed), start_delay=2.0, **options) as running:
        await running.apply(APP.namespace_manifest(), APP.root())
        for release in releases:
            await running.apply(APP.service(release), APP.deployment(release))
        yield running


async def pods(running, selector=""):
    return list((await running.client.list(PODS, "shop", label_selector=selector)).items)


async def endpoints(running, service=NAME):
    listing = await running.client.list(ENDPOINT_SLICES, "shop", label_selector=f"kubernetes.io/service-name={service}")
    (only,) = listing.items
    return only["endpoints"]


def conditions(obj):
    return {c["type"]: c["status"] for c in obj["status"]["conditions"]}


def is_ready(pod):
    return conditions(pod)["Ready"] == "True"


def test_a_deployment_becomes_pods_that_are_ready_after_the_start_delay():
    async def main():
        async with cluster(V1) as running:
            await asyncio.sleep(1.9)
            assert [is_ready(p) for p in await pods(running)] == [False] * 3
            await asyncio.sleep(0.2)
            return await pods(running), (await running.client.list(REPLICA_SETS, "shop")).items

    found, (replica_set,) = run_virtual(main())
    digest = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"{NAME}-{digest}"
    assert len({p["status"]["podIP"] for p in found}) == 3
    for pod in found:
        assert is_ready(pod)
        assert pod["status"]["phase"] == "Running"
        assert pod["metadata"]["name"].startswith(f"{NAME}-{digest}-")
        assert pod["metadata"]["labels"] == {"app": "podinfo", "version": "1.0", "pod-template-hash": digest}
        (owner,) = pod["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == (
            "ReplicaSet",
            replica_set["metadata"]["uid"],
            True,
        )


def test_the_status_of_a_deployment_tells_how_far_it_is():
    async def main():
        async with cluster(V1) as running:
            await asyncio.sleep(1.0)
            before = await running.client.get(DEPLOYMENTS, NAME, "shop")
            await running.ready("shop", NAME)
            return before, await running.client.get(DEPLOYMENTS, NAME, "shop")

    before, after = run_virtual(main())
    assert conditions(before) == {"Available": "False", "Progressing": "True"}
    assert conditions(after) == {"Available": "True", "Progressing": "True"}
    assert after["status"]["observedGeneration"] == after["metadata"]["generation"]
    assert [after["status"][f] for f in ("replicas", "readyReplicas", "updatedReplicas")] == [3, 3, 3]
    assert after["status"]["conditions"][1]["reason"] == "NewReplicaSetAvailable"
    assert after["status"]["conditions"][0]["lastTransitionTime"] == "2026-01-01T00:00:02Z"


def test_a_new_template_rolls_without_going_below_what_is_allowed():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            ready = []
            running.workloads.views.pods.subscribe(
                lambda *_: ready.append(sum(p.ready for p in running.workloads.views.pods))
            )
            changed = APP.deployment(V1)
            changed["spec"]["template"]["spec"]["containers"][0]["image"] = "sandbox/podinfo:1.0.1"
            await running.apply(changed)
            await running.ready("shop", NAME)
            await asyncio.sleep(1)
            return ready, await pods(running), (await running.client.list(REPLICA_SETS, "shop")).items

    ready, found, sets = run_virtual(main())
    assert min(ready[3:]) >= 3
    assert max(ready) <= 4
    assert {p["spec"]["containers"][0]["image"] for p in found} == {"sandbox/podinfo:1.0.1"}
    by_revision = {s["metadata"]["annotations"]["deployment.kubernetes.io/revision"]: s for s in sets}
    assert {revision: s["spec"]["replicas"] for revision, s in by_revision.items()} == {"1": 0, "2": 3}


def test_going_back_to_an_older_template_takes_up_its_replica_set():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            (first,) = (await running.client.list(REPLICA_SETS, "shop")).items
            changed = APP.deployment(V1)
            changed["spec"]["template"]["metadata"]["labels"]["build"] = "2"
            for manifest in (changed, APP.deployment(V1)):
                await running.apply(manifest)
                await asyncio.sleep(60)
            return first, await running.client.get(REPLICA_SETS, first["metadata"]["name"], "shop")

    first, again = run_virtual(main())
    assert again["metadata"]["uid"] == first["metadata"]["uid"]
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert again["status"]["readyReplicas"] == 3


@pytest.mark.parametrize("replicas", [0, 1, 7])
def test_replicas_scale(replicas):
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            await running.client.patch(DEPLOYMENTS, NAME, {"spec": {"replicas": replicas}}, "shop")
            await asyncio.sleep(10)
            return await pods(running), await endpoints(running)

    found, listed = run_virtual(main())
    assert len(found) == replicas
    assert {e["targetRef"]["name"] for e in listed} == {p["metadata"]["name"] for p in found}


def test_a_deleted_pod_is_replaced():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            victim = (await pods(running))[0]["metadata"]["name"]
            await running.client.delete(PODS, victim, "shop")
            await asyncio.sleep(5)
            return victim, [p["metadata"]["name"] for p in await pods(running)]

    victim, names = run_virtual(main())
    assert len(names) == 3
    assert victim not in names


def test_an_annotation_keeps_a_pod_unready_for_as_long_as_it_stands():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            name = (await pods(running))[0]["metadata"]["name"]
            seen = []
            for value in ("false", None):
                patch = {"metadata": {"annotations": {"sandbox.canary.delivery/ready": value}}}
                await running.client.patch(PODS, name, patch, "shop")
                await asyncio.sleep(0.1)
                ready = {e["targetRef"]["name"]: e["conditions"]["ready"] for e in await endpoints(running)}
                deployment = await running.client.get(DEPLOYMENTS, NAME, "shop")
                seen.append((ready[name], sum(ready.values()), deployment["status"]["readyReplicas"]))
            return seen

    assert run_virtual(main()) == [(False, 2, 2), (True, 3, 3)]


def test_a_template_may_ask_for_its_own_start_delay():
    async def main():
        slow = APP.deployment(V1)
        slow["spec"]["template"]["metadata"]["annotations"]["sandbox.canary.delivery/start-delay"] = "90s"
        async with cluster() as running:
            await running.apply(slow)
            await asyncio.sleep(89)
            early = [is_ready(p) for p in await pods(running)]
            await asyncio.sleep(2)
            return early, [is_ready(p) for p in await pods(running)]

    assert run_virtual(main()) == ([False] * 3, [True] * 3)


def test_a_service_gets_a_slice_with_its_ready_pods_and_the_ports_they_listen_on():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            (published,) = (
                await running.client.list(ENDPOINT_SLICES, "shop", label_selector=f"kubernetes.io/service-name={NAME}")
            ).items
            return published, await pods(running)

    published, found = run_virtual(main())
    assert published["ports"] == [{"name": "http", "protocol": "TCP", "port": 9898}]
    assert published["metadata"]["ownerReferences"][0]["kind"] == "Service"
    assert {e["addresses"][0]: e["targetRef"]["uid"] for e in published["endpoints"]} == {
        p["status"]["podIP"]: p["metadata"]["uid"] for p in found
    }
    assert all(e["conditions"]["ready"] for e in published["endpoints"])


def test_a_service_follows_its_selector_and_its_labels():
    async def main():
        async with cluster(V1, Release("2.0", replicas=2)) as running:
            await running.ready("shop", NAME, "podinfo-v2-0")
            patch = {"metadata": {"labels": {"team": "web"}}, "spec": {"selector": {"version": "2.0"}}}
            before = await endpoints(running, "podinfo")
            await running.client.patch(SERVICES, "podinfo", patch, "shop")
            await asyncio.sleep(0.1)
            listing = await running.client.list(ENDPOINT_SLICES, "shop", label_selector="team=web")
            return before, listing.items

    before, (after,) = run_virtual(main())
    assert len(before) == 5
    assert len(after["endpoints"]) == 2


def test_a_slice_that_somebody_deletes_comes_back():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            (published,) = (
                await running.client.list(ENDPOINT_SLICES, "shop", label_selector=f"kubernetes.io/service-name={NAME}")
            ).items
            await running.client.delete(ENDPOINT_SLICES, published["metadata"]["name"], "shop")
            await asyncio.sleep(1)
            return await endpoints(running)

    assert len(run_virtual(main())) == 3


def test_deleting_a_deployment_takes_its_pods_along():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            await running.client.delete(DEPLOYMENTS, NAME, "shop")
            await asyncio.sleep(1)
            sets = (await running.client.list(REPLICA_SETS, "shop")).items
            return await pods(running), sets, await endpoints(running)

    assert run_virtual(main()) == ([], (), [])


def late_watches(running, seconds):
    """Have news reach the workload controllers so much later than the answers to their own writes."""
    transport = running.workloads.views.pods._reflector._client.transport
    stream = transport.stream

    @asynccontextmanager
    async def late(path, **options):
        async def lines(source):
            async for line in source:
                await asyncio.sleep(seconds)
                yield line

        async with stream(path, **options) as source:
            yield lines(source)

    transport.stream = late


@pytest.mark.parametrize(("replicas", "verb"), [(6, "create"), (1, "delete")])
def test_slow_watches_make_no_controller_act_twice(replicas, verb):
    async def main():
        async with cluster() as running:
            late_watches(running, 0.05)
            running.server.cut_watches()
            await asyncio.sleep(30)
            await running.apply(APP.deployment(V1))
            await running.ready("shop", NAME, timeout=60)
            await asyncio.sleep(10)
            before = len(running.server.commits)
            await running.client.patch(DEPLOYMENTS, NAME, {"spec": {"replicas": replicas}}, "shop")
            await asyncio.sleep(60)
            commits = list(running.server.commits)[before:]
            # A Pod is marked before it is deleted.
            return [c.verb for c in commits if c.plural == "pods" and (c.verb == "create" or c.new is None)]

    assert run_virtual(main()) == [verb] * abs(replicas - 3)


def test_an_idle_cluster_writes_nothing():
    async def main():
        async with cluster(V1) as running:
            await running.ready("shop", NAME)
            await asyncio.sleep(5)
            before = (await running.client.list(PODS)).resource_version
            await asyncio.sleep(3600)
            return before, (await running.client.list(PODS)).resource_version

    before, after = run_virtual(main())
    assert before == after


def test_the_same_seed_gives_the_same_cluster():
    async def main(seed):
        async with cluster(V1, seed=seed) as running:
            await running.ready("shop", NAME)
            return [(p["metadata"]["name"], p["metadata"]["uid"]) for p in await pods(running)]

    assert run_virtual(main(1)) == run_virtual(main(1))
    assert run_virtual(main(1)) != run_virtual(main(2))
