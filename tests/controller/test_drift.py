"""Other people and programs at the split: what raises the canary is put back, what lowers it is accepted."""

from __future__ import annotations

import json

import pytest

from canary.sandbox.mesh.routes import TRAFFIC_SPLITS

STATE, OWNER, LABEL = "canary.delivery/state", "canary.delivery/owner", "canary.delivery/canary"


def backends(**weights):
    return {"spec": {"backends": [{"service": f"podinfo-{name}", "weight": w} for name, w in weights.items()]}}


def notes(sim, reason):
    return [note for said, note in sim.events() if said == reason]


def condition(sim, kind):
    return next((c for c in sim.status().conditions if c.type == kind), None)


RAISED = {
    "more for the canary": backends(v2=60, v1=40),
    "all for the canary": backends(v2=100),
    "a third backend": backends(v2=10, v1=80, v3=10),
    "a sum above 100": backends(v2=10, v1=100),
    "no backend": {"spec": {"backends": []}},
    "stable twice": {"spec": {"backends": [{"service": "podinfo-v1", "weight": 50}] * 2}},
}


@pytest.mark.parametrize("name", RAISED)
async def test_weights_that_somebody_raised_or_broke_are_put_back_within_a_second(rollout, name):
    async with rollout() as sim:
        await sim.weight(10)
        await sim.sleep(3)
        edited = sim.now()
        await sim.patch_split(RAISED[name])
        await sim.until(lambda: sim.weights() == {"podinfo-v2": 10, "podinfo-v1": 90}, 5)
        assert next(c.monotonic for c in reversed(sim.splits()) if c.user_agent == "one") - edited <= 1
        await sim.sleep(2)
        assert "kubectl-edit" in notes(sim, "DriftRepaired")[0]
        await sim.reach("Promoted")


@pytest.mark.parametrize("phase", ["Promoted", "RolledBack"])
async def test_weights_that_somebody_changed_when_no_rollout_runs_are_put_back(rollout, phase):
    async with rollout(errors=0 if phase == "Promoted" else 20) as sim:
        await sim.reach(phase)
        right = sim.weights()
        await sim.sleep(3)
        await sim.patch_split(backends(v2=50, v1=50))
        await sim.until(lambda: sim.weights() == right, 2)
        assert sim.phase() == phase


