"""Somebody deletes the stable copy and the template that it ran, then the Canary: what may serve, and from when."""

from __future__ import annotations

from canary.kube.resources import CONTROLLER_REVISIONS, DEPLOYMENTS
from canary.sandbox.apiserver.faults import Answer
from canary.sandbox.app import Release

DEADLINE = 60.0


async def _deprive(sim):
    """The copy and its kept template go; a pod that people delete is gone at once."""
    promoted = sim.state().promoted
    await sim.cluster.client.delete(CONTROLLER_REVISIONS, f"podinfo-{promoted}", "shop")
    await sim.cluster.client.delete(DEPLOYMENTS, "podinfo-stable", "shop", propagation="Background")
    await sim.sleep(3.0)


def _awaited(sim):
    return next(c for c in sim.status().conditions if c.type == "Reconciling")


async def test_the_promoted_release_in_the_deployment_takes_over_at_once(managed):
    async with managed(progressDeadline="1m") as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.weight(20)
        await _deprive(sim)
        await sim.delete_canary()
        await sim.sleep(5.0)
        assert "put it into Deployment podinfo" in _awaited(sim).message
        assert sim.weights()["podinfo-canary"] == 20

        await sim.release(Release("1"))
        await sim.gone(20.0)
        assert (sim.selector(), sim.image(), sim.ours()) == ("podinfo", "1", [])
        assert sim.object("trafficsplits") is None


async def test_after_the_deadline_the_deployment_takes_over_as_it_is(managed):
    async with managed(progressDeadline="1m") as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.weight(20)
        await _deprive(sim)
        await sim.delete_canary()
        await sim.sleep(DEADLINE - 5.0)
        assert sim.selector() == "podinfo-stable"

        await sim.gone(20.0)
        assert (sim.selector(), sim.image(), sim.ours()) == ("podinfo", "2", [])
        assert sim.deployment()["status"]["readyReplicas"] == 2


async def test_a_release_that_was_rejected_does_not_take_over(managed):
    async with managed(progressDeadline="1m") as sim:
        await sim.onboarded()
        await sim.release(Release("2", errors=20))
        await sim.reach("RolledBack")
        await _deprive(sim)
        await sim.delete_canary()
        await sim.gone(DEADLINE + 30.0)
        assert sim.selector() == "podinfo-stable"
        assert sim.replicas() == 0


async def test_a_rejected_release_that_alone_is_ready_keeps_what_it_has(managed):
    async with managed(progressDeadline="1m") as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.reach("Promoting")
        sim.cluster.server.faults.add(Answer(403), verb="create", resource="pods")
        await _deprive(sim)
        await sim.annotate(abort="@1")
        await sim.until(lambda: bool(sim.state().rejected), 20.0)
        before = sim.weights()
        assert before["podinfo-canary"] > 0

        await sim.delete_canary()
        await sim.gone(DEADLINE + 30.0)
        assert (sim.weights(), sim.selector()) == (before, "podinfo-stable")
        assert sim.deployment()["status"]["readyReplicas"] > 0
