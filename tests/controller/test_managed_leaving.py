"""Managed mode under load: a Canary that is deleted in any phase, by any cascade and in any trouble, loses no request.

Requests are those of the modelled mesh: one that finds no ready pod fails.
"""

from __future__ import annotations

import pytest

from canary.core.phases import Phase
from canary.kube.resources import DEPLOYMENTS, NAMESPACES
from canary.sandbox.app import Release

PHASES = [phase.value for phase in Phase]
REJECTED = ("RollingBack", "RolledBack")
AFTERWARDS = 5.0
"""Seconds for which callers are looked at when all is over."""


async def _bring(sim, phase):
    """To a phase, by a release that works: it is rejected because somebody says so. When all of this began."""
    began = sim.now()
    await _release(sim, phase)
    return began


async def _release(sim, phase):
    if phase == "Initializing":
        await sim.reach("Initializing")
        return
    await sim.onboarded()
    if phase == "Idle":
        return
    await sim.release(Release("2"))
    await (sim.reach(phase) if phase in ("Promoting", "Promoted") else sim.weight(20))
    if phase in REJECTED:
        await sim.annotate(abort="@1")
        await sim.reach(phase)


def promoted_in(phase):
    return "2" if phase == "Promoted" else "1"


def asked(sim, since):
    """The versions that requests have come to since a moment."""
    return {version for version, (count, _) in _versions(sim, since).items() if count}


def failed(sim, since):
    """How many requests have failed since a moment."""
    return sum(bad for _, bad in _versions(sim, since).values())


def _versions(sim, since):
    return sim.cluster.model.versions("shop", "podinfo", sim.now() - since)


async def _lowered(sim):
    """Waits until the canary has no weight any more; when that was known."""
    await sim.until(lambda: sim.state() is None or not sim.state().weight, 30.0)
    return sim.now()


async def _asked_at_last(sim):
    since = sim.now()
    await sim.sleep(AFTERWARDS)
    return asked(sim, since)


@pytest.mark.parametrize("cascade", ["Background", "Foreground", "Orphan"])
@pytest.mark.parametrize("phase", PHASES)
async def test_no_request_is_lost_and_none_comes_to_a_rejected_release(managed, phase, cascade):
    async with managed() as sim:
        began = await _bring(sim, phase)
        deleted = sim.now()
        await sim.delete_canary(cascade)
        lowered = await _lowered(sim)
        await sim.gone()
        assert await _asked_at_last(sim) == {promoted_in(phase)}
        assert asked(sim, deleted if phase in REJECTED else lowered) == {promoted_in(phase)}
        assert failed(sim, began) == 0
        assert sim.ours() == []
        assert (sim.selector(), sim.image()) == ("podinfo", promoted_in(phase))
        assert sim.deployment()["status"]["readyReplicas"] == 3


@pytest.mark.parametrize("phase", PHASES)
async def test_while_no_controller_runs_everything_stays_and_goes_when_one_comes(managed, phase):
    async with managed() as sim:
        began = await _bring(sim, phase)
        await sim.kill("one")
        weights = sim.weights()
        await sim.delete_canary()
        await sim.sleep(60.0)
        assert sim.weights() == weights
        sim.start("two")
        await sim.gone()
        assert await _asked_at_last(sim) == {promoted_in(phase)}
        assert failed(sim, began) == 0
        assert sim.ours() == []
        assert sim.selector() == "podinfo"


@pytest.mark.parametrize("phase", PHASES)
async def test_without_the_target_what_was_promoted_goes_on_serving_without_our_marks(managed, phase):
    """Its pods go with it: what they had of the traffic is lost by whoever took them away."""
    async with managed() as sim:
        await _bring(sim, phase)
        await sim.cluster.client.delete(DEPLOYMENTS, "podinfo", "shop")
        await sim.delete_canary()
        lowered = await _lowered(sim)
        await sim.gone()
        assert await _asked_at_last(sim) == {promoted_in(phase)}
        assert failed(sim, lowered) == 0
        assert sim.ours() == []
        assert sim.deployment("podinfo-stable")["status"]["readyReplicas"] == 3
        assert sim.image("podinfo-stable") == promoted_in(phase)


@pytest.mark.parametrize("phase", PHASES)
async def test_in_a_namespace_that_ends_only_the_finalizer_is_taken_off(managed, phase):
    async with managed() as sim:
        await _bring(sim, phase)
        before = len(sim.by("one"))
        await sim.cluster.client.delete(NAMESPACES, "shop")
        await sim.gone(60.0)
        written = {(c.plural, c.new is None) for c in sim.by("one")[before:] if c.subresource != "status"}
        assert written <= {("canaries", True), ("canaries", False), ("events", False)}


@pytest.mark.parametrize("phase", PHASES)
async def test_a_stripped_finalizer_moves_no_traffic_and_a_new_canary_finds_all(managed, phase):
    async with managed() as sim:
        began = await _bring(sim, phase)
        await sim.strip_finalizers()
        await sim.delete_canary()
        await sim.gone(30.0)
        gone = sim.now()
        await sim.sleep(60.0)
        assert failed(sim, began) == 0
        assert phase not in REJECTED or asked(sim, gone) == {"1"}
        await sim.apply(sim.managed_canary())
        await sim.reach("Idle", "Promoted", "RolledBack")
        await sim.until(lambda: sim.replicas() == 0, 300.0)
        assert len(await _asked_at_last(sim)) == 1
        assert failed(sim, began) == 0
        assert sim.deployment("podinfo-stable")["status"]["readyReplicas"] == 3
