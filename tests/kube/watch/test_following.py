"""How a reflector lists, watches, and goes on where it was."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from canary.kube.errors import Unreachable
from canary.kube.watch import Listed, Watching
from canary.sandbox.virtual_time import run_virtual

Play = Callable[..., Any]


def test_it_lists_then_watches_from_the_version_of_the_list(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        assert bench.names() == {"a", "b"}
        assert bench.state == Watching("102")

    bench = play(scenario)
    assert bench.lists() == [{"limit": "500"}]
    watch = bench.watches()[0]
    assert watch["resourceVersion"] == "102"
    assert watch["allowWatchBookmarks"] == "true"
    assert 265 <= int(watch["timeoutSeconds"]) <= 315


def test_events_change_the_store_and_move_the_version_on(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.put("shop", "c")
        bench.server.put("shop", "a", spec={"clusterIP": "10.0.0.9"})
        bench.server.delete("shop", "b")
        await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert bench.names() == {"a", "c"}
        a = bench.store.get("shop", "a")
        assert a is not None
        assert a.spec.cluster_ip == "10.0.0.9"
        assert bench.state == Watching("105")

    play(scenario)


def test_a_bookmark_moves_the_version_on_and_changes_nothing(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.version = 900
        told = len(bench.told)
        bench.server.bookmark()
        await asyncio.sleep(0.1)
        assert bench.state == Watching("900")
        assert len(bench.told) == told

    play(scenario)


@pytest.mark.parametrize("error", [None, Unreachable("reset")])
def test_an_ended_stream_is_resumed_from_the_last_version(play: Play, error: Exception | None) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.put("shop", "c")
        await asyncio.sleep(20)
        bench.server.cut(error)
        bench.server.put("shop", "d")
        await asyncio.sleep(2)
        assert bench.names() == {"a", "b", "c", "d"}

    bench = play(scenario)
    assert len(bench.lists()) == 1
    assert [watch["resourceVersion"] for watch in bench.watches()] == ["102", "103"]


def test_a_stream_that_ends_in_its_time_is_opened_again_at_once(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        for _ in range(12):
            await asyncio.sleep(60)
            bench.server.bookmark()
        assert bench.errors == []

    bench = play(scenario)
    assert len(bench.watches()) == 3
    assert len(bench.lists()) == 1
    lifetimes = [float(watch["timeoutSeconds"]) for watch in bench.watches()]
    assert len(set(lifetimes)) > 1, "lifetimes are jittered, so that not all watches end at once"


def test_an_event_of_an_unknown_type_is_passed_over(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.raw(b'{"type":"NEWS","object":{"metadata":{"resourceVersion":"7"}}}')
        bench.server.raw(b'{"type":"NEWS","object":{"metadata":{"resourceVersion":"7"},"spec":[]}}')
        await asyncio.sleep(1)
        assert bench.state == Watching("102")

    assert play(scenario).errors == []


def test_a_cancelled_reflector_goes_on_where_it_was(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        await asyncio.sleep(1)

    async def again(bench: Any) -> None:
        async with bench.running():
            assert bench.state == Watching("102")
        assert bench.state == Listed("102")
        assert bench.server.streams == []

    bench = play(scenario)
    run_virtual(again(bench))
    assert len(bench.lists()) == 1


def test_the_last_sign_of_life_is_kept(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        await asyncio.sleep(29)
        bench.server.bookmark()
        await asyncio.sleep(20)
        assert bench.reflector.heard_at == pytest.approx(30, abs=0.1)

    play(scenario)
