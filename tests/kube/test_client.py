"""Requests, answers, retries and errors of the client, over a transport that plays a script."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from canary.api.kinds import Service
from canary.kube.client import Client, PatchKind
from canary.kube.clock import LoopClock
from canary.kube.codec import Undecodable
from canary.kube.errors import (
    AlreadyExists,
    Ambiguous,
    ApiError,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    ServerError,
    Throttled,
    Unauthorized,
    Unreachable,
)
from canary.kube.resources import NAMESPACES, PODS, SERVICES
from canary.kube.transport import Response
from canary.sandbox.virtual_time import run_virtual


class Script:
    """Answers requests in order; an exception is raised; the last answer stays."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []

    async def request(self, method: str, path: str, **options: Any) -> Response:
        self.requests.append({"method": method, "path": path} | options)
        self.times.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stream(self, path: str, **options: Any) -> AbstractAsyncContextManager[Any]:
        raise AssertionError("the client opens no streams")

    async def close(self) -> None:
        self.requests.append({"method": "close"})


def ok(obj: Any = None, status: int = 200) -> Response:
    return Response(status, json.dumps({} if obj is None else obj).encode())


def failure(code: int, reason: str = "", headers: Mapping[str, str] | None = None) -> Response:
    return Response(code, json.dumps({"kind": "Status", "reason": reason, "message": "m"}).encode(), headers or {})


def client(script: Script) -> Client:
    return Client(script, clock=LoopClock(datetime(2026, 1, 1, tzinfo=UTC)), rng=random.Random(1), field_manager="me")


def page(names: list[str], version: str = "7", more: str = "") -> Response:
    items = [{"metadata": {"name": name}} for name in names]
    return ok({"metadata": {"resourceVersion": version, "continue": more}, "items": items})


def test_get_decodes_into_the_type_that_was_asked_for() -> None:
    script = Script(ok({"metadata": {"name": "web"}, "spec": {"clusterIP": "10.0.0.1"}}))
    service = run_virtual(client(script).get(SERVICES, "web", "shop", type=Service))
    assert service.spec.cluster_ip == "10.0.0.1"
    assert script.requests[0]["path"] == "/api/v1/namespaces/shop/services/web"


def test_get_without_a_type_gives_a_dict() -> None:
    script = Script(ok({"a": 1}))
    assert run_virtual(client(script).get(NAMESPACES, "shop", subresource="status")) == {"a": 1}
    assert script.requests[0]["path"] == "/api/v1/namespaces/shop/status"


def test_an_answer_of_another_shape_is_undecodable_and_not_asked_for_again() -> None:
    script = Script(Response(200, b"<html>login</html>"))
    with pytest.raises(Undecodable):
        run_virtual(client(script).get(SERVICES, "web", "shop"))
    assert len(script.requests) == 1


def test_list_follows_pages_and_keeps_the_last_resource_version() -> None:
    script = Script(page(["a", "b"], "7", "next"), page(["c"], "8"))
    listing = run_virtual(client(script).list(SERVICES, type=Service, label_selector="x=y", limit=2))
    assert [item.metadata.name for item in listing.items] == ["a", "b", "c"]
    assert listing.resource_version == "8"
    assert [request["query"] for request in script.requests] == [
        {"labelSelector": "x=y", "limit": "2"},
        {"labelSelector": "x=y", "limit": "2", "continue": "next"},
    ]


def test_list_starts_over_in_one_piece_when_its_pages_expire() -> None:
    script = Script(page(["a"], "7", "next"), failure(410, "Expired"), page(["a", "b"], "9"))
    listing = run_virtual(client(script).list(PODS, "shop"))
    assert len(listing.items) == 2
    assert "limit" not in script.requests[2]["query"]


def test_list_takes_null_for_no_items() -> None:
    script = Script(ok({"metadata": {"resourceVersion": "1"}, "items": None}))
    assert run_virtual(client(script).list(PODS)).items == ()


@pytest.mark.parametrize("obj", [{"a": 1}, b'{"a":1}', msgspec.defstruct("A", [("a", int)])(1)])
def test_create_takes_dicts_structs_and_json(obj: Any) -> None:
    script = Script(ok({"a": 1}, 201))
    assert run_virtual(client(script).create(SERVICES, obj, "shop")) == {"a": 1}
    request = script.requests[0]
    assert (request["method"], request["path"]) == ("POST", "/api/v1/namespaces/shop/services")
    assert json.loads(request["body"]) == {"a": 1}
    assert request["query"] == {"fieldManager": "me"}


def test_replace_puts_to_a_subresource() -> None:
    script = Script(ok())
    run_virtual(client(script).replace(SERVICES, "web", {}, "shop", subresource="status"))
    assert (script.requests[0]["method"], script.requests[0]["path"][-11:]) == ("PUT", "/web/status")


@pytest.mark.parametrize(
    ("kind", "media"),
    [
        (PatchKind.MERGE, "application/merge-patch+json"),
        (PatchKind.JSON, "application/json-patch+json"),
        (PatchKind.APPLY, "application/apply-patch+yaml"),
    ],
)
def test_a_patch_always_names_its_kind(kind: PatchKind, media: str) -> None:
    script = Script(ok())
    run_virtual(client(script).patch(SERVICES, "web", [], "shop", kind=kind, force=kind is PatchKind.APPLY))
    assert script.requests[0]["content_type"] == media
    assert ("force" in script.requests[0]["query"]) is (kind is PatchKind.APPLY)


