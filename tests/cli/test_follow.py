"""Following Canaries over lists and watches that break."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, asynccontextmanager

import pytest

from canary.cli.canaries import CANARIES
from canary.kube.errors import Forbidden, Gone, Unreachable
from canary.sandbox.apiserver.direct import DirectTransport


class _Broken(DirectTransport):
    """The watches fail as told, one after the other; afterwards all is well."""

    def __init__(self, server, *faults):
        super().__init__(server)
        self._faults = list(faults)
        self.lists = 0

    async def request(self, method, path, **options):
        self.lists += method == "GET"
        return await super().request(method, path, **options)

    def stream(self, path, **options):
        fault = self._faults.pop(0) if self._faults else None
        return super().stream(path, **options) if fault is None else self._failing(fault)

    @asynccontextmanager
    async def _failing(self, fault):
        if isinstance(fault, Exception):
            raise fault

        async def lines():
            yield fault

        yield lines()


EXPIRED = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}).encode()


async def seen(world, transport, *, seconds=60.0, name=""):
    """What a follower says until `seconds` are over."""
    told = []

    async def follow():
        follower = world.session(transport=transport).follower("shop", name)
        async with aclosing(follower.changes()) as batches:
            async for batch in batches:
                told.extend((c.view.metadata.name, c.view.status.canary_weight, c.deleted) for c in batch)

    task = asyncio.create_task(follow())
    await asyncio.wait({task}, timeout=seconds)
    task.cancel()
    ended = await asyncio.gather(task, return_exceptions=True)
    if isinstance(ended[0], Exception):
        raise ended[0]
    return told


async def _change(world, status):
    await asyncio.sleep(0.1)
    await world.report(status(canaryWeight=100))
    await world.cluster.client.delete(CANARIES, "api", "shop")


@pytest.mark.parametrize("fault", [EXPIRED, b"no json", b'{"type": "ADDED"}', Gone(410, "Expired", "too old")])
def test_a_watch_that_cannot_go_on_is_replaced_by_a_list_that_tells_the_difference(in_world, status, fault):
    async def test(world):
        await world.create()
        await world.create(name="api")
        transport = _Broken(world.cluster.server, fault)
        told, _ = await asyncio.gather(seen(world, transport), _change(world, status))
        return told, transport.lists

    told, lists = in_world(test)
    assert told[:2] == [("api", 25, False), ("podinfo", 25, False)]
    assert sorted(told[2:]) == [("api", 25, True), ("podinfo", 100, False)]
    assert lists == 2


def test_a_connection_that_broke_goes_on_without_a_list(in_world, status):
    async def test(world):
        await world.create()
        await world.create(name="api")
        transport = _Broken(world.cluster.server, Unreachable("reset"), Unreachable("reset"))
        told, _ = await asyncio.gather(seen(world, transport), _change(world, status))
        return told[2:], transport.lists, world.err.getvalue()

    assert in_world(test) == (
        [("podinfo", 100, False), ("api", 25, True)],
        1,
        "connection lost, trying again: reset\n",
    )


def test_rights_that_are_taken_away_end_it(in_world):
    async def test(world):
        await world.create()
        with pytest.raises(Forbidden):
            await seen(world, _Broken(world.cluster.server, Forbidden(403, "Forbidden", "no longer")))

    in_world(test)


def test_only_the_one_that_is_asked_for_is_followed(in_world, status):
    async def test(world):
        await world.create()
        await world.create(name="api")
        told, _ = await asyncio.gather(
            seen(world, DirectTransport(world.cluster.server), name="podinfo"), _change(world, status)
        )
        return told

    assert in_world(test) == [("podinfo", 25, False), ("podinfo", 100, False)]


def test_a_watch_that_the_server_ends_is_opened_again(in_world, status):
    async def test(world):
        await world.create()
        await world.create(name="api")

        async def late():
            await asyncio.sleep(900)
            await _change(world, status)

        transport = _Broken(world.cluster.server)
        told, _ = await asyncio.gather(seen(world, transport, seconds=1000), late())
        return told[2:], transport.lists

    assert in_world(test) == ([("podinfo", 100, False), ("api", 25, True)], 1)
