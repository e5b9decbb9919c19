"""A process that is told to end: it finishes what it has begun, releases the Lease last, and is gone in time."""

from __future__ import annotations

import asyncio

import pytest

from canary.sandbox.apiserver.faults import Answer, Delay, Hang

MOMENTS = {
    "at once": 0.0,
    "while it starts": 0.1,
    "before the first weight": 8.0,
    "in the middle of a hold": 20.0,
    "at the end of a hold": 42.5,
    "at rest": 200.0,
}


async def stopped(sim, identity):
    """Seconds that the process took to end after SIGTERM."""
    asked = sim.now()
    async with asyncio.timeout(60):
        await sim.process(identity).stop()
    return sim.now() - asked


def released_at(sim):
    """When the Lease was let go."""
    log = sim.cluster.server.commits.of("leases")
    return next((c.monotonic for c in log if c.new and not c.new["spec"].get("holderIdentity")), None)


@pytest.mark.parametrize("leader_elect", [False, True])
@pytest.mark.parametrize("moment", MOMENTS)
async def test_it_ends_within_ten_seconds(rollout, moment, leader_elect):
    async with rollout(leader_elect=leader_elect) as sim:
        await sim.sleep(MOMENTS[moment])
        assert await stopped(sim, "one") < 10
        mark = len(sim.cluster.server.commits)
        await sim.sleep(60)
        assert [c for c in list(sim.cluster.server.commits)[mark:] if c.user_agent == "one"] == []


@pytest.mark.parametrize("fault", [Hang(), Hang(executed=True), Delay(before=8), Delay(after=8)], ids=str)
async def test_it_ends_within_ten_seconds_whatever_hangs(rollout, fault):
    async with rollout(leader_elect=True) as sim:
        await sim.weight(10)
        sim.faults.add(fault, verb="get,list,create,update,patch", user_agent="one")
        await sim.sleep(29)
        assert await stopped(sim, "one") < 10


@pytest.mark.parametrize("moment", ["before the first weight", "in the middle of a hold", "at the end of a hold"])
async def test_it_writes_nothing_after_it_has_let_go_of_the_lease(rollout, moment):
    async with rollout(leader_elect=True) as sim:
        sim.faults.add(Delay(after=0.5), verb="create,update,patch", user_agent="one", resource="events")
        await sim.sleep(MOMENTS[moment])
        await stopped(sim, "one")
        let_go = released_at(sim)
        assert let_go is not None
        await sim.sleep(30)
        assert [c.plural for c in sim.by("one") if c.monotonic > let_go] == []


async def test_an_event_that_could_not_be_told_in_time_is_left_to_the_next_one(rollout):
    async with rollout(leader_elect=True) as sim:
        refused = sim.faults.add(Answer(503), verb="create", resource="events", user_agent="one")
        await sim.weight(10)
        sim.faults.add(Delay(after=4), verb="update,patch", resource="leases", user_agent="one")
        ending = asyncio.create_task(stopped(sim, "one"))
        await sim.until(lambda: released_at(sim) is not None, 20)
        sim.faults.remove(refused)
        assert await ending < 10
        assert [c.plural for c in sim.by("one") if c.monotonic > released_at(sim)] == []
        sim.start("two")
        await sim.until(lambda: "WeightAdvanced" in sim.reasons(), 30)


async def test_the_next_one_leads_within_three_seconds(rollout):
    async with rollout(leader_elect=True) as sim:
        await sim.weight(10)
        sim.start("two")
        await sim.sleep(5)
        asked = sim.now()
        await stopped(sim, "one")
        sim.processes.remove(sim.process("one"))
        await sim.until(lambda: sim.process("two").controller.is_leader, 30)
        assert sim.now() - asked <= 3
        await sim.reach("Promoted")
        assert sim.shares() == [0, 10, 50, 100]


async def test_a_write_that_is_under_way_is_waited_for_and_not_made_again(rollout):
    async with rollout(leader_elect=True) as sim:
        await sim.weight(10)
        rule = sim.faults.add(Delay(before=2, after=1), verb="update", resource="trafficsplits", user_agent="one")
        await sim.until(lambda: rule.fired == 1)
        assert await stopped(sim, "one") < 10
        sim.processes.clear()
        sim.start("two")
        await sim.reach("Promoted")
        assert sim.shares() == [0, 10, 50, 100]


async def test_no_task_is_left_behind(rollout):
    async with rollout(leader_elect=True) as sim:
        await sim.sleep(30)
        before = len(asyncio.all_tasks())
        sim.start("two")
        await sim.sleep(30)
        await stopped(sim, "two")
        await sim.sleep(1)
        assert len(asyncio.all_tasks()) <= before + 1


async def test_no_watch_is_opened_by_what_outlives_the_end(rollout):
    async with rollout() as sim:
        await sim.weight(10)
        watches = sim.process("one").controller.watches
        await stopped(sim, "one")
        before = len(watches.reflectors)
        watches.set_names("elsewhere", frozenset({"web"}))
        assert len(watches.reflectors) == before
