"""How a reflector lists, watches, recovers and reports, one fault at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from canary.api.kinds import Service
from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.codec import Undecodable
from canary.kube.errors import Forbidden, KubeError, NotFound, Throttled, Unreachable, error_for
from canary.kube.resources import SERVICES
from canary.kube.store import Key, Store
from canary.kube.transport import Response
from canary.kube.watch import Empty, Listed, Listing, Reflector, Watching
from canary.sandbox.virtual_time import run_virtual

Server = Any


class Bench:
    """A reflector at work on a server, and what it told."""

    def __init__(self, server: Server, **options: Any) -> None:
        self.server = server
        self.clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.store: Store[Service] = options.pop("store") if "store" in options else Store()
        self.errors: list[KubeError] = []
        self.syncs: list[float] = []
        self.told: list[tuple[Key, str | None, str | None]] = []
        rng = random.Random(options.pop("seed", 0))
        self.reflector = Reflector(
            Client(server, clock=self.clock, rng=rng),
            SERVICES,
            Service,
            self.store,
            clock=self.clock,
            rng=rng,
            on_error=self.errors.append,
            on_sync=lambda: self.syncs.append(self.clock.monotonic()),
            **options,
        )
        self.store.subscribe(self._tell)

    def _tell(self, key: Key, old: Service | None, new: Service | None) -> None:
        self.told.append((key, old and old.metadata.uid, new and new.metadata.uid))

    @property
    def state(self) -> Any:
        return self.reflector.state

    def names(self) -> set[str]:
        return {obj.metadata.name for obj in self.store}

    def lists(self) -> list[dict[str, str]]:
        return [query for _, _, query in self.server.requests if "watch" not in query]

    def watches(self) -> list[dict[str, str]]:
        return [query for _, _, query in self.server.requests if "watch" in query]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            await asyncio.sleep(1)
            yield
            assert not task.done(), "a reflector ends by cancellation only"
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task


Scenario = Callable[[Bench], Awaitable[None]]


@pytest.fixture
def play(new_server: type) -> Callable[..., Bench]:
    """Runs a scenario against a server with Services a and b, after one second of watching."""

    def run(scenario: Scenario, before: Callable[[Server], None] | None = None, **options: Any) -> Bench:
        async def main() -> Bench:
            server = new_server()
            server.put("shop", "a")
            server.put("shop", "b")
            if before is not None:
                before(server)
            bench = Bench(server, **options)
            async with bench.running():
                await scenario(bench)
            return bench

        return run_virtual(main())

    return run


def test_it_lists_then_watches_from_the_version_of_the_list(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        assert bench.names() == {"a", "b"}
        assert bench.state == Watching("102")

    bench = play(scenario)
    assert bench.lists() == [{"limit": "500"}]
    watch = bench.watches()[0]
    assert watch["resourceVersion"] == "102"
    assert watch["allowWatchBookmarks"] == "true"
    assert 265 <= int(watch["timeoutSeconds"]) <= 315


def test_events_change_the_store_and_move_the_version_on(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
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


def test_a_bookmark_moves_the_version_on_and_changes_nothing(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.version = 900
        told = len(bench.told)
        bench.server.bookmark()
        await asyncio.sleep(0.1)
        assert bench.state == Watching("900")
        assert len(bench.told) == told

    play(scenario)


@pytest.mark.parametrize("error", [None, Unreachable("reset")])
def test_an_ended_stream_is_resumed_from_the_last_version(play: Callable[..., Bench], error: Exception | None) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.put("shop", "c")
        await asyncio.sleep(20)
        bench.server.cut(error)
        bench.server.put("shop", "d")
        await asyncio.sleep(2)
        assert bench.names() == {"a", "b", "c", "d"}

    bench = play(scenario)
    assert len(bench.lists()) == 1
    assert [watch["resourceVersion"] for watch in bench.watches()] == ["102", "103"]


def test_a_stream_that_ends_in_its_time_is_opened_again_at_once(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(12):
            await asyncio.sleep(60)
            bench.server.bookmark()
        assert bench.errors == []

    bench = play(scenario)
    assert len(bench.watches()) == 3
    assert len(bench.lists()) == 1
    lifetimes = [float(watch["timeoutSeconds"]) for watch in bench.watches()]
    assert len(set(lifetimes)) > 1, "lifetimes are jittered, so that not all watches end at once"


def test_410_in_an_event_lists_again_and_tells_of_what_vanished(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
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


def test_410_as_a_status_lists_again(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.cut()
        bench.server.delete("shop", "b")
        bench.server.compact()
        await asyncio.sleep(3)
        assert bench.names() == {"a"}
        assert isinstance(bench.state, Watching)

    assert len(play(scenario).lists()) == 2


@pytest.mark.parametrize("code", [500, 504, 429, 403, 0])
def test_any_error_event_lists_again(play: Callable[..., Bench], code: int) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.error(code, "InternalError")
        await asyncio.sleep(3)
        assert isinstance(bench.state, Watching)

    assert len(play(scenario).lists()) == 2


@pytest.mark.parametrize(
    "line", [b"{", b"[]", b"null", b'{"type":"ADDED"}', b'{"type":"MODIFIED","object":7}', b"\xff"]
)
def test_a_line_that_is_no_event_lists_again(play: Callable[..., Bench], line: bytes) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.raw(line)
        await asyncio.sleep(3)
        assert isinstance(bench.state, Watching)
        assert isinstance(bench.errors[0], Undecodable)

    assert len(play(scenario).lists()) == 2


def test_an_event_of_an_unknown_type_is_passed_over(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.raw(b'{"type":"NEWS","object":{"metadata":{"resourceVersion":"7"}}}')
        bench.server.raw(b'{"type":"NEWS","object":{"metadata":{"resourceVersion":"7"},"spec":[]}}')
        await asyncio.sleep(1)
        assert bench.state == Watching("102")

    assert play(scenario).errors == []


def test_silence_is_noticed_within_seventy_seconds(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.streams.clear()  # half open: nothing comes, nothing ends
        bench.server.put("shop", "c")
        await asyncio.sleep(69)
        assert "c" in bench.names()

    play(scenario)


def test_an_event_that_comes_twice_is_told_once(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.put("shop", "c")
        bench.server.again()
        bench.server.delete("shop", "a")
        bench.server.again()
        await asyncio.sleep(1)

    assert [(key[1], old, new) for key, old, new in play(scenario).told[2:]] == [
        ("c", None, "uid-103"),
        ("a", "uid-101", None),
    ]


def test_the_late_deletion_of_a_namesake_is_ignored(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.raw(
            b'{"type":"DELETED","object":{"metadata":{"namespace":"shop","name":"a","uid":"older","resourceVersion":"9"}}}'
        )
        await asyncio.sleep(1)
        assert bench.names() == {"a", "b"}

    play(scenario)


def test_a_recreated_object_is_told_as_removed_and_added(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.cut()
        bench.server.delete("shop", "a")
        bench.server.put("shop", "a")
        bench.server.compact()
        await asyncio.sleep(3)

    told = play(scenario).told
    assert told[-2:] == [(("shop", "a"), "uid-101", None), (("shop", "a"), None, "uid-104")]


def test_an_unreadable_object_in_a_list_is_reported_and_skipped(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        assert bench.names() == {"a", "b"}
        assert isinstance(bench.state, Watching)

    bench = play(scenario, lambda server: server.put("shop", "odd", spec=[1]))
    assert "services shop/odd" in str(bench.errors[0])


def test_an_unreadable_event_is_reported_and_the_last_readable_version_stays(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
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


def test_an_unreadable_object_takes_the_place_of_its_older_namesake(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.delete("shop", "a")
        bench.server.put("shop", "a", spec=[1])
        await asyncio.sleep(1)
        assert bench.names() == {"b"}

    play(scenario)


@pytest.mark.parametrize(("code", "error"), [(403, Forbidden), (404, NotFound)])
def test_a_list_that_is_refused_is_tried_until_it_works(
    play: Callable[..., Bench], code: int, error: type[KubeError]
) -> None:
    async def scenario(bench: Bench) -> None:
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


def test_a_resource_that_vanishes_is_listed_anew_when_it_is_back(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        await asyncio.sleep(20)
        bench.server.faults.append(Response(404, b"{}"))
        bench.server.cut()
        await asyncio.sleep(5)
        assert isinstance(bench.state, Watching)

    assert len(play(scenario).lists()) == 2


def test_a_watch_that_is_forbidden_for_a_while_goes_on_where_it_was(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
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
def test_a_version_from_the_future_lists_again(play: Callable[..., Bench], body: bytes) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.faults.append(Response(504, body))
        bench.server.cut()
        await asyncio.sleep(5)

    assert len(play(scenario).lists()) == (2 if b"causes" in body else 1)


def test_a_server_that_closes_every_stream_at_once_is_not_hammered(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        end = bench.clock.monotonic() + 120
        while bench.clock.monotonic() < end:
            bench.server.cut()
            await asyncio.sleep(0.05)

    assert len(play(scenario).watches()) <= 12


def test_retry_after_is_waited_for(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        await asyncio.sleep(20)
        bench.server.faults.append(error_for(429, b"{}", retry_after=25.0))
        bench.server.cut()
        await asyncio.sleep(24)
        assert isinstance(bench.reflector.last_error, Throttled)
        await asyncio.sleep(2)
        assert bench.reflector.last_error is None

    play(scenario)


def test_failures_are_forgotten_after_ten_good_seconds(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(8):
            bench.server.cut(Unreachable("reset"))
            await asyncio.sleep(12)
            assert isinstance(bench.state, Watching)

    play(scenario)


def test_pages_are_counted_and_a_list_that_expires_midway_is_read_in_one_piece(play: Callable[..., Bench]) -> None:
    def many(server: Server) -> None:
        for n in range(1200):
            server.put("shop", f"s{n}")

    async def scenario(bench: Bench) -> None:
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


def test_an_object_that_leaves_the_selection_is_gone_and_may_return(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        assert bench.names() == set()
        for tier, names in (("web", {"a"}), ("db", set()), ("web", {"a"})):
            bench.server.put("shop", "a", labels={"tier": tier})
            await asyncio.sleep(1)
            assert bench.names() == names

    bench = play(scenario, label_selector="tier=web")
    assert bench.lists()[0]["labelSelector"] == bench.watches()[0]["labelSelector"] == "tier=web"


def test_one_namespace_is_watched_by_its_path(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        assert bench.names() == {"x"}

    bench = play(scenario, lambda server: server.put("other", "x"), namespace="other")
    assert {path for _, path, _ in bench.server.requests} == {"/api/v1/namespaces/other/services"}


def test_two_namespaces_feed_one_store_and_remove_only_their_own(new_server: type) -> None:
    async def main() -> None:
        server = new_server()
        server.put("one", "a")
        server.put("two", "b")
        store: Store[Service] = Store()
        one, two = Bench(server, store=store, namespace="one"), Bench(server, store=store, namespace="two")
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


def test_a_cancelled_reflector_goes_on_where_it_was(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        await asyncio.sleep(1)

    async def again(bench: Bench) -> None:
        async with bench.running():
            assert bench.state == Watching("102")
        assert bench.state == Listed("102")
        assert bench.server.streams == []

    bench = play(scenario)
    run_virtual(again(bench))
    assert len(bench.lists()) == 1


def test_the_last_sign_of_life_is_kept(play: Callable[..., Bench]) -> None:
    async def scenario(bench: Bench) -> None:
        await asyncio.sleep(29)
        bench.server.bookmark()
        await asyncio.sleep(20)
        assert bench.reflector.heard_at == pytest.approx(30, abs=0.1)

    play(scenario)
