"""Whoever applies the user's manifests on the server's side, without force, never meets a conflict with us."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from canary.api.conditions import ConditionType
from canary.sandbox.app import Release
from canary.sandbox.managed_app import root

HELM = "helm"
PHASES = ("Initializing", "Idle", "Progressing", "Promoting", "Promoted", "RollingBack", "RolledBack")


def claims(sim, plural="deployments"):
    """The fields of the spec that the API server holds against others for us."""
    entries = sim.object(plural)["metadata"]["managedFields"]
    ours = [entry["fieldsV1"] for entry in entries if entry["manager"] == "canary-controller"]
    return [fields["f:spec"] for fields in ours if "f:spec" in fields]


def told(sim):
    found = [c for c in sim.status().conditions if c.type == ConditionType.REPLICAS_MANAGED_ELSEWHERE]
    return found[0].message if found else ""


@asynccontextmanager
async def all_of_it(managed, **options):
    """Helm applies the root Service, too."""
    async with managed(manager=HELM, processes=(), **options) as sim:
        await sim.cluster.apply(root(sim.app, rate=sim.rate), manager=HELM)
        sim.start("one")
        yield sim


async def bring(sim, phase):
    if phase == "Initializing":
        await sim.reach(phase)
        return
    await sim.onboarded()
    if phase != "Idle":
        errors = 30 if phase.startswith("Roll") else 0
        await sim.release(Release("2", errors=errors), replicas=3, manager=HELM)
        await sim.reach(phase, timeout=200.0)


@pytest.mark.parametrize("replicas", [3, None])
@pytest.mark.parametrize("phase", PHASES)
async def test_in_each_phase_the_next_release_is_applied_without_force(managed, phase, replicas):
    async with managed(manager=HELM, replicas=replicas) as sim:
        await bring(sim, phase)
        await sim.release(Release("3"), replicas=4, manager=HELM)
        await sim.until(lambda: sim.image("podinfo-stable") == "3", 400.0)
        await sim.until(lambda: (sim.replicas("podinfo-stable"), sim.replicas()) == (4, 0), 200.0)


async def test_the_replicas_that_are_applied_are_the_size_of_stable(managed):
    async with managed(manager=HELM) as sim:
        await sim.onboarded()
        await sim.release(Release("1"), replicas=5, manager=HELM)
        await sim.until(lambda: (sim.replicas("podinfo-stable"), sim.replicas()) == (5, 0), 60.0)
        assert claims(sim) == []


async def test_who_applies_the_replicas_is_told_until_it_applies_something_else_without_them(managed):
    async with managed(manager=HELM) as sim:
        await sim.onboarded()
        await sim.until(lambda: sim.replicas() == 0, 60.0)
        await sim.sleep(60.0)
        assert "helm applies spec.replicas" in told(sim)
        await sim.release(Release("2"), manager=HELM)
        await sim.promoted()
        assert told(sim) == ""


async def test_a_forced_apply_leaves_the_claim_where_it_is_and_costs_nothing(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.until(lambda: sim.replicas() == 0, 60.0)
        assert claims(sim) == [{"f:replicas": {}}]
        assert sim.wires["one"].since(0).count("patch deployments") == 1


@pytest.mark.parametrize("plural", ["deployments", "services"])
async def test_a_process_that_dies_between_the_two_writes_has_an_heir(managed, plural):
    async with all_of_it(managed) as sim:

        async def last(sent):
            if sent.what in ("patch deployments", "update services") and claims(sim, plural):
                sim.wires["one"].freeze()

        sim.wires["one"].after = last
        await sim.until(lambda: claims(sim, plural), 60.0)
        await sim.sleep(1.0)
        await sim.kill("one")
        assert claims(sim, plural)
        sim.start("two")
        await sim.until(lambda: not claims(sim, plural), 30.0)
        await sim.release(Release("2"), replicas=3, manager=HELM)
        await sim.promoted()


async def test_two_processes_leave_no_claim_either(managed):
    async with all_of_it(managed) as sim:
        sim.start("two")
        await bring(sim, "Promoted")
        await sim.until(lambda: sim.replicas() == 1, 60.0)
        assert (claims(sim), claims(sim, "services")) == ([], [])


async def test_whoever_applies_the_root_finds_a_pod_each_time_and_the_selector_is_put_right(managed):
    async with all_of_it(managed) as sim:
        await sim.onboarded()
        for _ in range(3):
            await sim.sleep(60.0)
            assert sim.deployment()["status"]["readyReplicas"] == 1
            await sim.cluster.apply(root(sim.app, rate=sim.rate), manager=HELM)
            assert sim.selector() == "podinfo"
            await sim.until(lambda: sim.selector() == "podinfo-stable", 10.0)


async def test_a_root_that_is_applied_without_its_selector_needs_no_pod_any_more(managed):
    async with all_of_it(managed) as sim:
        await sim.onboarded()
        await sim.sleep(60.0)
        body = root(sim.app, rate=sim.rate)
        body["metadata"]["labels"] = {"chart": "2"}
        del body["spec"]["selector"]
        await sim.cluster.apply(body, manager=HELM)
        await sim.until(lambda: sim.replicas() == 0, 60.0)
        assert sim.selector() == "podinfo-stable"


@pytest.mark.parametrize("phase", ["Idle", "Progressing", "Promoted", "RolledBack"])
async def test_nothing_is_claimed_after_the_canary_is_gone(managed, phase):
    async with all_of_it(managed) as sim:
        await bring(sim, phase)
        await sim.delete_canary()
        await sim.gone()
        assert (claims(sim), claims(sim, "services")) == ([], [])
        await sim.release(Release("3"), replicas=2, manager=HELM)
        await sim.cluster.apply(root(sim.app, rate=sim.rate), manager=HELM)
