"""The process as a whole, in virtual time: it drains, releases the Lease last, and ends when it must not go on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from canary.controller.app import LeadershipLost
from canary.kube.resources import LEASES
from canary.sandbox.apiserver.faults import Answer, Hang, Refuse, Silence
from canary.sandbox.simulation import Release, Simulation
from canary.sandbox.virtual_time import run_virtual
from canary.server.daemon import DrainTimeout, Process
from canary.server.health import Check

Make = Callable[..., Process]
LEASE = "canary-controller"


def problems(checks: tuple[Check, ...]) -> list[str]:
    return [check.name for check in checks if check.problem]


def simulated(body: Callable[[Simulation], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        async with Simulation(random.Random(1)) as sim:
            await sim.start_app(Release("1"), Release("2"))
            await body(sim)

    run_virtual(main())


async def leading(sim: Simulation, process: Process) -> asyncio.Task[None]:
    task = asyncio.create_task(process.work())
    await sim.until(lambda: process.controller.is_leader and process.controller.ready)
    return task


def holder(sim: Simulation) -> str:
    (*_, last) = sim.cluster.server.commits.of("leases", sim.app.namespace, LEASE)
    assert last.new is not None
    return str(last.new["spec"]["holderIdentity"])


@pytest.mark.parametrize("after", [0.0, 1.0, 12.65, 20.0])
def test_nothing_is_written_after_the_lease_was_released(process: Make, after: float) -> None:
    async def body(sim: Simulation) -> None:
        await sim.apply(sim.canary("1", "2"))
        one = process(sim)
        task = await leading(sim, one)
        await sim.clock.sleep(after)
        one.stop()
        await task
        mine = [c for c in sim.cluster.server.commits if c.manager == "canary-controller" or c.plural == "leases"]
        assert mine[-1].plural == "leases"
        assert holder(sim) == ""
        await sim.clock.sleep(60)
        mine_later = [c for c in sim.cluster.server.commits if c.plural in ("leases", "events", "trafficsplits")]
        assert mine_later[-1] is mine[-1]

    simulated(body)


def test_no_event_is_sent_while_the_lease_is_being_released(process: Make) -> None:
    async def body(sim: Simulation) -> None:
        faults = sim.cluster.server.faults
        events = faults.add(Answer(503), resource="events")
        await sim.apply(sim.canary("1", "2"))
        one = process(sim)
        task = await leading(sim, one)
        await sim.until(lambda: events.fired > 0)
        faults.add(Hang(), resource="leases")
        one.stop()
        await sim.clock.sleep(2.1)  # the recorder has had its time; the release hangs
        assert one.controller.recorder.depth
        sent = events.matched
        with suppress(DrainTimeout):
            await task
        assert events.matched == sent

    simulated(body)


def test_a_process_ends_within_10_s_though_reconcile_event_and_release_hang(process: Make) -> None:
    async def body(sim: Simulation) -> None:
        faults = sim.cluster.server.faults
        faults.add(Hang(), resource="events")
        await sim.apply(sim.canary("1", "2"))
        one = process(sim)
        task = await leading(sim, one)
        await sim.until(lambda: sim.phase() == "Progressing")
        faults.add(Hang(), verb="get,update,list", user_agent="one")
        await sim.annotate(abort="@2026-01-01T00:00:00Z")
        await sim.until(lambda: one.controller.queue.running > 0, 5)
        began = sim.clock.monotonic()
        one.stop()
        with pytest.raises(DrainTimeout):
            await task
        assert 8 < sim.clock.monotonic() - began < 10

    simulated(body)


def test_a_standby_takes_over_within_3_s_of_a_clean_stop(process: Make) -> None:
    async def body(sim: Simulation) -> None:
        one, two = process(sim, "one"), process(sim, "two")
        first = await leading(sim, one)
        second = asyncio.create_task(two.work())
        await sim.clock.sleep(30)
        assert not two.controller.is_leader
        one.stop()
        await first
        began = sim.clock.monotonic()
        await sim.until(lambda: two.controller.is_leader, 3.0)
        assert sim.clock.monotonic() - began < 3
        two.stop()
        await second

    simulated(body)


def test_a_process_whose_lease_another_one_took_ends_with_leadership_lost(process: Make) -> None:
    async def body(sim: Simulation) -> None:
        task = await leading(sim, process(sim))
        patch = {"spec": {"holderIdentity": "thief"}}
        await sim.cluster.client.patch(LEASES, LEASE, patch, sim.app.namespace)
        with pytest.raises(LeadershipLost, match="another process"):
            await asyncio.wait_for(task, 30)
        assert holder(sim) == "thief"

    simulated(body)


def test_a_process_that_was_blocked_for_longer_than_30_s_steps_down(process: Make) -> None:
    async def body(sim: Simulation) -> None:
        one = process(sim)
        task = await leading(sim, one)
        beating = asyncio.create_task(one.heartbeat.run())
        await sim.clock.sleep(5)
        # What a blocked loop looks like from inside: everybody wakes up late.
        loop: Any = asyncio.get_running_loop()
        loop._virtual_now += 31
        with pytest.raises(LeadershipLost, match="event loop was blocked for"):
            await asyncio.wait_for(task, 10)
        beating.cancel()

    simulated(body)


def test_an_api_server_that_is_down_makes_a_process_unready_after_60_s_and_leaves_it_alive(process: Make) -> None:
    async def body(sim: Simulation) -> None:
        faults = sim.cluster.server.faults
        silence = faults.add(Silence(), verb="watch")
        one = process(sim, leader_elect=False)
        task = await leading(sim, one)
        beating = asyncio.create_task(one.heartbeat.run())
        await sim.clock.sleep(1)
        faults.remove(silence)
        faults.add(Refuse())
        await sim.clock.sleep(55)
        assert not problems(one.ready())
        await sim.clock.sleep(25)
        assert problems(one.ready()) == ["api-server"]
        assert not problems(one.live())
        faults.clear()
        await sim.clock.sleep(60)
        assert not problems(one.ready())
        beating.cancel()
        one.stop()
        await task

    simulated(body)


def test_a_process_is_not_ready_before_the_canaries_are_listed_and_says_why(process: Make) -> None:
    async def body(sim: Simulation) -> None:
        sim.cluster.server.faults.add(Answer(403, message="canaries is forbidden"), resource="canaries")
        one = process(sim, leader_elect=False)
        task = asyncio.create_task(one.work())
        await sim.clock.sleep(1)
        (check,) = [check for check in one.ready() if check.problem]
        assert check.name == "caches"
        assert "canaries is forbidden" in check.problem
        one.stop()
        await task

    simulated(body)
