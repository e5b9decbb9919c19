"""What the API server and the network do to writes of the split: down is retried until it lands, up is decided anew."""

from __future__ import annotations

from itertools import pairwise

import pytest

from canary.sandbox.apiserver.faults import Answer, Drop, Hang, LoseAnswer, Refuse

REFUSED = [Answer(409), Answer(429), Answer(429, retry_after=2), Answer(500), Answer(503), Drop(), Refuse(), Hang()]
EXECUTED = [LoseAnswer(), Hang(executed=True)]


def name_of(fault: object) -> str:
    if isinstance(fault, Answer):
        return f"{fault.code}{' with Retry-After' if fault.retry_after else ''}"
    return f"{type(fault).__name__}{' executed' if fault == Hang(executed=True) else ''}"


def cost(fault: object) -> float:
    """Seconds that one fault may cost: a timeout or what the server asks for, and half a second of jitter."""
    if isinstance(fault, Hang):
        return 10.5
    return 2.5 if isinstance(fault, Answer) and fault.retry_after else 0.5


@pytest.mark.parametrize("fault", REFUSED, ids=name_of)
async def test_a_rollback_is_sent_again_until_it_lands(rollout, fault):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        rule = sim.faults.add(fault, verb="update", resource="trafficsplits", times=4)
        await sim.reach("RolledBack")
        first = [sent.at for sent in sim.wires["one"].sent if sent.what == "update trafficsplits"][2]
        assert rule.fired == 4
        assert sim.moment("RollingBack") - first <= 4 * cost(fault)


@pytest.mark.parametrize("fault", EXECUTED, ids=name_of)
async def test_a_rollback_whose_answer_is_lost_is_settled_by_reading_and_not_written_twice(rollout, fault):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        sim.faults.add(fault, verb="update", resource="trafficsplits", times=1)
        await sim.reach("RolledBack")
        assert [state.phase.value for state in sim.states()][-2:] == ["RollingBack", "RolledBack"]
        assert sim.reasons().count("RollbackStarted") == 1


async def test_the_pauses_between_tries_of_a_rollback_are_short_and_different_and_do_not_grow(rollout):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        before = sum(sent.what == "update trafficsplits" for sent in sim.wires["one"].sent)
        rule = sim.faults.add(Answer(503), verb="update", resource="trafficsplits", times=60)
        await sim.until(lambda: rule.fired == 60)
        tries = [sent.at for sent in sim.wires["one"].sent if sent.what == "update trafficsplits"][before:][:60]
        pauses = [later - earlier for earlier, later in pairwise(tries)]
        assert max(pauses) <= 0.6
        # A metrics window that arrives meanwhile is a reason to try at once.
        assert sum(pause < 0.04 for pause in pauses) <= 4
        assert len({round(pause, 3) for pause in pauses}) > 30
        assert sum(pauses[-20:]) <= 20 * 0.6
        await sim.reach("RolledBack")


@pytest.mark.parametrize("wait", [600, "Wed, 21 Oct 2065 07:28:00 GMT", "soon"], ids=str)
async def test_an_absurd_retry_after_does_not_hold_up_a_rollback_for_more_than_half_a_minute(rollout, wait):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        rule = sim.faults.add(Answer(429, retry_after=wait), verb="update", resource="trafficsplits", times=1)
        await sim.until(lambda: rule.fired == 1)
        refused = sim.now()
        await sim.weight(0)
        assert sim.moment("RollingBack") - refused <= 30.5


@pytest.mark.parametrize("fault", REFUSED, ids=name_of)
async def test_a_raise_that_fails_is_dropped_and_decided_anew_from_fresh_reads(rollout, fault):
    async with rollout() as sim:
        await sim.weight(10)
        rule = sim.faults.add(fault, verb="update", resource="trafficsplits", times=1)
        await sim.until(lambda: rule.fired == 1)
        await sim.weight(50)
        sent = [s.what for s in sim.wires["one"].sent]
        failed, again = [i for i, what in enumerate(sent) if what == "update trafficsplits"][-2:]
        between = sent[failed + 1 : again]
        assert between.index("get canaries") < between.index("list endpointslices")
        assert between[-1] == "get trafficsplits"
        await sim.reach("Promoted")
        assert sim.shares() == [0, 10, 50, 100]


@pytest.mark.parametrize("fault", EXECUTED, ids=name_of)
@pytest.mark.parametrize("skip", range(5))
async def test_no_step_is_taken_twice_when_an_answer_is_lost(rollout, fault, skip):
    async with rollout() as sim:
        sim.faults.add(fault, verb="update", resource="trafficsplits", skip=skip, times=1)
        await sim.reach("Promoted")
        assert sim.shares() == [0, 10, 50, 100]
        assert [state.seq for state in sim.states()] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("fault", [*EXECUTED, Answer(503), Drop(), Hang(), Answer(409), Answer(429)], ids=name_of)
async def test_a_split_is_created_once_whatever_becomes_of_the_request(rollout, fault):
    async with rollout() as sim:
        sim.faults.add(fault, verb="create", resource="trafficsplits", times=1)
        await sim.weight(10)
        assert len({commit.new["metadata"]["uid"] for commit in sim.splits() if commit.new}) == 1
        assert [state.seq for state in sim.states()] == [1, 2, 3]


async def test_a_raise_waits_longer_from_failure_to_failure_so_that_a_sick_server_is_not_hammered(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "0s"}, {"weight": 50, "hold": "0s"}]) as sim:
        await sim.weight(10)
        rule = sim.faults.add(Answer(503), verb="update", resource="trafficsplits")
        await sim.until(lambda: rule.fired == 1)
        began = sim.now()
        await sim.sleep(60)
        assert rule.fired <= 30
        assert sim.now() - began >= 60
        sim.faults.clear()
        await sim.weight(50)
