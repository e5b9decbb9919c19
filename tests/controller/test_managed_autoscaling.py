"""Autoscalers that act on metrics, in managed mode: a side has as many pods as its load needs, and nothing else.

A pod uses its cpu by the requests that the modelled mesh sends it, so that weights and replicas move each other.
"""

from __future__ import annotations

import random
from contextlib import asynccontextmanager

import pytest

from canary.kube.resources import SERVICES
from canary.sandbox.app import Release
from canary.sandbox.managed_app import autoscaler
from canary.sandbox.mesh.modelled import RATE_ANNOTATION
from tests.controller.conftest import QUICK, Managed, state_of

CAPACITY = 50.0
"""Requests per second that use all of the cpu that one pod has asked for; autoscalers aim at 80 % of it."""
LOOK = 10.0
"""Seconds over which the use of cpu is taken."""
SETTLED = 360.0
"""An autoscaler waits five minutes before it scales down."""
LONG = [{"weight": 20, "hold": "60s"}, {"weight": 60, "hold": "60s"}]


@asynccontextmanager
async def _autoscaled(*, rate=160.0, replicas=4, fewest=2, **spec):
    """A managed Deployment with an autoscaler, onboarded; its load is `rate` requests per second."""

    def used(namespace, name):
        found = [one for one in sim.cluster.model.readings("deployments", namespace, LOOK) if one.name == name]
        pods = sim.deployment(name)["status"].get("readyReplicas", 0)
        return 100.0 * sum(one.success + one.failure for one in found) / LOOK / pods / CAPACITY if pods else None

    async with Managed(random.Random(1), rate=rate, autoscaling=used) as sim:
        await sim.start_managed(Release("1"), autoscaler(sim.app, fewest=fewest, most=20), replicas=replicas)
        # Its size is the autoscaler's affair, as in a manifest without replicas.
        await sim.patch_target({"spec": {"replicas": replicas}}, manager="kube-controller-manager")
        await sim.apply(sim.managed_canary(**{**QUICK, "steps": LONG, "progressDeadline": "10m", **spec}))
        sim.start("one")
        await sim.onboarded()
        began = sim.now()
        yield sim
        assert sum(bad for _, bad in sim.cluster.model.versions("shop", "podinfo", sim.now() - began).values()) == 0


async def _load(sim, rate):
    patch = {"metadata": {"annotations": {RATE_ANNOTATION: f"{rate:g}"}}}
    await sim.cluster.client.patch(SERVICES, "podinfo", patch, "shop")


def sizes(sim, name, *phases):
    """What a Deployment has asked for, each number once in a row, or what it did while the split had these phases."""
    found, phase = [], ""
    for commit in sim.cluster.server.commits:
        if commit.plural == "trafficsplits" and (state := state_of(commit)) is not None:
            phase = state.phase.value
        if (commit.plural, commit.name) != ("deployments", name) or commit.new is None:
            continue
        size = commit.new["spec"]["replicas"]
        if (not phases or phase in phases) and size != (found or [None])[-1]:
            found.append(size)
    return found


async def test_more_load_in_mid_rollout_gives_both_sides_more_pods_and_the_plan_goes_on():
    async with _autoscaled() as sim:
        await sim.release(Release("2"))
        await sim.weight(20)
        await _load(sim, 400.0)
        await sim.promoted()
        assert max(sizes(sim, "podinfo-stable", "Progressing")) == 8
        assert max(sizes(sim, "podinfo", "Progressing")) >= 6
        assert sim.shares("podinfo-canary") == [0, 20, 60, 0]


async def test_less_load_in_mid_rollout_leaves_stable_its_size_until_the_end():
    """All traffic may come back at any time."""
    async with _autoscaled(steps=[{"weight": 60, "hold": "10m"}]) as sim:
        await sim.release(Release("2"))
        await sim.weight(60)
        await _load(sim, 40.0)
        await sim.reach("Promoted", timeout=900.0)
        assert min(sizes(sim, "podinfo-stable")) == 4
        await sim.sleep(SETTLED)
        assert sim.replicas("podinfo-stable") == 2
        assert sim.shares("podinfo-canary") == [0, 60, 0]


async def test_the_target_goes_to_zero_after_the_promotion_and_its_autoscaler_leaves_it_there():
    async with _autoscaled() as sim:
        await sim.release(Release("2"))
        await sim.promoted()
        await sim.until(lambda: sim.replicas() == 0, 60.0)
        before = len(sim.states())
        await _load(sim, 400.0)
        await sim.sleep(SETTLED)
        assert sim.replicas() == 0
        assert sim.replicas("podinfo-stable") == 10
        assert len(sim.states()) == before


@pytest.mark.parametrize("load", [20.0, 400.0], ids=["less", "more"])
@pytest.mark.parametrize("phase", ["Idle", "Promoted", "RolledBack"])
async def test_scaling_at_rest_starts_no_rollout(phase, load):
    async with _autoscaled() as sim:
        if phase != "Idle":
            await sim.release(Release("2"))
            await sim.weight(20)
            if phase == "RolledBack":
                await sim.annotate(abort="@1")
            await sim.reach(phase)
            await sim.until(lambda: sim.replicas() == 0, 60.0)
        before = len(sim.states())
        await _load(sim, load)
        await sim.sleep(SETTLED)
        assert sim.replicas("podinfo-stable") == (2 if load == 20.0 else 10)
        assert (len(sim.states()), sim.phase()) == (before, phase)


async def test_a_rollback_under_more_load_finds_stable_with_room_for_all_of_it():
    async with _autoscaled() as sim:
        await sim.release(Release("2"))
        await sim.weight(60, 300.0)
        await _load(sim, 240.0)
        await sim.sleep(30.0)
        grown = sim.replicas("podinfo-stable")
        await sim.annotate(abort="@1")
        await sim.reach("RolledBack")
        assert min(sizes(sim, "podinfo-stable")) >= 4
        await sim.sleep(60.0)
        assert sim.replicas("podinfo-stable") == 6
        assert grown >= 4
        assert sim.replicas() == 0