def test_delete_sends_preconditions_and_propagation() -> None:
    script = Script(ok({"kind": "Status"}))
    call = client(script).delete(SERVICES, "web", "shop", uid="u", resource_version="5", propagation="Orphan")
    run_virtual(call)
    assert json.loads(script.requests[0]["body"]) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "5"},
        "propagationPolicy": "Orphan",
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"kind": "', b"{}", b"null"])
def test_a_delete_that_no_api_server_has_answered_has_not_happened(body: bytes) -> None:
    with pytest.raises(Undecodable):
        run_virtual(client(Script(Response(200, body))).delete(SERVICES, "web", "shop"))


def test_fetch_returns_the_answer_as_it_is_and_asks_once() -> None:
    script = Script(Response(200, b"# HELP"), failure(503))
    call = client(script)
    assert run_virtual(call.fetch("/metrics", query={"t": "30s"}, max_body=10)).body == b"# HELP"
    assert (script.requests[0]["query"], script.requests[0]["max_body"]) == ({"t": "30s"}, 10)
    with pytest.raises(ServerError):
        run_virtual(call.fetch("/metrics"))
    assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failure(401), Unauthorized),
        (failure(403), Forbidden),
        (failure(404, "NotFound"), NotFound),
        (failure(409, "Conflict"), Conflict),
        (failure(409, "AlreadyExists"), AlreadyExists),
        (failure(410), Gone),
        (failure(422), Invalid),
        (Response(302, b""), ApiError),
    ],
)
def test_a_final_error_is_raised_at_once(answer: Response, error: type[ApiError]) -> None:
    script = Script(answer)
    with pytest.raises(error):
        run_virtual(client(script).get(SERVICES, "web", "shop"))
    assert len(script.requests) == 1


PASSING = [Unreachable("x"), Ambiguous("x"), failure(429), failure(500), failure(502), failure(503), failure(504)]


@pytest.mark.parametrize("fault", PASSING)
def test_a_read_is_repeated_with_growing_jittered_pauses(fault: Response | Exception) -> None:
    script = Script(fault, fault, ok({"a": 1}))
    assert run_virtual(client(script).get(SERVICES, "web", "shop")) == {"a": 1}
    first, second = script.times[1] - script.times[0], script.times[2] - script.times[1]
    assert 0.15 <= first <= 0.3
    assert 0.3 <= second <= 0.6


@pytest.mark.parametrize("fault", PASSING)
def test_a_read_gives_up_with_the_last_error(fault: Response | Exception) -> None:
    script = Script(fault)
    with pytest.raises((Unreachable, Ambiguous, Throttled, ServerError)):
        run_virtual(client(script).list(SERVICES, attempts=4))
    assert len(script.requests) == 4


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("verb", ["create", "replace", "patch", "delete"])
def test_a_write_is_never_repeated(verb: str, fault: Response | Exception) -> None:
    script = Script(fault)
    api = client(script)
    calls = {
        "create": lambda: api.create(SERVICES, {}, "shop"),
        "replace": lambda: api.replace(SERVICES, "web", {}, "shop"),
        "patch": lambda: api.patch(SERVICES, "web", {}, "shop"),
        "delete": lambda: api.delete(SERVICES, "web", "shop"),
    }
    with pytest.raises((Unreachable, Ambiguous, Throttled, ServerError)):
        run_virtual(calls[verb]())
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "86400"}, 30.0),
        ({"retry-after": "9" * 400}, 30.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:07 GMT"}, 7.0),
        ({"retry-after": "Thu, 01 Jan 2026 00:00:07 -0000"}, 7.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 2099 00:00:00 GMT"}, 30.0),
        ({"retry-after": "Thu, 01 Jan 2015 00:00:09 GMT", "date": "Thu, 01 Jan 2015 00:00:00 GMT"}, 9.0),
    ],
)
def test_retry_after_is_read_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    script = Script(failure(429, headers=headers))
    with pytest.raises(Throttled) as caught:
        run_virtual(client(script).replace(SERVICES, "web", {}, "shop"))
    assert caught.value.retry_after == seconds


def test_a_read_waits_as_long_as_it_is_told() -> None:
    script = Script(failure(429, headers={"retry-after": "20"}), ok())
    run_virtual(client(script).get(SERVICES, "web", "shop"))
    assert script.times[1] == pytest.approx(20.0)


def test_cancelling_a_read_ends_its_retries() -> None:
    script = Script(failure(429, headers={"retry-after": "20"}))

    async def main() -> None:
        task = asyncio.create_task(client(script).get(SERVICES, "web", "shop", attempts=99))
        await asyncio.sleep(5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(100)

    run_virtual(main())
    assert len(script.requests) == 1


def test_close_closes_the_transport() -> None:
    script = Script(ok())
    run_virtual(client(script).close())
    assert script.requests == [{"method": "close"}]
