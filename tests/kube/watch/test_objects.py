"""What a reflector makes of single objects: repeated, made anew, unreadable, of another namespace or selection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from canary.api.kinds import Service
from canary.kube.store import Store
from canary.kube.watch import Watching
from canary.sandbox.virtual_time import run_virtual

Play = Callable[..., Any]


def test_an_event_that_comes_twice_is_told_once(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.put("shop", "c")
        bench.server.again()
        bench.server.delete("shop", "a")
        bench.server.again()
        await asyncio.sleep(1)

    assert [(key[1], old, new) for key, old, new in play(scenario).told[2:]] == [
        ("c", None, "uid-103"),
        ("a", "uid-101", None),
    ]


def test_the_late_deletion_of_a_namesake_is_ignored(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.raw(
            b'{"type":"DELETED","object":{"metadata":{"namespace":"shop","name":"a","uid":"older","resourceVersion":"9"}}}'
        )
        await asyncio.sleep(1)
        assert bench.names() == {"a", "b"}

    play(scenario)


def test_a_recreated_object_is_told_as_removed_and_added(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.cut()
        bench.server.delete("shop", "a")
        bench.server.put("shop", "a")
        bench.server.compact()
        await asyncio.sleep(3)

    told = play(scenario).told
    assert told[-2:] == [(("shop", "a"), "uid-101", None), (("shop", "a"), None, "uid-104")]


def test_an_unreadable_object_in_a_list_is_reported_and_skipped(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        assert bench.names() == {"a", "b"}
        assert isinstance(bench.state, Watching)

    bench = play(scenario, lambda server: server.put("shop", "odd", spec=[1]))
    assert "services shop/odd" in str(bench.errors[0])


def test_an_unreadable_event_is_reported_and_the_last_readable_version_stays(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.put("shop", "a", spec=[1])
        await asyncio.sleep(1)
        assert bench.names() == {"a", "b"}
        assert bench.state == Watching("103")
        assert "services shop/a" in str(bench.errors[0])
        bench.server.compact()
        bench.server.error(410)
        await asyncio.sleep(3)
        assert bench.names() == {"a", "b"}
        bench.server.delete("shop", "a")
        await asyncio.sleep(1)
        assert bench.names() == {"b"}

    play(scenario)


def test_an_unreadable_object_takes_the_place_of_its_older_namesake(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        bench.server.delete("shop", "a")
        bench.server.put("shop", "a", spec=[1])
        await asyncio.sleep(1)
        assert bench.names() == {"b"}

    play(scenario)


def test_an_object_that_leaves_the_selection_is_gone_and_may_return(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        assert bench.names() == set()
        for tier, names in (("web", {"a"}), ("db", set()), ("web", {"a"})):
            bench.server.put("shop", "a", labels={"tier": tier})
            await asyncio.sleep(1)
            assert bench.names() == names

    bench = play(scenario, label_selector="tier=web")
    assert bench.lists()[0]["labelSelector"] == bench.watches()[0]["labelSelector"] == "tier=web"


def test_one_namespace_is_watched_by_its_path(play: Play) -> None:
    async def scenario(bench: Any) -> None:
        assert bench.names() == {"x"}

    bench = play(scenario, lambda server: server.put("other", "x"), namespace="other")
    assert {path for _, path, _ in bench.server.requests} == {"/api/v1/namespaces/other/services"}


def test_two_namespaces_feed_one_store_and_remove_only_their_own(new_server: type, new_bench: Play) -> None:
    async def main() -> None:
        server = new_server()
        server.put("one", "a")
        server.put("two", "b")
        store: Store[Service] = Store()
        one, two = new_bench(server, store=store, namespace="one"), new_bench(server, store=store, namespace="two")
        async with one.running():
            assert not store.synced
            async with two.running():
                assert store.synced
                server.delete("two", "b")
                server.put("two", "c")
                server.compact()
                server.error(410)
                await asyncio.sleep(5)
                assert set(store.keys()) == {("one", "a"), ("two", "c")}

    run_virtual(main())
