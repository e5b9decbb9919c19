"""The split is deleted, stripped of its state, made anew by others or restored from a copy; the Lease is gone."""

from __future__ import annotations

import copy

import pytest

from canary.kube.resources import LEASES
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS

STATE = "canary.delivery/state"


async def delete_split(sim):
    await sim.cluster.client.delete(TRAFFIC_SPLITS, "podinfo", "shop")


def bare(sim, weight, **metadata):
    """A split as another program would make it."""
    return {
        "apiVersion": "split.smi-spec.io/v1alpha4",
        "kind": "TrafficSplit",
        "metadata": {"name": "podinfo", "namespace": "shop", **metadata},
        "spec": {
            "service": "podinfo",
            "backends": [
                {"service": "podinfo-v2", "weight": weight},
                {"service": "podinfo-v1", "weight": 100 - weight},
            ],
        },
    }


@pytest.mark.parametrize("weight", [10, 50, 100])
async def test_a_deleted_split_is_made_again_with_everything_on_stable_and_the_steps_begin_anew(rollout, weight):
    async with rollout() as sim:
        await sim.weight(weight)
        await sim.told()
        seq, uid = sim.state().seq, sim.splits()[-1].new["metadata"]["uid"]
        await delete_split(sim)
        await sim.until(lambda: bool(sim.weights()), 5)
        assert sim.weights() == {"podinfo-v1": 100}
        assert sim.splits()[-1].new["metadata"]["uid"] != uid
        rebuilt = next(state for state in sim.states() if state.seq > seq)
        assert (rebuilt.seq, rebuilt.phase, rebuilt.weight) == (seq + 1, "RollingBack", 0)
        await sim.reach("Promoted")
        assert sim.shares()[-4:] == [0, 10, 50, 100]
        assert "StateRebuilt" in sim.reasons()


async def test_a_split_deleted_while_no_rollout_runs_is_made_again_for_what_serves(rollout):
    async with rollout() as sim:
        await sim.reach("Promoted")
        await sim.told()
        await delete_split(sim)
        await sim.until(lambda: bool(sim.weights()), 5)
        await sim.sleep(60)
        assert sim.weights() == {"podinfo-v2": 100}
        assert sim.shares("podinfo-v1")[-1] == 0


@pytest.mark.parametrize("weight", [10, 50])
async def test_a_split_stripped_of_its_state_goes_to_stable_at_once(rollout, weight):
    async with rollout() as sim:
        await sim.weight(weight)
        await sim.told()
        at = sim.now()
        await sim.patch_split({"metadata": {"annotations": {STATE: None}}})
        await sim.until(lambda: sim.state() is not None, 5)
        assert sim.weights() == {"podinfo-v1": 100}
        assert sim.moment("RollingBack") - at <= 1
        await sim.reach("Promoted")


