"""Managed mode: whoever made the root Service, its callers still need it when the Canary is gone."""

from __future__ import annotations

from random import Random

from canary.api.tracking import LEFT_ALONE
from canary.controller.watches import CANARIES
from canary.sandbox.app import Release
from canary.sandbox.managed_app import canary
from canary.sandbox.simulation import Simulation

PORTS = {"service": {"name": "podinfo", "ports": [{"port": 80, "targetPort": 9898}]}}


async def test_a_root_service_that_the_controller_made_outlives_the_canary_without_its_marks():
    async with Simulation(Random(1)) as sim:
        await sim.start_managed(Release("1"), root=False)
        await sim.apply(canary(sim.app, **PORTS))
        sim.start("one")
        await sim.until(lambda: sim.phase() == "Idle")

        await sim.cluster.client.delete(CANARIES, "podinfo", "shop")
        await sim.until(lambda: sim.object("canaries") is None)

        root = sim.object("services")
        assert root["spec"]["selector"] == {"app": "podinfo"}
        assert "canary.delivery/canary" not in (root["metadata"].get("labels") or {})
        assert not {"canary.delivery/owner", *LEFT_ALONE} & set(root["metadata"].get("annotations") or {})
