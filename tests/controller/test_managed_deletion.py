"""A deleted Canary in managed mode: the user's Deployment serves again, and nothing of ours is left."""

from __future__ import annotations

import pytest

from canary.sandbox.app import Release


async def _bring(sim, phase):
    await sim.onboarded()
    if phase == "Idle":
        return
    await sim.release(Release("2", errors=30 if phase.startswith("Roll") else 0))
    await (sim.weight(20) if phase == "Progressing" else sim.reach(phase))


async def test_at_every_moment_the_root_has_ready_endpoints(managed):
    async with managed() as sim:
        await _bring(sim, "RolledBack")
        await sim.delete_canary()
        await sim.gone()
        await sim.sleep(10.0)
        slices = [c for c in sim.cluster.server.commits.of("endpointslices", "shop") if c.name.startswith("podinfo-")]
        roots = [c for c in slices if (c.new or c.old)["metadata"]["labels"]["kubernetes.io/service-name"] == "podinfo"]
        ready = [_ready(c.new) for c in roots if c.new and c.monotonic > 1.0]
        assert min(ready) > 0


def _ready(piece):
    return sum(1 for endpoint in piece.get("endpoints") or () if endpoint["conditions"].get("ready"))


@pytest.mark.parametrize("phase", ["Idle", "Progressing", "RolledBack"])
async def test_a_canary_that_is_made_anew_finds_its_parts(managed, phase):
    async with managed() as sim:
        await _bring(sim, phase)
        await sim.strip_finalizers()
        await sim.delete_canary()
        await sim.gone(30.0)
        await sim.apply(sim.managed_canary())
        await sim.until(lambda: sim.phase() in ("Idle", "Promoted", "RolledBack") and sim.replicas() == 0, 300.0)
        assert sim.deployment("podinfo-stable")["status"]["readyReplicas"] == 3


@pytest.mark.parametrize("after", ["deployments", "services", "trafficsplits"])
async def test_a_process_that_dies_on_the_way_has_an_heir(managed, after):
    async with managed() as sim:
        await _bring(sim, "RolledBack")
        before = len(sim.by("one"))
        await sim.delete_canary()
        await sim.until(lambda: any(c.plural == after for c in sim.by("one")[before:]), 60.0)
        await sim.kill("one")
        sim.start("two")
        await sim.gone()
        assert sim.ours() == []
        assert sim.image() == "1"