async def test_garbage_in_place_of_the_state_goes_to_stable_at_once(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await sim.told()
        await sim.patch_split({"metadata": {"annotations": {STATE: '{"v":1,"seq":"many"}'}}})
        await sim.until(lambda: sim.weights() == {"podinfo-v1": 100}, 5)


async def test_a_split_made_anew_by_another_program_is_not_taken_for_ours(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await sim.told()
        one = sim.process("one")
        await sim.kill("one")
        await delete_split(sim)
        await sim.apply(bare(sim, 30))
        sim.start("two")
        await sim.sleep(60)
        assert sim.weights() == {"podinfo-v2": 30, "podinfo-v1": 70}
        assert not one.running
        assert next(c for c in sim.status().conditions if c.type == "Stalled").reason == "TrafficConflict"
        await delete_split(sim)
        await sim.reach("Promoted")


async def test_an_old_copy_of_the_split_does_not_bring_back_what_was_decided_since(rollout):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        old = copy.deepcopy(sim.splits()[-1].new)
        await sim.reach("RolledBack")
        await sim.told()
        rejected = sim.state().rejected
        seq = sim.state().seq
        await sim.patch_split({"metadata": {"annotations": old["metadata"]["annotations"]}, "spec": old["spec"]})
        await sim.until(lambda: sim.state().seq > seq, 5)
        await sim.sleep(120)
        assert sim.shares() == [0, 10, 0, 10, 0]
        assert sim.state().rejected == rejected
        assert sim.phase() == "RolledBack"


async def test_an_old_copy_is_recognised_by_a_process_that_has_only_just_come(rollout):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        old = copy.deepcopy(sim.splits()[-1].new)
        await sim.reach("RolledBack")
        await sim.told()
        seq = sim.state().seq
        await sim.kill("one")
        await delete_split(sim)
        metadata = {key: old["metadata"][key] for key in ("labels", "annotations")}
        await sim.apply(bare(sim, 10, **metadata))
        sim.start("two")
        await sim.until(lambda: sim.state().seq > seq, 10)
        await sim.sleep(120)
        assert sim.weights() == {"podinfo-v1": 100}
        assert sim.phase() == "RolledBack"
        assert {state.weight for state in sim.states() if state.seq > seq} == {0}


async def test_a_state_of_a_later_version_is_left_byte_for_byte_and_only_an_abort_lowers_the_weight(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        newer = sim.splits()[-1].new["metadata"]["annotations"][STATE].replace('"v":1', '"v":2', 1)
        one = sim.process("one")
        one.kill()
        sim.processes.remove(one)
        await sim.patch_split({"metadata": {"annotations": {STATE: newer}}})
        sim.start("two")
        await sim.sleep(120)
        assert sim.weights() == {"podinfo-v2": 50, "podinfo-v1": 50}
        await sim.annotate(abort="@now")
        await sim.until(lambda: sim.weights() == {"podinfo-v1": 100}, 5)
        assert sim.splits()[-1].new["metadata"]["annotations"][STATE] == newer


async def test_a_deleted_lease_costs_no_step_and_makes_no_second_one(rollout):
    async with rollout(leader_elect=True, processes=("one", "two")) as sim:
        await sim.weight(10)
        await sim.cluster.client.delete(LEASES, "canary-controller", "shop")
        await sim.reach("Promoted", timeout=400)
        assert sim.shares() == [0, 10, 50, 100]


async def test_two_processes_without_leader_election_do_what_one_does(rollout):
    seen = []
    for processes in (("one",), ("one", "two")):
        async with rollout(processes=processes) as sim:
            await sim.reach("Promoted")
            await sim.told()
            await sim.sleep(30)
            assert [state.seq for state in sim.states()] == [1, 2, 3, 4, 5, 6]
            seen.append((sim.shares(), sim.reasons(), sim.weights(), sim.status().phase))
    assert seen[0] == seen[1]


async def test_two_processes_without_leader_election_roll_back_as_one_does(rollout):
    seen = []
    for processes in (("one",), ("one", "two")):
        async with rollout(processes=processes, errors=20) as sim:
            await sim.reach("RolledBack")
            await sim.told()
            await sim.sleep(30)
            seen.append((sim.shares(), sim.reasons(), sim.weights(), sim.state().failed))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("why", ["abort", "breach", "drift at rest"])
async def test_traffic_is_not_taken_to_a_stable_side_that_has_no_endpoint(rollout, why):
    """The one exception to a rollback: it waits for the first endpoint, says so, and then happens at once."""
    async with rollout(errors=20 if why == "breach" else 0, severe=True) as sim:
        await sim.weight(10)
        if why == "drift at rest":
            await sim.annotate(abort="@0")
            await sim.reach("RolledBack")
        await sim.scale("1", 0)
        await sim.sleep(3)
        if why == "drift at rest":
            await sim.patch_split(bare(sim, 10))
        elif why == "abort":
            await sim.annotate(abort="@1")
        await sim.sleep(40)
        assert sim.weights() == {"podinfo-v2": 10, "podinfo-v1": 90}
        assert next(c for c in sim.status().conditions if c.type == "Stalled").reason == "StableUnavailable"
        await sim.scale("1", 1)
        await sim.until(lambda: sim.weights() == {"podinfo-v1": 100}, 4)
