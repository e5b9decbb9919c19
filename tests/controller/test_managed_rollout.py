"""A rollout in managed mode: up in steps, promoted into the copy, or taken back."""

from __future__ import annotations

import pytest

from canary.kube.resources import PODS
from canary.sandbox.apiserver.faults import Answer
from canary.sandbox.app import Release
from canary.sandbox.workloads import READY_ANNOTATION


async def test_a_good_release_is_promoted_into_the_copy(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.promoted()
        assert sim.image("podinfo-stable") == "2"
        assert sim.shares("podinfo-canary") == [0, 20, 60, 0]


async def test_the_target_is_scaled_down_after_the_promotion(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.promoted()
        await sim.until(lambda: sim.replicas() == 0, 60.0)


async def test_a_promoted_release_is_told_to_those_who_wait(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.promoted()
        await sim.until(lambda: any(c.type == "Promoted" and c.status == "True" for c in sim.status().conditions), 30.0)


async def test_a_bad_release_never_reaches_the_copy(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2", errors=30))
        await sim.reach("RolledBack")
        templates = {
            c.new["spec"]["template"]["spec"]["containers"][0]["image"]
            for c in sim.cluster.server.commits.of("deployments", "shop", "podinfo-stable")
        }
        assert templates == {"sandbox/podinfo:1"}
        assert sim.replicas() == 0


async def test_a_promotion_that_cannot_be_finished_is_undone(managed):
    """Pods of the release become ready on one side and not on the other."""
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.reach("Promoting")
        sim.cluster.server.faults.add(Answer(403), verb="create", resource="pods")
        await sim.reach("RolledBack")
        assert sim.image("podinfo-stable") == "1"
        assert sim.state().reason == "PromotionFailed"


async def test_pods_that_lose_their_endpoints_lose_the_traffic(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.weight(60)
        at = sim.now()
        await _say_to_new_pods(sim, {"metadata": {"annotations": {READY_ANNOTATION: "false"}}})
        await sim.weight(0)
        assert sim.now() < at + 5.0


async def test_a_release_whose_pods_never_become_ready_is_rejected_after_its_time(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"), **{READY_ANNOTATION: "false"})
        await sim.reach("RolledBack")
        assert sim.state().reason == "ProgressDeadlineExceeded"
        assert 20 not in sim.shares("podinfo-canary")


@pytest.mark.parametrize("phase", ["Progressing", "Promoting", "RollingBack", "Promoted", "RolledBack"])
async def test_a_restart_in_any_phase_changes_nothing_of_the_end(managed, phase):
    errors = 30 if phase.startswith("Roll") else 0
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2", errors=errors))
        await sim.reach(phase)
        await sim.kill("one")
        sim.start("two")
        await sim.reach("RolledBack" if errors else "Promoted")
        assert sim.image("podinfo-stable") == ("1" if errors else "2")


async def test_a_rollout_of_five_steps_costs_sixty_requests_at_most(managed):
    steps = [{"weight": weight, "hold": "10s"} for weight in (10, 20, 40, 60, 80)]
    async with managed(steps=steps) as sim:
        await sim.onboarded()
        await sim.sleep(60.0)
        wire = sim.wires["one"]
        before = len(wire.sent)
        await sim.release(Release("2"))
        await sim.promoted()
        await sim.until(lambda: sim.replicas() == 0, 60.0)
        await sim.sleep(10.0)
        asked = [sent.what for sent in wire.sent[before:] if "metrics.smi-spec.io" not in sent.path]
        assert len(asked) <= 60, asked


async def test_a_rollout_begins_on_a_target_that_was_read_live(managed):
    async with managed() as sim:
        await sim.onboarded()
        before = sim.now()
        await sim.release(Release("2"))
        await sim.reach("Progressing")
        asked = sim.wires["one"].since(before)
        assert "get deployments" in asked[: asked.index("update trafficsplits")]


async def test_the_template_that_was_promoted_stays_kept(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.promoted()
        await sim.sleep(30.0)
        kept = [name for name in sim.ours() if name.startswith("controllerrevisions")]
        assert kept == [f"controllerrevisions podinfo-{sim.state().promoted}"]


async def test_a_target_with_weight_is_not_scaled_down_by_edited_steps(managed):
    async with managed(steps=[{"weight": 20, "hold": "1s"}, {"weight": 80, "hold": "1h"}]) as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.weight(80)
        assert sim.replicas() == 3
        await sim.apply(sim.managed_canary(steps=[{"weight": 20, "hold": "1h"}], canaryScale=1))
        await sim.sleep(20.0)
        assert sim.replicas() == 3


async def test_at_rest_nothing_is_asked(managed):
    async with managed() as sim:
        await sim.onboarded()
        await sim.release(Release("2"))
        await sim.promoted()
        await sim.sleep(120.0)
        wire = sim.wires["one"]
        before = len(wire.sent)
        await sim.sleep(120.0)
        assert [sent.what for sent in wire.sent[before:]] == []


async def _say_to_new_pods(sim, patch):
    for pod in (await sim.cluster.client.list(PODS, "shop", label_selector="app=podinfo")).items:
        await sim.cluster.client.patch(PODS, pod["metadata"]["name"], patch, "shop")
