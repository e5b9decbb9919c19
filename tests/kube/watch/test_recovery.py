"""How a reflector recovers and reports, one fault at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from canary.kube.codec import Undecodable
from canary.kube.errors import Forbidden, KubeError, NotFound, Throttled, Unreachable, error_for
from canary.kube.transport import Response
from canary.kube.watch import Empty, Listed, Listing, Watching

Play = Callable[..., Any]


def test_410_in_an_event_lists_again_and_tells_of_what_vanished(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        streams, bench.server.streams = bench.server.streams, []
        bench.server.delete("shop", "b")
        bench.server.streams = streams
        bench.server.compact()
        bench.server.error(410)
        await asyncio.sleep(2)
        assert bench.names() == {"a"}
        assert bench.told[-1] == (("shop", "b"), "uid-102", None)

    bench = play(scenario)
    assert bench.lists() == [{"limit": "500"}] * 2, "no resourceVersion, so that the list is consistent"
    assert len(bench.syncs) == 1


def test_410_as_a_status_lists_again(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.cut()
        bench.server.delete("shop", "b")
        bench.server.compact()
        await asyncio.sleep(3)
        assert bench.names() == {"a"}
        assert isinstance(bench.state, Watching)

    assert len(play(scenario).lists()) == 2


@pytest.mark.parametrize("code", [500, 504, 429, 403, 0])
def test_any_error_event_lists_again(play: Play, code: int) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.error(code, "InternalError")
        await asyncio.sleep(3)
        assert isinstance(bench.state, Watching)

    assert len(play(scenario).lists()) == 2


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"null", b'{"type":"ADDED"}', b'{"type":"MODIFIED","object":7}', b"\xff"]
)
def test_a_line_that_is_no_event_lists_again(play: Play, line: bytes) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.raw(line)
        await asyncio.sleep(3)
        assert isinstance(bench.state, Watching)
        assert isinstance(bench.errors[0], Undecodable)

    assert len(play(scenario).lists()) == 2


def test_silence_is_noticed_within_seventy_seconds(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.streams.clear()  # half open: nothing comes, nothing ends
        bench.server.put("shop", "c")
        await asyncio.sleep(69)
        assert "c" in bench.names()

    play(scenario)


@pytest.mark.parametrize(("code", "error"), [(403, Forbidden), (404, NotFound)])
def test_a_list_that_is_refused_is_tried_until_it_works(play: Play, code: int, error: type[KubeError]) -> None:
    async def scenario(bench: Any) -> None:
        assert isinstance(bench.reflector.last_error, error)
        assert bench.state == Empty()
        assert not bench.store.synced
        await asyncio.sleep(300)
        assert bench.store.synced
        assert bench.reflector.last_error is None

    bench = play(scenario, lambda server: server.faults.extend([Response(code, b"{}")] * 6))
    times = [time for time, _, query in bench.server.requests if "watch" not in query]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses == sorted(pauses)
    assert pauses[0] < 1.7
    assert pauses[-1] <= 31


def test_a_resource_that_vanishes_is_listed_anew_when_it_is_back(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        await asyncio.sleep(20)
        bench.server.faults.append(Response(404, b"{}"))
        bench.server.cut()
        await asyncio.sleep(5)
        assert isinstance(bench.state, Watching)

    assert len(play(scenario).lists()) == 2


def test_a_watch_that_is_forbidden_for_a_while_goes_on_where_it_was(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        await asyncio.sleep(20)
        bench.server.faults.extend([Response(403, b"{}")] * 2)
        bench.server.cut()
        await asyncio.sleep(0.5)
        assert isinstance(bench.reflector.last_error, Forbidden)
        assert bench.state == Listed("102")
        await asyncio.sleep(10)
        assert bench.state == Watching("102")

    assert len(play(scenario).lists()) == 1


@pytest.mark.parametrize(
    "body", [b'{"details":{"causes":[{"reason":"ResourceVersionTooLarge"}]},"reason":"Timeout"}', b"{}"]
)
def test_a_version_from_the_future_lists_again(play: Play, body: bytes) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.faults.append(Response(504, body))
        bench.server.cut()
        await asyncio.sleep(5)

    assert len(play(scenario).lists()) == (2 if b"causes" in body else 1)


def test_a_server_that_closes_every_stream_at_once_is_not_hammered(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        end = bench.clock.monotonic() + 120
        while bench.clock.monotonic() < end:
            bench.server.cut()
            await asyncio.sleep(0.05)

    assert len(play(scenario).watches()) <= 12


def test_retry_after_is_waited_for(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        await asyncio.sleep(20)
        bench.server.faults.append(error_for(429, b"{}", retry_after=25.0))
        bench.server.cut()
        await asyncio.sleep(24)
        assert isinstance(bench.reflector.last_error, Throttled)
        await asyncio.sleep(2)
        assert bench.reflector.last_error is None

    play(scenario)


def test_failures_are_forgotten_after_ten_good_seconds(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        for _ in range(8):
            bench.server.cut(Unreachable("reset"))
            await asyncio.sleep(12)
            assert isinstance(bench.state, Watching)

    play(scenario)


def test_pages_are_counted_and_a_list_that_expires_midway_is_read_in_one_piece(play: Play) -> None:
    def many(server: Any) -> None:
        for n in range(1200):
            server.put("shop", f"s{n}")

    async def scenario(bench: Any) -> None:
        assert len(bench.store) == 1202
        bench.server.error(410)
        pages: list[Any] = []
        for _ in range(200):
            await asyncio.sleep(0.005)
            pages += [bench.state] if bench.state not in pages else []
            if bench.state == Listing(1):
                bench.server.compact()
        assert pages[:3] == [Empty(), Listing(0), Listing(1)]
        await asyncio.sleep(5)
        assert isinstance(bench.state, Watching)
        assert "limit" not in bench.lists()[-1]

    play(scenario, many)
