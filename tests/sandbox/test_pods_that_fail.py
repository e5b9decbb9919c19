"""Pods that fail on purpose, and what a Deployment says of them, in virtual time."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from canary.kube.clock import LoopClock
from canary.kube.resources import DEPLOYMENTS, ENDPOINT_SLICES, PODS, REPLICA_SETS
from canary.sandbox.app import App, Release
from canary.sandbox.embedded import EmbeddedCluster
from canary.sandbox.virtual_time import run_virtual
from canary.sandbox.workloads import BEHAVIOUR_ANNOTATION
from canary.sandbox.workloads.behaviour import CRASH_READY, Behaviour, look

APP = App()
V1 = Release("1.0", replicas=2)
NAME = "podinfo-v1-0"


def manifest(behaviour="ready", **spec):
    made = APP.deployment(V1)
    made["spec"]["template"]["metadata"]["annotations"][BEHAVIOUR_ANNOTATION] = behaviour
    return {**made, "spec": {**made["spec"], **spec}}


@asynccontextmanager
async def cluster(deployment):
    clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
    async with EmbeddedCluster(clock, random.Random(1), start_delay=2.0) as running:
        await running.apply(APP.namespace_manifest(), APP.root(), APP.service(V1), deployment)
        yield running


async def pods(running):
    return list((await running.client.list(PODS, "shop")).items)


async def ready_endpoints(running):
    listing = await running.client.list(ENDPOINT_SLICES, "shop", label_selector=f"kubernetes.io/service-name={NAME}")
    return [e for published in listing.items for e in published["endpoints"] if e["conditions"]["ready"]]


async def progressing(running):
    status = (await running.client.get(DEPLOYMENTS, NAME, "shop"))["status"]
    (found,) = [c for c in status["conditions"] if c["type"] == "Progressing"]
    return found["status"], found["reason"]


def after(seconds, deployment):
    async def main():
        async with cluster(deployment) as running:
            await asyncio.sleep(seconds)
            return await pods(running), await ready_endpoints(running)

    return run_virtual(main())


def test_an_image_that_cannot_be_pulled_leaves_the_pod_pending_and_says_so():
    found, endpoints = after(30, manifest("pending"))
    assert endpoints == []
    for pod in found:
        (container,) = pod["status"]["containerStatuses"]
        assert pod["status"]["phase"] == "Pending"
        assert container["state"]["waiting"] == {
            "reason": "ImagePullBackOff",
            "message": 'Back-off pulling image "sandbox/podinfo:1.0"',
        }


def test_a_pod_that_fits_no_node_has_no_address_and_is_not_scheduled():
    found, endpoints = after(30, manifest("unschedulable"))
    assert endpoints == []
    for pod in found:
        (condition,) = pod["status"]["conditions"]
        assert (condition["type"], condition["status"], condition["reason"]) == (
            "PodScheduled",
            "False",
            "Unschedulable",
        )
        assert "podIP" not in pod["status"]


def test_a_pod_that_is_never_ready_runs_all_the_same():
    found, endpoints = after(600, manifest("unready"))
    assert endpoints == []
    assert {pod["status"]["phase"] for pod in found} == {"Running"}
    assert all("running" in pod["status"]["containerStatuses"][0]["state"] for pod in found)


def test_a_pod_that_runs_out_of_memory_is_ready_for_a_while_and_restarts():
    early, endpoints = after(5, manifest("oom"))
    assert len(endpoints) == len(early) == 2
    late, endpoints = after(14, manifest("oom"))
    assert endpoints == []
    container = late[0]["status"]["containerStatuses"][0]
    assert container["lastState"]["terminated"] == {"reason": "OOMKilled", "exitCode": 137}
    assert container["restartCount"] == 1
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"


def test_a_pod_that_crashes_is_an_endpoint_for_a_moment_each_time():
    async def main():
        async with cluster(manifest("crash-loop")) as running:
            ready = []
            running.workloads.views.pods.subscribe(lambda key, before, now: ready.append(now is not None and now.ready))
            await asyncio.sleep(60)
            return ready, await pods(running)

    ready, found = run_virtual(main())
    assert ready.count(True) >= 4
    assert ready[-1] is False
    assert found[0]["status"]["containerStatuses"][0]["restartCount"] >= 3


def test_a_pod_that_is_told_to_crash_begins_then():
    async def main():
        async with cluster(manifest()) as running:
            await running.ready("shop", NAME)
            await asyncio.sleep(1000)
            name = (await pods(running))[0]["metadata"]["name"]
            patch = {"metadata": {"annotations": {BEHAVIOUR_ANNOTATION: "crash-loop"}}}
            await running.client.patch(PODS, name, patch, "shop")
            await asyncio.sleep(CRASH_READY / 2)
            before = await running.client.get(PODS, name, "shop")
            await asyncio.sleep(2)
            return before, await running.client.get(PODS, name, "shop")

    before, now = run_virtual(main())
    assert before["status"]["containerStatuses"][0]["restartCount"] == 0
    assert now["status"]["containerStatuses"][0]["restartCount"] == 1


def test_back_off_doubles_up_to_five_minutes():
    age, waits = 0.0, []
    for _ in range(40):
        seen = look(Behaviour.CRASH_LOOP, age, 0.0)
        if seen.waiting:
            waits.append(round(seen.next))
        age += seen.next + 1e-9
    assert waits[:8] == [10, 20, 40, 80, 160, 300, 300, 300]


def test_a_rollout_that_stands_still_is_told_after_its_deadline_and_no_sooner():
    async def main():
        async with cluster(manifest(progressDeadlineSeconds=60)) as running:
            await running.ready("shop", NAME)
            broken = manifest("pending", progressDeadlineSeconds=60)
            await running.apply(broken)
            await asyncio.sleep(55)
            early = await progressing(running)
            await asyncio.sleep(10)
            late, endpoints = await progressing(running), await ready_endpoints(running)
            await running.apply(manifest(progressDeadlineSeconds=60))
            await running.ready("shop", NAME)
            return early, late, endpoints, await progressing(running)

    early, late, endpoints, again = run_virtual(main())
    assert early == ("True", "ReplicaSetUpdated")
    assert late == ("False", "ProgressDeadlineExceeded")
    assert len(endpoints) == 2
    assert again == ("True", "NewReplicaSetAvailable")


def test_a_paused_deployment_scales_and_does_not_roll():
    async def main():
        async with cluster(manifest()) as running:
            await running.ready("shop", NAME)
            changed = manifest(paused=True, replicas=3)
            changed["spec"]["template"]["metadata"]["labels"]["build"] = "2"
            await running.apply(changed)
            await asyncio.sleep(30)
            held = await pods(running), await progressing(running)
            sets = (await running.client.list(REPLICA_SETS, "shop")).items
            await running.apply({**changed, "spec": {**changed["spec"], "paused": False}})
            await running.ready("shop", NAME)
            await asyncio.sleep(5)
            return held, sets, await pods(running), await progressing(running)

    (held, told), sets, rolled, done = run_virtual(main())
    assert len(held) == 3
    assert all("build" not in pod["metadata"]["labels"] for pod in held)
    assert told == ("Unknown", "DeploymentPaused")
    assert len(sets) == 1
    assert [pod["metadata"]["labels"]["build"] for pod in rolled] == ["2"] * 3
    assert done == ("True", "NewReplicaSetAvailable")


def test_a_pod_counts_as_available_only_after_its_time():
    async def main():
        async with cluster(manifest(minReadySeconds=20)) as running:
            counts = []
            for seconds in (10, 20):
                await asyncio.sleep(seconds)
                status = (await running.client.get(DEPLOYMENTS, NAME, "shop"))["status"]
                counts.append((status["readyReplicas"], status["availableReplicas"]))
            return counts

    assert run_virtual(main()) == [(2, 0), (2, 2)]


def test_the_deployment_carries_its_revision_without_a_new_generation():
    async def main():
        async with cluster(manifest()) as running:
            await running.ready("shop", NAME)
            return await running.client.get(DEPLOYMENTS, NAME, "shop")

    found = run_virtual(main())
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    assert found["metadata"]["generation"] == 1


@pytest.mark.parametrize("policy", ["Foreground", "Background", "Orphan"])
def test_deleting_a_deployment_cascades_to_its_pods_or_leaves_them(policy):
    async def main():
        async with cluster(manifest()) as running:
            await running.ready("shop", NAME)
            await running.client.delete(DEPLOYMENTS, NAME, "shop", propagation=policy)
            await asyncio.sleep(60)
            left = [(await running.client.list(r, "shop")).items for r in (DEPLOYMENTS, REPLICA_SETS, PODS)]
            return [len(items) for items in left]

    assert run_virtual(main()) == ([0, 1, 2] if policy == "Orphan" else [0, 0, 0])


def test_a_rollout_that_is_paused_midway_stays_where_it_is():
    async def main():
        async with cluster(manifest(replicas=4)) as running:
            await running.ready("shop", NAME)
            changed = manifest(replicas=4)
            changed["spec"]["template"]["metadata"]["labels"]["build"] = "2"
            await running.apply(changed)
            await asyncio.sleep(1)
            await running.apply({**changed, "spec": {**changed["spec"], "paused": True}})
            await asyncio.sleep(1)
            sizes = []
            for _ in range(2):
                sets = (await running.client.list(REPLICA_SETS, "shop")).items
                sizes.append(sorted(s["spec"]["replicas"] for s in sets))
                await asyncio.sleep(60)
            return sizes

    before, later = run_virtual(main())
    assert before == later
    assert min(later) > 0
