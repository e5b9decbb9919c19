"""Finalizers against one object that changes between reading and writing."""

import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Forbidden
from canary.kube.finalizers import ChangedMeanwhile, add_finalizer, remove_finalizer, see
from canary.kube.resources import SERVICES
from canary.kube.transport import MAX_BODY, Response

OURS, THEIRS = "canary.delivery/finalizer", "example.com/other"


class ObjectServer:
    """One object, JSON patches, and `meddle` that runs between a read and the write."""

    def __init__(self, *finalizers: str, **metadata: Any) -> None:
        self.metadata: dict[str, Any] | None = {"name": "web", "uid": "u1", "resourceVersion": "1", **metadata}
        if finalizers:
            self.metadata["finalizers"] = list(finalizers)
        self.writes = 0
        self.meddle: Callable[[], None] = lambda: None
        self.client = Client(self, clock=LoopClock(datetime(2026, 1, 1, tzinfo=UTC)), rng=random.Random(1))

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 10.0,
        max_body: int = MAX_BODY,
    ) -> Response:
        assert path == "/api/v1/namespaces/shop/services/web"
        if method == "PATCH":
            assert content_type == "application/json-patch+json"
            self.meddle()
            self.writes += 1
        if self.metadata is None:
            return Response(404, b'{"reason":"NotFound"}')
        if method == "PATCH" and not self.patch(json.loads(body or b"")):
            return Response(422, b'{"reason":"Invalid","message":"the server rejected our request"}')
        return Response(200, json.dumps({"metadata": self.metadata}).encode())

    def patch(self, operations: list[dict[str, Any]]) -> bool:
        assert self.metadata is not None
        changed = json.loads(json.dumps(self.metadata))
        for operation in operations:
            *parents, last = operation["path"].removeprefix("/metadata/").split("/")
            target = changed
            for parent in parents:
                target = target.get(parent, [])
            if not apply(target, last, operation):
                return False
        self.metadata = {**changed, "resourceVersion": str(int(changed["resourceVersion"]) + 1)}
        return True

    def edit(self, **metadata: Any) -> None:
        assert self.metadata is not None
        self.metadata |= {**metadata, "resourceVersion": str(int(self.metadata["resourceVersion"]) + 1)}

    @property
    def finalizers(self) -> list[str]:
        assert self.metadata is not None
        return self.metadata.get("finalizers", [])

    def stream(self, path: str, **_: Any) -> Any:
        raise AssertionError("nobody watches")

    async def close(self) -> None: ...


def apply(target: Any, last: str, operation: dict[str, Any]) -> bool:
    """One operation of RFC 6902 on a dict or a list; whether it could be applied."""
    if isinstance(target, dict):
        if operation["op"] == "test":
            return bool(target.get(last) == operation["value"])
        target[last] = operation["value"]
        return True
    if last == "-":
        target.append(operation["value"])
        return True
    if int(last) >= len(target) or (operation["op"] == "test" and target[int(last)] != operation["value"]):
        return False
    if operation["op"] == "remove":
        del target[int(last)]
    return True


async def add(server: ObjectServer, uid: str = "u1") -> bool:
    return await add_finalizer(server.client, SERVICES, "web", "shop", OURS, uid=uid)


async def remove(server: ObjectServer, uid: str = "u1", **arguments: Any) -> None:
    await remove_finalizer(server.client, SERVICES, "web", "shop", OURS, uid=uid, **arguments)


def once(change: Callable[[], None]) -> Callable[[], None]:
    changes = [change]
    return lambda: changes.pop()() if changes else None


@pytest.mark.parametrize("before", [[], [THEIRS]])
async def test_adding_keeps_the_finalizers_of_others(before: list[str]):
    server = ObjectServer(*before)
    assert await add(server)
    assert server.finalizers == [*before, OURS]


async def test_adding_twice_writes_once():
    server = ObjectServer()
    assert await add(server)
    assert await add(server)
    assert (server.finalizers, server.writes) == ([OURS], 1)


async def test_adding_meets_another_who_adds_and_loses_nothing():
    server = ObjectServer()
    server.meddle = once(lambda: server.edit(finalizers=[THEIRS]))
    assert await add(server)
    assert server.finalizers == [THEIRS, OURS]


async def test_an_object_that_is_being_deleted_gets_no_finalizer():
    server = ObjectServer(THEIRS, deletionTimestamp="2026-01-01T00:00:00Z")
    assert not await add(server)
    assert server.writes == 0


async def test_a_new_object_of_the_same_name_is_left_alone():
    server = ObjectServer(OURS, uid="u2")
    assert not await add(server, uid="u1")
    await remove(server, uid="u1")
    assert (server.finalizers, server.writes) == ([OURS], 0)


async def test_an_object_replaced_between_read_and_write_is_left_alone():
    server = ObjectServer(OURS)
    server.meddle = once(lambda: server.edit(uid="u2"))
    await remove(server)
    assert server.finalizers == [OURS]


@pytest.mark.parametrize("before", [[OURS], [THEIRS, OURS], [OURS, THEIRS]])
async def test_removing_takes_only_ours(before: list[str]):
    server = ObjectServer(*before, deletionTimestamp="2026-01-01T00:00:00Z")
    await remove(server)
    assert server.finalizers == [name for name in before if name != OURS]


async def test_removing_what_is_not_there_writes_nothing():
    server = ObjectServer(THEIRS)
    await remove(server)
    assert server.writes == 0


@pytest.mark.parametrize("moved", [[OURS], [OURS, THEIRS], [THEIRS]])
async def test_removing_looks_again_when_the_list_moved(moved: list[str]):
    server = ObjectServer(THEIRS, OURS)
    server.meddle = once(lambda: server.edit(finalizers=moved))
    await remove(server)
    assert server.finalizers == [name for name in moved if name != OURS]


async def test_an_object_that_is_gone_is_fine():
    server = ObjectServer(OURS)
    server.meddle = lambda: setattr(server, "metadata", None)
    await remove(server)
    assert not await add(server)
    await remove(server)
    assert await see(server.client, SERVICES, "web", "shop") is None


async def test_removing_what_was_seen_is_one_write_bound_to_its_version():
    server = ObjectServer(OURS)
    seen = await see(server.client, SERVICES, "web", "shop")
    server.edit(labels={"stamped": "yes"})
    with pytest.raises(ChangedMeanwhile, match="decide anew"):
        await remove(server, seen=seen)
    assert (server.finalizers, server.writes) == ([OURS], 1)
    await remove(server, seen=await see(server.client, SERVICES, "web", "shop"))
    assert server.finalizers == []


async def test_an_object_that_never_holds_still_is_given_up():
    server = ObjectServer()
    server.meddle = lambda: server.edit(labels={})
    with pytest.raises(ChangedMeanwhile):
        await add(server)
    assert server.writes == 5


async def test_other_errors_come_out():
    server = ObjectServer(OURS)

    def denied() -> None:
        raise Forbidden(403, "Forbidden", "no patch for you")

    server.meddle = denied
    with pytest.raises(Forbidden):
        await remove(server)
