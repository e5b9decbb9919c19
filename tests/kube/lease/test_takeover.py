"""When another may lead: after a crash, after edits by hand, after a deletion, after writes of which nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.transport import Response


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def test_after_a_crash_another_leads_within_the_duration_and_two_retries(server, replica):
    first = replica("first")
    await first.led(1)
    second = replica("second")
    await asyncio.sleep(7)
    first.wire.refuse()
    crash = seconds()
    await first.stop()
    assert not first.leads
    await second.led(30)
    assert 12 < seconds() - crash <= 15 + 2 * 2.4
    assert server.spec["leaseTransitions"] == 1
    assert any(isinstance(error, Unreachable) for error in first.errors)


async def test_a_shorter_duration_put_there_by_hand_does_not_shorten_the_wait(server, replica):
    first = replica("first")
    await first.led(1)
    second = replica("second")
    await asyncio.sleep(3)
    first.wire.hang()
    server.edit(leaseDurationSeconds=1)
    while first.leads:
        assert not second.leads
        await asyncio.sleep(0.05)
    await second.led(15)


async def test_a_candidate_does_not_take_a_record_that_names_it_by_hand(server, replica):
    first, second = replica("first"), replica("second")
    await asyncio.sleep(3)
    leader, other = (first, second) if first.leads else (second, first)
    await asyncio.sleep(5)
    leader.wire.hang()
    server.edit(holderIdentity=other.elector.identity)
    while leader.leads:
        assert not other.leads
        await asyncio.sleep(0.05)
    await other.led(20)


async def test_the_leader_of_a_deleted_lease_makes_it_again_and_candidates_wait(server, replica):
    first = replica("first")
    await first.led(1)
    second = replica("second")
    await asyncio.sleep(20)
    server.lease = None
    await asyncio.sleep(30)
    assert first.leads
    assert (first.elector.terms, second.elector.terms) == (1, 0)
    server.lease = None
    first.wire.hang()
    while first.leads:
        assert not second.leads
        await asyncio.sleep(0.05)
    await second.led(30)


async def test_a_longer_duration_in_the_record_is_respected(server, replica):
    server.store({"metadata": {"name": "canary"}, "spec": {"holderIdentity": "old", "leaseDurationSeconds": 60}})
    new = replica("new")
    await asyncio.sleep(58)
    assert not new.leads
    await new.led(6)


async def test_a_lease_that_nobody_ever_held_is_taken_at_once(server, replica):
    server.store({"metadata": {"name": "canary"}})
    await replica("new").led(1)


def once_after(method: str, replica: Any, then: Callable[[], Awaitable[None]]) -> Any:
    """Answers; but after the first successful `method`, `then` happens in place of the answer."""

    async def fault(execute: Callable[[], Response]) -> Response:
        response = execute()
        if replica.wire.server.log[-1][1] == method and response.status < 300:
            replica.wire.heal()
            await then()
        return response

    return fault


async def cut_off() -> None:
    raise Ambiguous("cut off")


async def test_an_ambiguous_takeover_is_settled_by_reading(server, replica):
    server.store({"metadata": {"name": "canary"}})
    only = replica("first")
    only.wire.fault = once_after("PUT", only, cut_off)
    await only.led(5)
    assert server.spec["leaseTransitions"] == 0


async def test_an_ambiguous_creation_is_waited_for(server, replica):
    only = replica("first")
    only.wire.fault = once_after("POST", only, cut_off)
    assert await only.led(20) > 15
    assert server.spec["leaseTransitions"] == 0


async def test_a_creation_that_lands_after_others_led_takes_nothing_from_them(server, replica):
    delayed: list[Callable[[], Response]] = []

    async def under_way(execute: Callable[[], Response]) -> Response:
        if server.lease is not None:
            return execute()
        if execute().status == 404:
            return server.refusal(404, "NotFound")
        # The request is still on its way: undo what it did.
        server.lease = None
        delayed.append(execute)
        raise Ambiguous("still under way")

    late = replica("late")
    late.wire.fault = under_way
    await asyncio.sleep(1)
    assert delayed
    leader = replica("leader")
    await leader.led(5)
    late.wire.heal()
    await asyncio.sleep(30)
    assert leader.leads
    leader.wire.hang()
    server.lease = None
    assert delayed[0]().status == 201
    while leader.leads:
        assert not late.leads
        await asyncio.sleep(0.05)
    await late.led(20)


async def test_a_candidate_that_missed_a_whole_term_takes_nothing_by_creating(server, replica):
    server.store({"metadata": {"name": "canary"}, "spec": {"holderIdentity": "gone", "leaseDurationSeconds": 15}})
    blind = replica("blind")
    await asyncio.sleep(1)
    server.lease = None
    await asyncio.sleep(5)
    # It has seen that there is no Lease; now it sees nothing of another's term, and then that there is none again.
    blind.wire.refuse()
    leader = replica("leader")
    await leader.led(5)
    await asyncio.sleep(30)
    leader.wire.hang()
    server.lease = None
    blind.wire.heal()
    while leader.leads:
        assert not blind.leads
        await asyncio.sleep(0.05)
    await blind.led(40)
