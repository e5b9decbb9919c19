"""Two Canaries of one root: the older one has it, whatever becomes of the split."""

from __future__ import annotations

import random

import pytest

from canary.controller.watches import CANARIES
from canary.sandbox.app import Release
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.sandbox.simulation import Simulation


async def _begun(sim: Simulation, *, processes: int = 1) -> None:
    """A rollout under way, and a second Canary of its root."""
    await sim.start_app(Release("1"), Release("2"))
    await sim.apply(sim.canary("1", "2"))
    for number in range(processes):
        sim.start(f"controller-{number}")
    await sim.until(lambda: sim.weights().get("podinfo-v2") == 10)
    rival = sim.canary("1", "2")
    rival["metadata"] = {**rival["metadata"], "name": "rival"}
    await sim.apply(rival)
    await sim.clock.sleep(2)


async def _ready(sim: Simulation, name: str) -> dict[str, str]:
    found = await sim.cluster.client.get(CANARIES, name, "shop")
    return next(c for c in found["status"]["conditions"] if c["type"] == "Ready")


@pytest.mark.parametrize("processes", [1, 2])
async def test_a_root_whose_split_is_gone_for_a_moment_stays_with_the_older_canary(processes):
    async with Simulation(random.Random(3)) as sim:
        await _begun(sim, processes=processes)
        await sim.cluster.client.delete(TRAFFIC_SPLITS, "podinfo", "shop")
        await sim.until(lambda: sim.phase() == "Promoted")
        split = await sim.cluster.client.get(TRAFFIC_SPLITS, "podinfo", "shop")
        assert split["metadata"]["annotations"]["canary.delivery/owner"].startswith("podinfo/")
        told = await _ready(sim, "rival")
        assert (told["status"], told["reason"]) == ("False", "TrafficConflict")


async def test_the_younger_canary_says_who_has_the_root_and_gets_it_when_that_one_is_gone():
    async with Simulation(random.Random(3)) as sim:
        await sim.start_app(Release("1"), Release("2"))
        first, rival = sim.canary("1", "2"), sim.canary("1", "2")
        # Nothing can be made of this one: its backend does not exist.
        first["spec"]["backends"] = {"stable": "podinfo-v0", "canary": "podinfo-v2"}
        rival["metadata"] = {**rival["metadata"], "name": "rival"}
        await sim.apply(first)
        await sim.clock.sleep(2)
        await sim.apply(rival)
        sim.start()
        await sim.clock.sleep(10)
        assert sim.object("trafficsplits") is None
        words = "Canary podinfo is older and controls Service podinfo: delete one of the two"
        assert (await _ready(sim, "rival"))["message"] == words
        await sim.cluster.client.delete(CANARIES, "podinfo", "shop")
        await sim.until(lambda: sim.weights().get("podinfo-v2") == 10, timeout=30)
