"""The store by itself: keys, indexes, handlers, sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from canary.api.kinds import Service, ServiceSpec
from canary.api.meta import ObjectMeta
from canary.kube.store import Key, Store
from canary.sandbox.virtual_time import run_virtual

Told = list[tuple[Key, Service | None, Service | None]]


def service(name: str, version: int = 1, *, uid: str = "", ip: str = "", namespace: str = "shop") -> Service:
    meta = ObjectMeta(name=name, namespace=namespace, uid=uid or f"uid-{name}", resource_version=str(version))
    return Service(metadata=meta, spec=ServiceSpec(cluster_ip=ip))


def by_ip() -> Store[Service]:
    return Store({"ip": lambda obj: [obj.spec.cluster_ip] if obj.spec.cluster_ip else []})


def recorded(store: Store[Service]) -> Told:
    told: Told = []
    store.subscribe(lambda key, old, new: told.append((key, old, new)))
    return told


def test_objects_are_found_by_namespace_and_name() -> None:
    store: Store[Service] = Store()
    web = service("web")
    store.source().put(web)
    assert store.get("shop", "web") is web
    assert store.get("other", "web") is None
    assert ("shop", "web") in store
    assert (len(store), list(store), list(store.keys())) == (1, [web], [("shop", "web")])


def test_an_index_follows_its_objects() -> None:
    store = by_ip()
    source = store.source()
    source.put(service("a", ip="1"))
    source.put(service("b", ip="1"))
    source.put(service("a", 2, ip="2"))
    assert [obj.metadata.name for obj in store.indexed("ip", "1")] == ["b"]
    assert [obj.metadata.resource_version for obj in store.indexed("ip", "2")] == ["2"]
    source.put(service("a", 3, ip="2"))
    assert [obj.metadata.resource_version for obj in store.indexed("ip", "2")] == ["3"]
    source.remove(("shop", "a"), "uid-a")
    assert list(store.indexed("ip", "2")) == []


def test_an_index_that_was_not_declared_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        by_ip().indexed("port", 1)


def test_handlers_see_the_store_after_the_change() -> None:
    store = by_ip()
    seen: list[tuple[int, int]] = []
    store.subscribe(lambda key, old, new: seen.append((len(store), len(store.indexed("ip", "1")))))
    source = store.source()
    source.replace([service("a", ip="1"), service("b", ip="1")])
    source.replace([])
    assert seen == [(2, 2), (2, 2), (0, 0), (0, 0)]


def test_the_same_version_is_told_once() -> None:
    store: Store[Service] = Store()
    told = recorded(store)
    source = store.source()
    source.put(service("a"))
    source.put(service("a"))
    source.replace([service("a")])
    assert len(told) == 1


def test_another_uid_is_told_as_a_removal_and_an_addition_even_with_the_same_version() -> None:
    store: Store[Service] = Store()
    told = recorded(store)
    source = store.source()
    old, new = service("a", uid="x"), service("a", uid="y")
    source.put(old)
    source.put(new)
    assert told[1:] == [(("shop", "a"), old, None), (("shop", "a"), None, new)]
    source.remove(("shop", "a"), "x")
    assert store.get("shop", "a") is new


def test_a_late_subscriber_hears_of_what_is_there_and_may_leave() -> None:
    store: Store[Service] = Store()
    source = store.source()
    source.put(service("a"))
    told: Told = []
    leave = store.subscribe(lambda key, old, new: told.append((key, old, new)))
    assert told == [(("shop", "a"), None, service("a"))]
    leave()
    source.put(service("b"))
    assert len(told) == 1


def test_a_handler_that_fails_stops_nobody() -> None:
    async def main() -> None:
        caught: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: caught.append(context))
        store: Store[Service] = Store()
        store.subscribe(lambda key, old, new: 1 / 0)  # type: ignore[arg-type, return-value]  # a bug on purpose
        told = recorded(store)
        store.source().replace([service("a"), service("b")])
        assert len(told) == 2
        assert [type(context["exception"]) for context in caught] == [ZeroDivisionError] * 2

    run_virtual(main())


def test_a_store_is_synced_when_all_its_sources_are() -> None:
    async def main() -> None:
        store: Store[Service] = Store()
        assert not store.synced
        one, two = store.source(), store.source()
        waiting = asyncio.create_task(store.wait_synced())
        one.replace([])
        await asyncio.sleep(1)
        assert not waiting.done()
        two.replace([])
        await waiting
        three = store.source()
        assert not store.synced
        three.withdraw()
        assert store.synced

    run_virtual(main())


def test_a_new_source_takes_over_from_an_old_one_without_a_gap() -> None:
    store: Store[Service] = Store()
    old = store.source()
    old.replace([service("a"), service("b")])
    told = recorded(store)
    new = store.source()
    new.replace([service("b"), service("c")])
    old.withdraw()
    assert [(key[1], before is None, after is None) for key, before, after in told[2:]] == [
        ("c", True, False),
        ("a", False, True),
    ]


@pytest.mark.parametrize("tell", [lambda source, obj: source.put(obj), lambda source, obj: source.replace([obj])])
def test_an_old_source_that_lags_behind_does_not_undo_the_word_of_the_new_one(tell: Callable[[Any, Any], None]) -> None:
    store: Store[Service] = Store()
    old, new = store.source(), store.source()
    new.replace([service("a", 10)])
    tell(old, service("a", 9))
    old.withdraw()
    assert [obj.metadata.resource_version for obj in store] == ["10"]


@pytest.mark.parametrize(
    "remove", [lambda source: source.remove(("shop", "a"), "uid-a"), lambda source: source.replace([])]
)
def test_a_source_removes_only_what_is_its_own(remove: Callable[[Any], None]) -> None:
    store: Store[Service] = Store()
    store.source().put(service("a"))
    remove(store.source())
    assert len(store) == 1
