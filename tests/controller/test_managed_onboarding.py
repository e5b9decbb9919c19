"""Managed mode takes a Deployment over without a request being lost."""

from __future__ import annotations

import pytest

from canary.kube.resources import SERVICES
from canary.sandbox.app import App, Release
from canary.sandbox.managed_app import GIT_MARK, autoscaler, deployment, root
from canary.sandbox.workloads import READY_ANNOTATION


async def test_the_copy_serves_and_the_target_is_scaled_to_zero(managed):
    async with managed() as sim:
        await sim.onboarded()
        assert sim.selector() == "podinfo-stable"
        assert (sim.replicas("podinfo-stable"), sim.replicas()) == (3, 0)
        assert sim.weights() == {"podinfo-stable": 100}


async def test_the_root_is_pointed_before_the_target_is_scaled_down(managed):
    async with managed() as sim:
        await sim.onboarded()
        pointed = next(c for c in sim.by("one") if (c.plural, c.name) == ("services", "podinfo"))
        scaled = next(c for c in sim.by("one") if (c.plural, c.name) == ("deployments", "podinfo"))
        assert scaled.monotonic >= pointed.monotonic + 2.0


async def test_the_root_keeps_in_mind_what_it_selected(managed):
    async with managed() as sim:
        await sim.onboarded()
        annotations = sim.object("services")["metadata"]["annotations"]
        assert annotations["canary.delivery/original-selector"] == '{"app":"podinfo"}'


async def test_an_absent_root_is_made(managed):
    async with managed(root=False, service={"name": "podinfo", "ports": [{"port": 80, "targetPort": 9898}]}) as sim:
        await sim.onboarded()
        assert sim.selector() == "podinfo-stable"
        assert "services podinfo" in sim.ours()


async def test_a_root_that_git_manages_is_left_alone_unless_forced(managed):
    async with managed(service={"name": "podinfo", "adopt": "IfFree"}, applied=False) as sim:
        await sim.cluster.client.patch(SERVICES, "podinfo", {"metadata": {"annotations": GIT_MARK}}, "shop")
        await sim.apply(sim.managed_canary(service={"name": "podinfo", "adopt": "IfFree"}))
        await sim.until(lambda: "Stalled" in {c.type for c in sim.status().conditions if c.status == "True"})
        assert sim.selector() == "podinfo"
        assert sim.replicas() == 3


async def test_a_forced_root_is_repaired_and_a_pod_of_the_target_stays(managed):
    async with managed(applied=False) as sim:
        await sim.cluster.client.patch(SERVICES, "podinfo", {"metadata": {"annotations": GIT_MARK}}, "shop")
        await sim.apply(sim.managed_canary())
        await sim.onboarded()
        await sim.apply(root(sim.app, rate=sim.rate, git=True))
        await sim.until(lambda: sim.selector() == "podinfo-stable", 5.0)
        assert sim.replicas() == 1


async def test_the_autoscaler_has_a_copy_for_stable(managed):
    async with managed(autoscaler(App())) as sim:
        await sim.onboarded()
        copied = sim.object("horizontalpodautoscalers", "podinfo-stable")
        assert copied["spec"]["scaleTargetRef"]["name"] == "podinfo-stable"
        assert copied["spec"]["minReplicas"] == 2


def _conflicts(sim):
    """What each status that was ever written lists."""
    written = [c.new["status"]["conditions"] for c in sim.cluster.server.commits.of("canaries") if "status" in c.new]
    stalled = [one for conditions in written for one in conditions if one["reason"] == "SelectorConflict"]
    return [one["message"].partition(" would miss")[0] for one in stalled]


async def test_all_that_would_miss_the_copy_is_listed_at_once(managed):
    labels = {"app": "podinfo"}
    about = {"namespace": "shop"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": about | {"name": "direct"}}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": about | {"name": "fence"}}
    async with managed(applied=False) as sim:
        await sim.apply(
            service | {"spec": {"selector": labels, "ports": [{"port": 80}]}},
            policy | {"spec": {"podSelector": {"matchLabels": labels}, "ingress": [{}]}},
            sim.managed_canary(),
        )
        await sim.until(lambda: bool(_conflicts(sim)), 30.0)
        assert set(_conflicts(sim)) == {"NetworkPolicy/fence, Service/direct"}
        assert sim.ours() == []


async def test_a_manifest_without_replicas_keeps_the_size_that_an_autoscaler_has_given(managed):
    async with managed(autoscaler(App()), applied=False) as sim:
        await sim.release(Release("1"))
        await sim.patch_target({"spec": {"replicas": 4}}, manager="kube-controller-manager")
        await sim.cluster.ready("shop", "podinfo")
        await sim.apply(sim.managed_canary())
        await sim.onboarded()
        assert sim.replicas("podinfo-stable") == 4


async def _broken(sim):
    """The Deployment has never had a ready pod."""
    broken = deployment(sim.app, Release("1"), replicas=3, **{READY_ANNOTATION: "false"})
    await sim.apply(sim.app.namespace_manifest(), root(sim.app, rate=sim.rate), broken, sim.managed_canary())
    sim.start("one")
    await sim.until(lambda: sim.object("deployments", "podinfo-stable") is not None, 30.0)


async def test_a_first_template_that_never_becomes_ready_can_be_mended(bare):
    async with bare() as sim:
        await _broken(sim)
        await sim.release(Release("2"), replicas=3)
        await sim.onboarded()
        assert sim.image("podinfo-stable") == "2"


async def test_a_canary_that_goes_before_the_copy_served_leaves_the_target_as_it_is(bare):
    async with bare() as sim:
        await _broken(sim)
        await sim.release(Release("2"), replicas=3)
        await sim.delete_canary()
        await sim.gone(30.0)
        assert sim.image() == "2"
        assert sim.ours() == []


@pytest.mark.parametrize("after", ["services", "controllerrevisions", "deployments", "trafficsplits"])
async def test_a_process_that_dies_in_the_middle_has_a_heir(managed, after):
    async with managed() as sim:
        await sim.until(lambda: any(c.plural == after for c in sim.by("one")), 30.0)
        await sim.kill("one")
        sim.start("two")
        await sim.onboarded()
        assert sim.selector() == "podinfo-stable"


async def test_a_stable_service_that_somebody_edits_meanwhile_is_put_right(managed):
    async with managed() as sim:
        await sim.until(lambda: sim.object("services", "podinfo-stable") is not None)
        await sim.cluster.client.patch(SERVICES, "podinfo-stable", {"spec": {"selector": {"app": "nobody"}}}, "shop")
        await sim.onboarded()
        assert sim.selector("podinfo-stable") == "podinfo-stable"