async def test_a_lowered_weight_is_held_until_resume_and_the_rollout_goes_on_from_there(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await sim.sleep(3)
        await sim.patch_split(backends(v2=20, v1=80))
        await sim.until(lambda: sim.state().pause == "ManualWeight", 2)
        await sim.sleep(200)
        assert sim.weights() == {"podinfo-v2": 20, "podinfo-v1": 80}
        assert condition(sim, "Paused").reason == "ManualWeight"
        assert "kubectl-edit lowered the canary from 50% to 20%" in notes(sim, "Paused")[0]
        await sim.annotate(command=f"resume@{sim.state().revision}@1")
        await sim.reach("Promoted")
        assert sim.shares() == [0, 10, 50, 20, 50, 100]


async def test_a_release_that_is_held_at_a_weight_by_hand_is_still_judged(rollout):
    async with rollout(errors=20, analysis={"interval": "10s", "warmup": "5s", "failureLimit": 2}) as sim:
        await sim.weight(10)
        await sim.patch_split(backends(v2=5, v1=95))
        await sim.reach("RolledBack")


async def test_a_weight_set_to_nothing_is_an_abort(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await sim.sleep(3)
        await sim.patch_split(backends(v1=100))
        await sim.reach("RolledBack")
        assert sim.state().reason == "Aborted"
        assert sim.state().rejected == (sim.state().revision,)
        assert "kubectl-edit" in notes(sim, "RollbackStarted")[0]


async def test_what_others_keep_in_the_split_survives_every_write_byte_for_byte(rollout):
    foreign = {
        "metadata": {
            "labels": {"team": "shop", "zeta": "x"},
            "annotations": {"example.com/json": '{"b": 1.0, "a": "é"}'},
            "finalizers": ["example.com/keep"],
        },
        "spec": {"matches": [{"kind": "HTTPRouteGroup", "name": "routes"}]},
    }
    async with rollout(errors=20) as sim:
        await sim.weight(10)
        await sim.patch_split(foreign)
        mark = len(sim.splits())
        await sim.reach("RolledBack")
        written = [c for c in sim.splits()[mark:] if c.user_agent == "one"]
        assert len(written) >= 3
        for commit in written:
            metadata = commit.new["metadata"]
            labels = {k: v for k, v in metadata["labels"].items() if "canary" not in k and "managed" not in k}
            annotations = {k: v for k, v in metadata["annotations"].items() if "canary" not in k}
            kept = [labels, annotations, metadata["finalizers"], commit.new["spec"]["matches"]]
            given = [*foreign["metadata"].values(), foreign["spec"]["matches"]]
            assert json.dumps(kept) == json.dumps(given)
            assert commit.new["spec"]["service"] == "podinfo"


def other_split(name="another", root="podinfo", **metadata):
    return {
        "apiVersion": "split.smi-spec.io/v1alpha4",
        "kind": "TrafficSplit",
        "metadata": {"name": name, "namespace": "shop", **metadata},
        "spec": {"service": root, **backends(v2=40, v1=60)["spec"]},
    }


async def create(sim, split):
    await sim.cluster.client.create(TRAFFIC_SPLITS, split, "shop")


async def test_a_second_split_of_the_same_root_stops_what_rises_until_it_is_gone(rollout):
    async with rollout() as sim:
        await sim.weight(10)
        await sim.apply(other_split())
        await sim.sleep(120)
        assert sim.shares("podinfo-v2")[:2] == [0, 10]
        assert sim.state().weight == 10
        assert condition(sim, "Stalled").reason == "TrafficConflict"
        await sim.cluster.client.delete(TRAFFIC_SPLITS, "another", "shop")
        await sim.reach("Promoted")


async def test_a_second_split_of_the_same_root_does_not_hold_up_a_rollback(rollout):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        await sim.apply(other_split())
        await sim.until(lambda: sim.state().weight == 0, 60)
        assert sim.weights() == {"podinfo-v1": 100}


async def test_a_split_that_nobody_controls_is_left_alone_unless_it_may_be_adopted(rollout):
    async with rollout(applied=False, processes=()) as sim:
        await create(sim, other_split("podinfo"))
        await sim.apply(sim.canary("1", "2"))
        sim.start("one")
        await sim.sleep(60)
        assert [c.user_agent for c in sim.splits()] == ["canary-sandbox"]
        assert condition(sim, "Stalled").reason == "TrafficConflict"
        await sim.apply(sim.canary("1", "2", traffic={"settle": "2s", "adopt": True}))
        await sim.reach("Promoted")
        assert sim.shares() == [40, 0, 10, 50, 100]


@pytest.mark.parametrize("weights", [{"v2": 1, "v1": 1}, {"v2": 400, "v1": 600}, {"v2": 0, "v1": 7}])
async def test_the_weights_of_an_adopted_split_are_brought_to_a_hundred(rollout, weights):
    async with rollout(applied=False, processes=()) as sim:
        split = other_split("podinfo")
        split["spec"]["backends"] = backends(**weights)["spec"]["backends"]
        await create(sim, split)
        await sim.apply(sim.canary("1", "2", traffic={"settle": "2s", "adopt": True}))
        sim.start("one")
        await sim.until(lambda: sim.state() is not None)
        assert sum(sim.weights().values()) == 100


async def test_a_split_that_gitops_manages_is_not_adopted(rollout):
    async with rollout(applied=False, processes=()) as sim:
        tracking = {
            "annotations": {"argocd.argoproj.io/tracking-id": "shop:split.smi-spec.io/TrafficSplit:shop/podinfo"}
        }
        canary = sim.canary("1", "2", traffic={"settle": "2s", "adopt": True})
        await create(sim, other_split("podinfo", **tracking))
        await sim.apply(canary)
        sim.start("one")
        await sim.sleep(60)
        assert [c.user_agent for c in sim.splits()] == ["canary-sandbox"]
        assert "Argo CD" in condition(sim, "Stalled").message


async def test_a_split_with_another_controller_is_never_written(rollout):
    async with rollout(applied=False, processes=()) as sim:
        owner = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "x", "uid": "1", "controller": True}
        canary = sim.canary("1", "2", traffic={"settle": "2s", "adopt": True})
        await create(sim, other_split("podinfo", ownerReferences=[owner]))
        await sim.apply(canary)
        sim.start("one")
        await sim.sleep(60)
        assert [c.user_agent for c in sim.splits()] == ["canary-sandbox"]


@pytest.mark.parametrize("cascade", ["Background", "Foreground", "Orphan"])
async def test_a_canary_that_is_deleted_and_applied_again_finds_its_split(rollout, cascade):
    async with rollout() as sim:
        await sim.reach("Promoted")
        await sim.told()
        uid = sim.splits()[-1].new["metadata"]["uid"]
        canaries = sim.process("one").controller.world.canaries
        await sim.delete_canary(cascade)
        await sim.until(lambda: sim.object("canaries") is None, 10)
        await sim.until(lambda: canaries.get("shop", "podinfo") is None, 10)
        await sim.apply(sim.canary("1", "2"))
        await sim.until(lambda: sim.state() is not None, 10)
        await sim.sleep(60)
        assert sim.splits()[-1].new["metadata"]["uid"] == uid
        assert sim.weights() == {"podinfo-v2": 100}
        assert sim.phase() == "Idle"
        assert condition(sim, "Ready").status == "True"
