"""People, Git and autoscalers change what a Canary in managed mode looks after."""

from __future__ import annotations

import pytest

from canary.kube.resources import CONFIG_MAPS, SERVICES
from canary.sandbox.app import App, Release
from canary.sandbox.managed_app import autoscaler, config_map

APP = App()
RUNNING = ("Progressing", "Promoting", "RollingBack")
PHASES = ("Idle", *RUNNING, "Promoted", "RolledBack")


async def _bring(sim, phase):
    """To a phase by releasing 2."""
    await sim.onboarded()
    if phase == "Idle":
        return
    await sim.release(Release("2", errors=30 if phase.startswith("Roll") else 0), replicas=3)
    await (sim.weight(20) if phase == "Progressing" else sim.reach(phase))


@pytest.mark.parametrize("how", ["config", "env"])
async def test_a_changed_configuration_is_a_revision_of_its_own(managed, how):
    async with managed(config_map(APP, "settings", size="1"), deployment={how: "settings"}) as sim:
        await sim.onboarded()
        await sim.apply(config_map(APP, "settings", size="2"))
        await sim.promoted()
        names = [name for plural, name in map(str.split, sim.ours()) if plural == "configmaps"]
        assert len(names) == 1
        assert sim.object("configmaps", names[0])["data"] == {"size": "2"}
        assert names[0] in str(sim.deployment("podinfo-stable")["spec"]["template"])


async def test_a_required_configuration_that_is_missing_is_waited_for(managed):
    async with managed(applied=False) as sim:
        await sim.release(Release("1"), config="settings")
        await sim.apply(sim.managed_canary())
        await sim.sleep(20.0)
        assert "settings does not exist yet" in sim.status().message
        await sim.apply(config_map(APP, "settings", size="1"))
        await sim.onboarded()


async def test_stable_keeps_its_configuration_while_the_original_changes(managed):
    async with managed(config_map(APP, "settings", size="1"), deployment={"config": "settings"}, suspend=True) as sim:
        await sim.onboarded()
        before = sim.deployment("podinfo-stable")["spec"]["template"]
        await sim.apply(config_map(APP, "settings", size="2"))
        await sim.sleep(30.0)
        assert sim.deployment("podinfo-stable")["spec"]["template"] == before


async def test_a_deleted_configuration_starts_nothing(managed):
    async with managed(config_map(APP, "settings", size="1"), deployment={"config": "settings"}) as sim:
        await sim.onboarded()
        await sim.cluster.client.delete(CONFIG_MAPS, "settings", "shop")
        await sim.sleep(60.0)
        assert sim.phase() == "Idle"


@pytest.mark.parametrize("phase", PHASES)
async def test_replicas_that_people_ask_for_are_those_of_stable(managed, phase):
    async with managed() as sim:
        await _bring(sim, phase)
        await sim.patch_target({"spec": {"replicas": 5}})
        await sim.until(lambda: sim.replicas("podinfo-stable") == 5, 120.0)
        await sim.reach("Idle", "Promoted", "RolledBack")
        await sim.until(lambda: sim.replicas() == 0, 120.0)


@pytest.mark.parametrize("phase", PHASES)
async def test_an_autoscaler_moves_either_side_and_nothing_else_changes(managed, phase):
    async with managed(autoscaler(APP)) as sim:
        await _bring(sim, phase)
        for name in ("podinfo", "podinfo-stable"):
            if sim.replicas(name):
                await sim.patch_target({"spec": {"replicas": 4}}, name, manager="kube-controller-manager")
        await sim.reach("Idle", "Promoted", "RolledBack")
        assert sim.image("podinfo-stable") == ("1" if phase.startswith("Roll") or phase == "Idle" else "2")


@pytest.mark.parametrize("phase", RUNNING)
async def test_another_release_in_the_middle_starts_over(managed, phase):
    async with managed() as sim:
        await _bring(sim, phase)
        await sim.release(Release("3"), replicas=3)
        await sim.until(lambda: sim.image("podinfo-stable") == "3", 300.0)
        await sim.promoted()


@pytest.mark.parametrize("phase", RUNNING)
async def test_the_promoted_release_again_ends_the_rollout_without_blame(managed, phase):
    async with managed() as sim:
        await _bring(sim, phase)
        blamed = sim.state().rejected
        await sim.release(Release("1"), replicas=3)
        await sim.reach("Idle")
        assert sim.image("podinfo-stable") == "1"
        assert sim.state().rejected == blamed


async def test_a_changed_template_of_stable_is_put_back(managed):
    async with managed() as sim:
        await sim.onboarded()
        annotations = {"metadata": {"annotations": {"somebody": "was here"}}}
        await sim.patch_target({"spec": {"template": annotations}}, "podinfo-stable")
        await sim.sleep(5.0)
        assert "somebody" not in sim.deployment("podinfo-stable")["spec"]["template"]["metadata"]["annotations"]


async def test_stable_does_not_shrink_while_a_rollout_runs(managed):
    async with managed(autoscaler(APP), replicas=3) as sim:
        await _bring(sim, "Progressing")
        await sim.sleep(2.0)
        assert sim.object("horizontalpodautoscalers", "podinfo-stable")["spec"]["minReplicas"] == 3
        await sim.promoted()
        await sim.sleep(5.0)
        assert sim.object("horizontalpodautoscalers", "podinfo-stable")["spec"]["minReplicas"] == 2


@pytest.mark.parametrize("name", ["podinfo", "podinfo-stable", "podinfo-canary"])
async def test_a_changed_selector_is_put_back(managed, name):
    async with managed() as sim:
        await sim.onboarded()
        before = sim.selector(name)
        await sim.cluster.client.patch(SERVICES, name, {"spec": {"selector": {"app": "nobody"}}}, "shop")
        await sim.until(lambda: sim.selector(name) == before, 10.0)
