"""A process dies around every write of a rollout: whoever goes on reaches the same end and tells the same story."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.faults import Drop
from canary.sandbox.exhaustive.plans import Who, check, learn, pairs, plans
from canary.sandbox.exhaustive.scenarios import SCENARIOS
from canary.sandbox.exhaustive.trial import Failed
from canary.sandbox.exhaustive.wire import When

STORIES = {
    "promotion": ((0, 20, 100), "Idle Progressing Promoted"),
    "rollback": ((0, 20, 0), "Idle Progressing RollingBack RolledBack"),
    "abort": ((0, 20, 0), "Idle Progressing RollingBack RolledBack"),
    "revision": ((0, 20, 0, 20, 100), "Idle Progressing Promoted"),
    "deletion": ((0, 20, 0), "Idle Progressing RollingBack "),
    "approval": ((0, 20, 100), "Idle Progressing Promoted"),
    "retry": ((0, 20, 0, 20, 100), "Idle Progressing RollingBack RolledBack Progressing Promoting Promoted"),
    "managed": ((0, 20, 50, 0), "Initializing Idle Progressing Promoting Promoted"),
    "managed-rollback": ((0, 20, 0), "Initializing Idle Progressing RollingBack RolledBack"),
    "managed-revision": ((0, 20, 0, 20, 50, 0), "Initializing Idle Progressing Promoting Promoted"),
    "managed-deletion": ((0, 20, 0), "Initializing Idle Progressing RollingBack RolledBack "),
}
"""The weights and phases of the fault-free runs, with which all others are compared."""
LEAST = {
    "promotion": 18,
    "rollback": 17,
    "abort": 18,
    "revision": 26,
    "deletion": 16,
    "approval": 24,
    "retry": 32,
    "managed": 34,
    "managed-rollback": 30,
    "managed-revision": 46,
    "managed-deletion": 46,
}
"""So many writes a scenario makes at least: fewer would mean that points have been lost, not that all is well."""
WHOLE = ("promotion", "rollback", "abort", "revision", "deletion")
"""Scenarios that are played in full here; of the others, what `python -m canary.sandbox.exhaustive --all` plays too."""
BATCHES = [
    *(
        (scenario, when, who)
        for scenario in WHOLE
        for when in (When.BEFORE, When.UNANSWERED, When.AFTER)
        for who in Who
    ),
    *((scenario, when, Who.RESTART) for scenario in ("approval", "retry") for when in (When.BEFORE, When.UNANSWERED)),
    *((scenario, When.LATE, Who.RESTART) for scenario in SCENARIOS),
]


def failures(plans_to_play):
    found = []
    for plan in plans_to_play:
        try:
            check(plan)
        except Failed as failure:
            found.append(str(failure))
    return found


@pytest.mark.parametrize(("scenario", "when", "who"), BATCHES)
def test_a_rollout_ends_the_same_whenever_its_process_dies(scenario, when, who):
    found = failures(plans(scenario, when, who))
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_rollout_ends_the_same_when_the_successor_dies_as_well(scenario):
    found = failures(pairs(scenario))
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_run_that_all_others_are_compared_with_is_right(scenario):
    ending = learn(scenario).ending
    assert (ending.shares, " ".join(ending.phases)) == STORIES[scenario]
    answers = {"RetryStarted", "PromotionStarted"} if scenario == "retry" else set()
    assert answers <= set(ending.events)
    assert not {"CommandRejected", "CommandExpired", "AbortIgnored", "DriftRepaired"} & set(ending.events)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_write_of_a_rollout_is_a_point_at_which_to_die(scenario):
    writes = learn(scenario).writes
    assert len(writes) >= LEAST[scenario], "\n".join(map(str, writes))
    written = {"trafficsplits", "canaries", "canaries/status", "events"}
    if scenario.startswith("managed"):
        written |= {"controllerrevisions", "deployments", "services"}
    assert {write.resource for write in writes} == written
    assert [plan.write for plan in plans(scenario, When.BEFORE, Who.RESTART)] == list(range(1, len(writes) + 1))


def test_the_lease_is_a_point_at_which_to_die():
    points = [learn("promotion", Who.LEASE).writes[p.write - 1] for p in plans("promotion", When.AFTER, Who.LEASE)]
    assert [str(write) for write in points if write.resource == "leases"] == ["create leases", "update leases"]


async def test_a_promote_that_meets_a_process_that_has_only_just_come_is_obeyed_once_the_pods_are_known(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "1h"}, {"weight": 50, "hold": "1h"}]) as sim:
        await sim.weight(10)
        await sim.told()
        await sim.kill("one")
        await sim.annotate(command=f"promote@{sim.state().revision}@1")
        sim.start("two")
        await sim.weight(50)
        assert "CommandRejected" not in sim.reasons()


async def test_a_rollback_for_a_deletion_is_told_by_the_successor_before_the_split_is_let_go(rollout):
    async with rollout() as sim:
        await sim.weight(10)
        sim.faults.add(Drop(), verb="create", resource="events", user_agent="one")
        sim.faults.add(Drop(), verb="update", resource="trafficsplits", user_agent="one", skip=1)
        await sim.delete_canary()
        await sim.reach("RollingBack")
        await sim.kill("one")
        sim.start("two")
        await sim.until(lambda: sim.object("canaries") is None)
        await sim.sleep(5)
        assert "RollbackStarted" in sim.reasons()
