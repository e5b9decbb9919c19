"""A Canary is deleted: in every phase, with every cascade, valid or not, alone or with its namespace."""

from __future__ import annotations

import copy

import pytest

from canary.api.crd import crd
from canary.api.names import FINALIZER
from canary.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from canary.sandbox.apiserver.faults import Answer

STATE, OWNER, LABEL = "canary.delivery/state", "canary.delivery/owner", "canary.delivery/canary"
PROMOTING = {"steps": [{"weight": 50, "hold": "10s"}]}


async def before_anything(sim):
    await sim.sleep(0.1)


async def at_ten(sim):
    await sim.weight(10)


async def at_a_hundred(sim):
    await sim.weight(100)


async def paused(sim):
    await sim.weight(10)
    await sim.annotate(command=f"pause@{sim.state().revision}@1")
    await sim.sleep(5)


async def promoting(sim):
    await sim.reach("Promoting")


async def rolling_back(sim):
    await sim.weight(50)
    await sim.annotate(abort="@1")


async def rolled_back(sim):
    await rolling_back(sim)
    await sim.reach("RolledBack")


async def promoted(sim):
    await sim.reach("Promoted")


PHASES = {
    before_anything: ({}, 1),
    at_ten: ({}, 1),
    at_a_hundred: ({}, 1),
    paused: ({}, 1),
    promoting: (PROMOTING, 1),
    rolling_back: ({}, 1),
    rolled_back: ({}, 1),
    promoted: ({}, 2),
}
"""What brings a Canary into the phase, with which spec, and which release serves afterwards."""


async def gone(sim, timeout=20):
    await sim.until(lambda: sim.object("canaries") is None, timeout)


@pytest.mark.parametrize("cascade", ["Background", "Foreground", "Orphan"])
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
async def test_traffic_stays_where_it_serves_and_the_split_is_let_go(rollout, phase, cascade):
    spec, serving = PHASES[phase]
    async with rollout(**spec) as sim:
        await phase(sim)
        await sim.delete_canary(cascade)
        await gone(sim)
        await sim.sleep(60)
        split = sim.object("trafficsplits")
        if split is None:
            assert phase is before_anything
            return
        assert sim.weights() == {f"podinfo-v{serving}": 100}
        metadata = split["metadata"]
        assert STATE not in metadata["annotations"]
        assert LABEL not in metadata.get("labels", {})
        assert metadata["annotations"][OWNER].startswith("podinfo/")
        assert not metadata.get("ownerReferences")
        assert not metadata.get("finalizers")


async def test_the_weight_goes_before_the_finalizer(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await sim.delete_canary("Foreground")
        await gone(sim)
        lowered = next(
            c.monotonic
            for c in sim.splits()
            if c.new["spec"]["backends"] and c.monotonic > 42 and len(c.new["spec"]["backends"]) == 1
        )
        finalizer = next(
            c
            for c in sim.cluster.server.commits.of("canaries")
            if c.new is None
            or (c.new["metadata"].get("deletionTimestamp") and FINALIZER not in c.new["metadata"].get("finalizers", ()))
        )
        assert lowered <= finalizer.monotonic


async def test_a_deletion_that_meets_a_process_that_is_down_is_finished_by_the_next_one(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await sim.kill("one")
        await sim.delete_canary("Foreground")
        await sim.sleep(30)
        assert sim.object("canaries") is not None
        sim.start("two")
        await gone(sim)
        assert sim.weights() == {"podinfo-v1": 100}


async def test_a_deletion_goes_on_when_the_split_has_been_deleted_before(rollout):
    async with rollout() as sim:
        await sim.weight(10)
        await sim.kill("one")
        await sim.delete_split()
        await sim.delete_canary()
        sim.start("two")
        await gone(sim)
        assert sim.weights() == {}


async def test_a_deletion_goes_on_while_the_api_server_is_sick(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        sim.faults.add(Answer(503), verb="update,patch", user_agent="one", probability=0.7)
        await sim.delete_canary()
        await gone(sim, 600)
        assert sim.weights() == {"podinfo-v1": 100}


async def test_a_canary_whose_spec_has_become_invalid_can_be_deleted(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await accept_anything(sim)
        canary = sim.canary("1", "2", steps=[{"weight": 50, "hold": "5s"}, {"weight": 10, "hold": "5s"}])
        await sim.apply(canary)
        await sim.weight(0)
        assert sim.state().phase == "Progressing"
        await sim.told()
        assert sim.status().phase == "Invalid"
        await sim.delete_canary()
        await gone(sim)
        assert sim.weights() == {"podinfo-v1": 100}


async def test_a_canary_that_never_was_valid_writes_no_split_and_can_be_deleted(rollout):
    async with rollout(applied=False) as sim:
        await accept_anything(sim)
        await sim.apply(sim.canary("1", "2", steps=[]))
        await sim.until(lambda: sim.status().phase == "Invalid", 30)
        assert sim.splits() == ()
        await sim.delete_canary()
        await gone(sim)


async def accept_anything(sim):
    """As an older version of the CustomResourceDefinition might."""
    loose = copy.deepcopy(crd())
    for version in loose["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    client = sim.cluster.client
    stored = await client.get(CUSTOM_RESOURCE_DEFINITIONS, loose["metadata"]["name"])
    await client.replace(CUSTOM_RESOURCE_DEFINITIONS, loose["metadata"]["name"], {**stored, "spec": loose["spec"]})


@pytest.mark.parametrize("phase", [at_ten, at_a_hundred, promoted, rolled_back], ids=lambda phase: phase.__name__)
async def test_a_namespace_that_is_deleted_takes_its_canary_with_it(rollout, phase):
    async with rollout() as sim:
        await phase(sim)
        await sim.cluster.client.delete(NAMESPACES, "shop")
        await gone(sim, 60)


@pytest.mark.parametrize("weight", [50, 100])
async def test_a_finalizer_that_somebody_stripped_does_not_make_a_trial_the_one_that_serves(rollout, weight):
    async with rollout() as sim:
        await sim.weight(weight)
        await sim.kill("one")
        await sim.strip_finalizers()
        await sim.delete_canary()
        assert sim.object("canaries") is None
        assert sim.weights()["podinfo-v2"] == weight
        sim.start("two")
        await sim.apply(sim.canary("1", "2"))
        await sim.until(lambda: sim.weights() == {"podinfo-v1": 100}, 20)
        await sim.reach("Promoted")
        assert sim.shares()[-4:] == [0, 10, 50, 100]
