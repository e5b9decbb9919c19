"""Every call that a rollout makes meets every kind of fault: it ends as ever, not much later, and writes no more."""

from __future__ import annotations

import pytest

from canary.api.names import FINALIZER
from canary.sandbox.apiserver.faults import Answer
from canary.sandbox.exhaustive.calls import KINDS, call_plans, check_call
from canary.sandbox.exhaustive.plans import learn
from canary.sandbox.exhaustive.trial import Failed

CALLS = (
    "get /apis/split.smi-spec.io",
    "get customresourcedefinitions",
    "list canaries",
    "watch canaries",
    "get canaries",
    "patch canaries",
    "patch canaries/status",
    "list services",
    "watch services",
    "list endpointslices",
    "watch endpointslices",
    "list pods",
    "list metrics of deployments",
    "list trafficsplits",
    "watch trafficsplits",
    "get trafficsplits",
    "create trafficsplits",
    "update trafficsplits",
    "create events",
)
"""What a rollout calls."""
NEEDED_BY_A_ROLLBACK = ("get trafficsplits", "update trafficsplits", "list metrics of deployments", "list pods")


def failures(scenario, name, *, lasting):
    found = []
    for plan in call_plans(scenario, lasting=lasting):
        if str(plan.call) == name:
            try:
                check_call(plan)
            except Failed as failure:
                found.append(str(failure))
    return found


@pytest.mark.parametrize("name", CALLS)
def test_a_rollout_ends_the_same_whatever_becomes_of_one_call(name):
    found = failures("promotion", name, lasting=False)
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("name", CALLS)
def test_a_rollout_ends_the_same_when_a_call_fails_for_a_while(name):
    found = failures("promotion", name, lasting=True)
    assert not found, "\n\n".join(found)


@pytest.mark.parametrize("name", NEEDED_BY_A_ROLLBACK)
def test_a_rollback_ends_the_same_whatever_becomes_of_one_call(name):
    found = failures("rollback", name, lasting=False)
    assert not found, "\n\n".join(found)


async def test_nothing_is_begun_before_the_finalizer_is_on_whatever_the_server_says(rollout):
    async with rollout() as sim:
        sim.faults.add(Answer(404), verb="patch", resource="canaries", subresource="")
        await sim.sleep(10)
        assert not sim.splits()
        sim.faults.clear()
        await sim.reach("Promoted")
        assert FINALIZER in sim.object("canaries")["metadata"]["finalizers"]


async def test_a_process_that_may_not_list_pods_asks_again_once_a_second(rollout):
    async with rollout() as sim:
        rule = sim.faults.add(Answer(403), verb="list", resource="pods")
        await sim.sleep(30)
        assert 1 < rule.fired <= 60
        sim.faults.clear()
        await sim.reach("Promoted")


@pytest.mark.parametrize("scenario", ["promotion", "rollback"])
def test_no_call_of_a_rollout_is_left_out(scenario):
    assert sorted(map(str, learn(scenario).calls)) == sorted(CALLS)


def test_every_kind_of_fault_is_met():
    assert {plan.kind for plan in call_plans("promotion", lasting=False)} == set(KINDS)
