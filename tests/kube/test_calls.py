"""Every kind of call meets every kind of fault: how often it is sent, when it ends, and what the caller is told."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.client import Client, PatchKind
from canary.kube.clock import LoopClock, SystemClock
from canary.kube.errors import Ambiguous, ApiError, KubeError, ServerError, Throttled, Unreachable
from canary.kube.http import HttpTransport
from canary.kube.resources import Resource
from canary.kube.transport import Response
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.faults import Answer, Delay, Drop, Effect, Hang, LoseAnswer, Raw, Refuse
from canary.sandbox.apiserver.http import serve
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.virtual_time import run_virtual

MAPS = Resource("", "v1", "configmaps", "ConfigMap")
TIMEOUT = 4.0
ATTEMPTS = 3
Call = Callable[[Client, float], Awaitable[Any]]


def body(name: str, at: str = "") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"at": at}}


READS: dict[str, Call] = {
    "get": lambda client, t: client.get(MAPS, "a", "default", timeout=t, attempts=ATTEMPTS),
    "fetch": lambda client, t: client.fetch(MAPS.path("default", "a"), timeout=t, attempts=ATTEMPTS),
    "list": lambda client, t: client.list(MAPS, "default", timeout=t, attempts=ATTEMPTS),
}
WRITES: dict[str, Call] = {
    "create": lambda client, t: client.create(MAPS, body("new"), "default", timeout=t),
    "replace": lambda client, t: client.replace(MAPS, "a", body("a", "1"), "default", timeout=t),
    "merge": lambda client, t: client.patch(MAPS, "a", {"data": {"at": "2"}}, "default", timeout=t),
    "json": lambda client, t: client.patch(
        MAPS, "a", [{"op": "add", "path": "/data/b", "value": "3"}], "default", kind=PatchKind.JSON, timeout=t
    ),
    "apply": lambda client, t: client.patch(
        MAPS, "a", body("a", "4"), "default", kind=PatchKind.APPLY, force=True, timeout=t
    ),
    "delete": lambda client, t: client.delete(MAPS, "a", "default", timeout=t),
}
REFUSED: list[Effect] = [*(Answer(code) for code in (400, 401, 403, 404, 409, 410, 422)), Raw(302, b"")]
PASSING: list[Effect] = [
    Refuse(), Drop(), LoseAnswer(), Hang(), Hang(executed=True), Delay(TIMEOUT + 1, 0), Delay(0, TIMEOUT + 1),
    Answer(429), Answer(429, retry_after=2), Answer(503, retry_after=86400), Answer(500), Answer(504),
    Raw(502, b"<html>"),
]  # fmt: skip
EXECUTED = (LoseAnswer(), Hang(executed=True), Delay(TIMEOUT + 1, 0), Delay(0, TIMEOUT + 1), Delay(0.5, 0.5))
TYPES: dict[type[Effect], type[KubeError]] = {
    Refuse: Unreachable, Drop: Ambiguous, LoseAnswer: Ambiguous, Hang: Ambiguous, Delay: Ambiguous
}  # fmt: skip
CODES: dict[int, type[ApiError]] = {429: Throttled, 500: ServerError, 502: ServerError, 503: ServerError}


def name_of(value: object) -> str:
    if isinstance(value, Answer):
        return f"{value.code} {value.retry_after or ''}"
    return re.sub(r"[^\w. ]+", " ", str(value)).strip()


class Bench:
    """A server with one ConfigMap, a client, and what became of a call."""

    def __init__(self) -> None:
        self.clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.server = ApiServer(self.clock, random.Random(1))
        self.client = Client(DirectTransport(self.server), clock=self.clock, rng=random.Random(2))
        self.error: KubeError | None = None
        self.took = 0.0

    async def call(self, call: Call, effect: Effect, times: int | None = None) -> int:
        """How often `call` was sent while `effect` met it."""
        await self.client.create(MAPS, body("a"), "default")
        rule = self.server.faults.add(effect, resource="configmaps", times=times)
        before, began = len(self.server.commits), self.clock.monotonic()
        try:
            await call(self.client, TIMEOUT)
        except KubeError as error:
            self.error = error
        self.took = self.clock.monotonic() - began
        await asyncio.sleep(3 * TIMEOUT)
        self.commits = len(self.server.commits) - before
        await self.client.close()
        return rule.matched

    @property
    def kind(self) -> type[KubeError] | None:
        return self.error and type(self.error)


@pytest.mark.parametrize("effect", [*PASSING, *REFUSED], ids=name_of)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_is_sent_once_ends_in_time_and_its_error_says_whether_it_was_executed(
    write: str, effect: Effect
) -> None:
    async def main() -> None:
        bench = Bench()
        assert await bench.call(WRITES[write], effect) == 1
        assert bench.took <= TIMEOUT
        assert bench.commits == (effect in EXECUTED)
        if isinstance(effect, (Answer, Raw)):
            assert isinstance(bench.error, ApiError)
            assert bench.error.code == (effect.code if isinstance(effect, Answer) else effect.status)
        else:
            assert bench.kind is TYPES[type(effect)]

    run_virtual(main())


@pytest.mark.parametrize("effect", PASSING, ids=name_of)
@pytest.mark.parametrize("read", READS)
def test_a_read_is_sent_again_while_it_may_pass_but_no_more_than_its_attempts(read: str, effect: Effect) -> None:
    async def main(times: int | None) -> Bench:
        bench = Bench()
        sent = await bench.call(READS[read], effect, times)
        assert sent == min(ATTEMPTS, ATTEMPTS if times is None else times + 1)
        # Each attempt to its end, and between them the larger of the backoff (0.3 s, 0.6 s) and what the server asks.
        asked = min(30.0, float(getattr(effect, "retry_after", None) or 0))
        assert bench.took <= sent * TIMEOUT + max(0.3, asked) + max(0.6, asked)
        return bench

    for times in range(ATTEMPTS):
        assert run_virtual(main(times)).error is None
    expected = TYPES.get(type(effect)) or CODES.get(getattr(effect, "code", 502), ServerError)
    assert run_virtual(main(None)).kind is expected


@pytest.mark.parametrize("effect", REFUSED, ids=name_of)
@pytest.mark.parametrize("read", READS)
def test_a_read_that_is_refused_is_not_sent_again(read: str, effect: Effect) -> None:
    bench = Bench()
    # A list whose pages have expired is read once more, in one piece.
    again = read == "list" and effect == Answer(410)
    assert run_virtual(bench.call(READS[read], effect)) == 1 + again
    assert isinstance(bench.error, ApiError)
    assert bench.took == 0


OVER_HTTP: list[Effect] = [Refuse(), Drop(), LoseAnswer(), Hang(executed=True), Raw(200, b"<html>"), Answer(503)]


@pytest.mark.parametrize("effect", OVER_HTTP, ids=name_of)
async def test_over_a_connection_that_was_used_before_every_write_arrives_once(effect: Effect) -> None:
    clock = SystemClock()
    server = ApiServer(clock, random.Random(0))
    face = await serve(server, "127.0.0.1", 0, "")
    transport = HttpTransport(face.url)
    client = Client(transport, clock=clock, rng=random.Random(0))
    try:
        for name, call in WRITES.items():
            if name != "delete":
                await client.patch(MAPS, "a", body("a"), "default", kind=PatchKind.APPLY, force=True)
            rule = server.faults.add(effect, resource="configmaps")
            with suppress(KubeError):
                await call(client, 0.15)
            assert rule.matched == 1, name
            server.faults.clear()
    finally:
        await transport.close()
        await face.close()


class Babble:
    """A transport that answers anything at all."""

    def __init__(self, answers: list[Response]) -> None:
        self.answers, self.sent = answers, 0

    async def request(self, method: str, path: str, **_: Any) -> Response:
        self.sent += 1
        return self.answers[(self.sent - 1) % len(self.answers)]

    def stream(self, path: str, **_: Any) -> Any:
        raise AssertionError("nobody watches")

    async def close(self) -> None: ...


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["metadata", "items", "details", "reason", "message", "code"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
BODIES = st.binary(max_size=20) | JSON.map(lambda value: msgspec.json.encode(value))
HEADERS = st.just({}) | st.fixed_dictionaries({"retry-after": st.text(max_size=6) | st.integers().map(str)})
ANSWERS = st.lists(
    st.builds(Response, st.sampled_from([200, 201, 204, 302, 404, 409, 410, 418, 429, 500, 503, 599]), BODIES, HEADERS),
    min_size=1,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(answers=ANSWERS, name=st.sampled_from([*READS, *WRITES]))
def test_whatever_is_answered_a_call_ends_and_raises_nothing_but_typed_errors(
    answers: list[Response], name: str
) -> None:
    async def main() -> None:
        transport = Babble(answers)
        clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        with suppress(KubeError):
            await (READS | WRITES)[name](Client(transport, clock=clock, rng=random.Random(1)), TIMEOUT)
        assert transport.sent <= (1 if name in WRITES else 2 * ATTEMPTS if name == "list" else ATTEMPTS)
        assert clock.monotonic() <= 2 * (ATTEMPTS - 1) * 30.0

    run_virtual(main())
