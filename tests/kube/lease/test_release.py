"""What a replica that stops leaves behind: the Lease is free as soon as its work has ended, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from canary.kube.transport import Response


def seconds() -> float:
    return asyncio.get_running_loop().time()


async def test_a_clean_shutdown_hands_over_within_three_seconds(new_lease_server, new_replica):
    for seed in range(20):
        server = new_lease_server()
        first = new_replica(server, "first", seed=seed)
        await first.led(1)
        second = new_replica(server, "second", seed=seed)
        await asyncio.sleep(5 + seed / 10)
        start = seconds()
        await first.stop()
        assert not first.leads
        assert server.spec["holderIdentity"] == "" or second.leads
        await second.led(5)
        assert seconds() - start <= 3
        assert (server.spec["leaseTransitions"], server.spec["leaseDurationSeconds"]) == (1, 15)
        writes = [spec for _, method, spec, _ in server.log if method == "PUT" and spec]
        assert {"holderIdentity": "", "leaseDurationSeconds": 1}.items() <= next(
            spec for spec in writes if not spec["holderIdentity"]
        ).items()
        await second.stop()


async def test_a_release_is_not_sent_while_leading(server, replica):
    async def watched(execute: Callable[[], Response]) -> Response:
        response = execute()
        released.append(server.spec["holderIdentity"] == "")
        assert not (released[-1] and first.leads)
        return response

    released: list[bool] = []
    first = replica("first")
    await first.led(1)
    first.wire.fault = watched
    await first.stop()
    assert released[-1]
    assert first.errors == []


async def test_a_release_that_meets_an_edit_is_tried_again(server, replica):
    async def edited_after_read(execute: Callable[[], Response]) -> Response:
        response = execute()
        if server.version < 3:
            server.edit(strategy="edited")
        return response

    first = replica("first")
    await first.led(1)
    first.wire.fault = edited_after_read
    await first.stop()
    assert (server.spec["strategy"], server.spec["holderIdentity"]) == ("edited", "")


async def test_a_release_never_frees_the_lease_of_another(server, replica):
    first = replica("first")
    await first.led(1)
    server.edit(holderIdentity="second")
    before = server.version
    await first.stop()
    assert server.version == before


async def test_the_work_is_stopped_before_the_lease_is_released(server, replica, new_elector):
    order: list[str] = []

    async def started() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            order.append("work ended")

    async def stopped() -> None:
        await asyncio.sleep(1)
        order.append(f"stopped while held by {server.spec['holderIdentity']}")

    await replica("first").stop()
    second = new_elector(server, "second")
    task = asyncio.ensure_future(second.run(started, stopped))
    await asyncio.sleep(20)
    assert second.is_leader
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == ["work ended", "stopped while held by second"]
    assert server.spec["holderIdentity"] == ""


async def test_a_lease_taken_by_an_answer_that_never_came_is_released_too(server, replica):
    async def unanswered(execute: Callable[[], Response]) -> Response:
        response = execute()
        if server.log[-1][1] == "PUT":
            only.wire.heal()
            await asyncio.sleep(1000)
        return response

    server.store({"metadata": {"name": "canary"}})
    only = replica("first")
    only.wire.fault = unanswered
    await asyncio.sleep(1)
    await only.stop()
    assert server.spec["holderIdentity"] == ""
