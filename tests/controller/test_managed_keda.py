"""KEDA in managed mode: the ScaledObject has a copy for stable, and the original starts no pods that nobody calls."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import yaml

from canary.kube.client import PatchKind
from canary.kube.errors import NotFound
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, SCALED_OBJECTS
from canary.sandbox.app import Release
from canary.workload.autoscaling import PAUSED_REPLICAS

CRD = yaml.safe_load((Path(__file__).parents[2] / "e2e" / "manifests" / "scaledobjects.yaml").read_text("utf-8"))
POLLS = 7.0
"""Seconds between two looks of KEDA, which are 30 by default."""


def scaled_object(**spec):
    body = {
        "scaleTargetRef": {"name": "podinfo"},
        "minReplicaCount": 2,
        "maxReplicaCount": 6,
        "triggers": [{"type": "prometheus", "metadata": {"query": "sum(rate(requests[1m]))", "threshold": "50"}}],
    }
    metadata = {"name": "podinfo", "namespace": "shop"}
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": body | spec}


class Keda:
    """What KEDA does with a trigger that is always active: no target rests at zero, unless its object is paused."""

    def __init__(self, sim):
        self._sim, self._client = sim, sim.cluster.client_for("keda")
        self.started = 0

    async def run(self):
        while True:
            await self._sim.sleep(POLLS)
            for one in (await self._client.list(SCALED_OBJECTS, "shop")).items:
                with suppress(NotFound):
                    await self._scale(one)

    async def _scale(self, one):
        name = one["spec"]["scaleTargetRef"]["name"]
        held = (one["metadata"].get("annotations") or {}).get(PAUSED_REPLICAS)
        replicas = (await self._client.get(DEPLOYMENTS, name, "shop"))["spec"]["replicas"]
        wanted = int(held) if held is not None else max(replicas, one["spec"]["minReplicaCount"], 1)
        if wanted != replicas:
            self.started += replicas == 0
            await self._client.patch(DEPLOYMENTS, name, {"spec": {"replicas": wanted}}, "shop")


@asynccontextmanager
async def _with_keda(managed, **spec):
    """A managed Deployment that KEDA scales, onboarded."""
    async with managed(applied=False, processes=()) as sim:
        await sim.cluster.client.create(CUSTOM_RESOURCE_DEFINITIONS, CRD)
        await sim.cluster.client.create(SCALED_OBJECTS, scaled_object(**spec), "shop")
        keda = Keda(sim)
        task = asyncio.create_task(keda.run())
        await sim.apply(sim.managed_canary(**QUICK))
        sim.start("one")
        await sim.onboarded()
        try:
            yield sim, keda
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


QUICK = {
    "steps": [{"weight": 20, "hold": "10s"}, {"weight": 60, "hold": "10s"}],
    "analysis": {"interval": "5s", "warmup": "2s"},
    "progressDeadline": "1m",
}


def held(sim):
    return (sim.object("scaledobjects")["metadata"].get("annotations") or {}).get(PAUSED_REPLICAS)


async def test_stable_gets_a_copy_that_follows_and_the_original_is_paused_while_it_rests(managed):
    async with _with_keda(managed) as (sim, keda):
        copied = sim.object("scaledobjects", "podinfo-stable")
        assert copied["spec"]["scaleTargetRef"]["name"] == "podinfo-stable"
        assert PAUSED_REPLICAS not in copied["metadata"]["annotations"]
        await sim.until(lambda: held(sim) == "0", 10.0)
        before = keda.started
        await sim.sleep(60.0)
        assert (keda.started, sim.replicas()) == (before, 0)
        patch = {"spec": {"maxReplicaCount": 9}}
        await sim.cluster.client.patch(SCALED_OBJECTS, "podinfo", patch, "shop", kind=PatchKind.MERGE)
        await sim.until(lambda: sim.object("scaledobjects", "podinfo-stable")["spec"]["maxReplicaCount"] == 9, 10.0)


@pytest.mark.parametrize("errors", [0, 40])
async def test_it_scales_again_from_the_beginning_of_a_rollout_to_its_end(managed, errors):
    async with _with_keda(managed) as (sim, _):
        await sim.until(lambda: held(sim) == "0", 10.0)
        await sim.release(Release("2", errors=errors))
        await sim.weight(20)
        assert held(sim) is None
        assert sim.replicas() == 2
        await sim.reach("RolledBack" if errors else "Promoted")
        await sim.until(lambda: held(sim) == "0", 60.0)
        assert sim.replicas() == 0


async def test_with_the_canary_the_pause_goes_and_then_keda_scales_as_before(managed):
    async with _with_keda(managed) as (sim, _):
        await sim.until(lambda: held(sim) == "0", 10.0)
        await sim.delete_canary()
        await sim.gone()
        assert held(sim) is None
        assert sim.ours() == []
        await sim.sleep(30.0)
        assert sim.deployment()["status"]["readyReplicas"] == 3


async def test_a_pause_of_somebody_else_is_left_alone(managed):
    async with _with_keda(managed) as (sim, _):
        await sim.until(lambda: held(sim) == "0", 10.0)
        await sim.release(Release("2"))
        await sim.weight(20)
        theirs = {"metadata": {"annotations": {PAUSED_REPLICAS: "2"}}}
        await sim.cluster.client.patch(SCALED_OBJECTS, "podinfo", theirs, "shop")
        await sim.promoted()
        await sim.sleep(60.0)
        assert held(sim) == "2"


async def test_a_controller_that_was_stopped_before_it_paused_does_not_take_the_pods_of_the_next_rollout(managed):
    async with _with_keda(managed) as (sim, _):
        await sim.until(lambda: held(sim) == "0", 10.0)
        unpaused = {"metadata": {"annotations": {PAUSED_REPLICAS: None}}}
        stopped = asyncio.Event()

        async def before(sent):
            if sent.what == "patch scaledobjects" and not stopped.is_set():
                sim.wires["one"].freeze()
                stopped.set()

        sim.wires["one"].before = before
        await sim.cluster.client.patch(SCALED_OBJECTS, "podinfo", unpaused, "shop")
        await asyncio.wait_for(stopped.wait(), 30.0)
        await sim.release(Release("2"))
        sim.start("two")
        await sim.weight(20)
        sim.wires["one"].thaw()
        await sim.promoted()
        assert sim.shares("podinfo-canary") == [0, 20, 60, 0]


async def test_a_new_process_finds_an_object_that_nobody_pauses_and_pauses_it(managed):
    """It has not asked for metrics yet, and has no reason to: nothing runs that could be called."""
    async with _with_keda(managed) as (sim, keda):
        await sim.until(lambda: held(sim) == "0", 10.0)
        await sim.kill("one")
        unpaused = {"metadata": {"annotations": {PAUSED_REPLICAS: None}}}
        await sim.cluster.client.patch(SCALED_OBJECTS, "podinfo", unpaused, "shop")
        sim.start("two")
        before = keda.started
        await sim.until(lambda: held(sim) == "0", 5.0)
        assert keda.started == before


async def test_keda_that_is_installed_later_is_noticed(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.cluster.client.create(CUSTOM_RESOURCE_DEFINITIONS, CRD)
        await sim.cluster.client.create(SCALED_OBJECTS, scaled_object(), "shop")
        await sim.sleep(700.0)
        await sim.release(Release("2"))
        await sim.promoted()
        await sim.until(lambda: sim.object("scaledobjects", "podinfo-stable") is not None, 60.0)
