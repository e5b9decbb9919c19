"""The holder of a Lease: it renews, it knows by the clock when its term is over, and it minds its own record only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from canary.kube.errors import Unreachable
from canary.kube.lease import LeaseTiming, micro_time
from canary.kube.transport import Response


async def test_the_first_replica_creates_the_lease_and_leads(server, replica):
    first = replica("first")
    await first.led(1)
    assert server.spec | {"renewTime": "", "acquireTime": ""} == {
        "holderIdentity": "first",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": "",
        "renewTime": "",
    }
    assert await first.elector.verify()
    assert first.elector.holder == "first"


async def test_renewing_moves_the_renew_time_and_nothing_else(server, replica):
    first = replica("first")
    await asyncio.sleep(1)
    before = dict(server.spec)
    await asyncio.sleep(600)
    assert first.elector.terms == 1
    assert server.spec["renewTime"] > before["renewTime"]
    assert server.spec | {"renewTime": before["renewTime"]} == before
    assert max(first.wire.timeouts) <= 5


def test_times_in_the_record_are_utc_whatever_the_zone():
    moment = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=-5)))
    assert micro_time(moment) == "2026-01-01T17:00:00.000005Z"


@pytest.mark.parametrize("broken", ["refuse", "hang"])
async def test_a_leader_that_cannot_renew_stops_at_the_deadline(server, replica, broken: str):
    first = replica("first")
    await first.led(1)
    getattr(first.wire, broken)()
    assert await first.lost(20) == pytest.approx(10, abs=0.05)
    await asyncio.sleep(0.1)
    assert len(first.terms) == 1
    first.wire.heal()
    # Nobody else has taken the Lease, so that it is still its own.
    await first.led(8)
    assert server.spec["leaseTransitions"] == 0
    assert first.elector.terms == 2


async def test_a_leader_whose_task_is_stuck_knows_by_the_clock(replica):
    first = replica("first", rate=1.0001)
    await first.led(1)
    first.clock.stall = 1000
    await asyncio.sleep(15)
    assert not first.leads
    assert not await first.elector.verify()
    assert first.terms == []


async def test_an_answer_that_comes_after_the_deadline_does_not_revive_a_term(server, replica, stubborn):
    async def late(execute: Callable[[], Response]) -> Response:
        response = execute()
        await stubborn(6)
        return response

    first = replica("first")
    await first.led(1)
    first.wire.refuse()
    await asyncio.sleep(7)
    first.wire.fault = late
    await first.lost(4)
    while not first.terms:
        assert not first.leads
        await asyncio.sleep(0.05)
    assert any(method == "PUT" and code == 200 for _, method, _, code in server.log)
    first.wire.heal()
    await asyncio.sleep(10)
    await first.stop()


async def test_a_foreign_holder_ends_the_term_at_the_next_renewal(server, replica):
    first = replica("first")
    await first.led(1)
    server.edit(holderIdentity="somebody")
    await first.lost(3)
    await first.led(20)
    assert (server.spec["holderIdentity"], server.spec["leaseTransitions"]) == ("first", 1)


async def test_verifying_sees_a_foreign_holder_at_once(server, replica):
    first = replica("first")
    await first.led(1)
    server.edit(holderIdentity="somebody")
    assert not await first.elector.verify()
    assert not first.leads
    first.wire.refuse()
    with pytest.raises(Unreachable):
        await first.elector.verify()


async def test_edits_of_other_fields_do_not_end_a_term_and_are_kept(server, replica):
    first = replica("first")
    await first.led(1)
    assert server.lease is not None
    server.lease["metadata"]["labels"] = {"team": "ops"}
    server.edit(leaseTransitions=77, strategy="OldestEmulationVersion")
    await asyncio.sleep(30)
    assert first.elector.terms == 1
    assert first.leads
    assert server.lease["metadata"]["labels"] == {"team": "ops"}
    assert (server.spec["leaseTransitions"], server.spec["strategy"]) == (77, "OldestEmulationVersion")


async def test_the_wall_clock_of_the_holder_does_not_matter(server, replica):
    first = replica("first")
    await first.led(1)
    second = replica("second")
    for year in (1999, 2099):
        server.edit(renewTime=f"{year}-01-01T00:00:00.000000Z")
        await asyncio.sleep(60)
        assert first.leads
        assert second.elector.terms == 0


async def test_an_error_of_the_work_comes_out_and_releases_the_lease(server, new_elector):
    async def broken() -> None:
        raise OSError("no disk")

    async def stopped() -> None: ...

    with pytest.raises(ExceptionGroup) as caught:
        await new_elector(server, "only").run(broken, stopped)
    assert caught.group_contains(OSError)
    assert server.spec["holderIdentity"] == ""


@pytest.mark.parametrize("wrong", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_timings_without_room_are_refused(wrong: tuple[float, float, float]):
    with pytest.raises(ValueError, match="renew_deadline"):
        LeaseTiming(*wrong)


def test_an_empty_identity_is_refused(server, new_elector):
    with pytest.raises(ValueError, match="unique"):
        new_elector(server, "")
