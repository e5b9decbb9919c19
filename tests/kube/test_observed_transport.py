"""A transport that tells about every request and knows whether the server is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, Forbidden, Unreachable
from canary.kube.observed_transport import Call, ObservedTransport
from canary.kube.transport import Response
from canary.sandbox.virtual_time import run_virtual

PODS = "/api/v1/namespaces/shop/pods"


class Scripted:
    """Answers every request with the outcome that is set, after `delay` seconds."""

    def __init__(self) -> None:
        self.outcome: int | Exception = 200
        self.delay = 0.25
        self.lines: list[bytes | Exception] = []

    async def request(self, *_: Any, **__: Any) -> Response:
        await asyncio.sleep(self.delay)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return Response(self.outcome, b"{}")

    @asynccontextmanager
    async def stream(self, *_: Any, **__: Any) -> AsyncIterator[AsyncIterator[bytes]]:
        if isinstance(self.outcome, Exception):
            raise self.outcome

        async def told() -> AsyncIterator[bytes]:
            for line in self.lines:
                await asyncio.sleep(30)
                if isinstance(line, Exception):
                    raise line
                yield line

        yield told()

    async def close(self) -> None: ...


async def drain(transport: ObservedTransport) -> None:
    async with transport.stream(PODS) as lines:
        async for _ in lines:
            pass


def observed() -> tuple[Scripted, ObservedTransport, list[Call]]:
    inner, calls = Scripted(), list[Call]()
    clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
    return inner, ObservedTransport(inner, clock=clock, observe=calls.append), calls


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource"),
    [
        ("GET", PODS, "list", "pods"),
        ("GET", "/api/v1/pods", "list", "pods"),
        ("GET", f"{PODS}/web-1", "get", "pods"),
        ("DELETE", PODS, "deletecollection", "pods"),
        ("DELETE", f"{PODS}/web-1", "delete", "pods"),
        ("POST", PODS, "create", "pods"),
        ("GET", "/api/v1/namespaces", "list", "namespaces"),
        ("GET", "/api/v1/namespaces/shop", "get", "namespaces"),
        ("PATCH", "/apis/canary.delivery/v1beta1/namespaces/shop/canaries/a/status", "patch",
         "canaries.canary.delivery/status"),
        ("PUT", "/apis/apps/v1/namespaces/shop/deployments/a/scale", "update", "deployments.apps/scale"),
        ("GET", "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/pods", "list", "pods.metrics.smi-spec.io"),
        ("GET", "/apis", "get", "discovery"),
        ("GET", "/apis/split.smi-spec.io", "get", "discovery"),
        ("GET", "/apis/split.smi-spec.io/v1alpha4", "get", "discovery"),
        ("GET", "/version", "get", "discovery"),
    ],
)  # fmt: skip
def test_a_request_is_told_by_verb_and_resource(method: str, path: str, verb: str, resource: str) -> None:
    async def main() -> None:
        _, transport, calls = observed()
        assert (await transport.request(method, path)).body == b"{}"
        assert calls == [Call(verb, resource, "200", 0.25)]

    run_virtual(main())


@pytest.mark.parametrize(
    ("outcome", "code"),
    [(503, "503"), (Unreachable(""), "unreachable"), (Ambiguous(""), "ambiguous"), (ValueError(), "error")],
)
def test_a_request_that_fails_is_told_with_its_fault(outcome: int | Exception, code: str) -> None:
    async def main() -> None:
        inner, transport, calls = observed()
        inner.outcome = outcome
        if isinstance(outcome, Exception):
            with pytest.raises(type(outcome)):
                await transport.request("GET", PODS)
        else:
            assert (await transport.request("GET", PODS)).status == outcome
        assert [call.code for call in calls] == [code]

    run_virtual(main())


@pytest.mark.parametrize(("patience", "code", "silent"), [(5.0, "timeout", True), (1.0, "cancelled", False)])
def test_a_request_that_its_caller_gives_up_failed_only_if_its_time_was_over(
    patience: float, code: str, silent: bool
) -> None:
    async def main() -> None:
        inner, transport, calls = observed()
        inner.delay = 60
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(patience):
                await transport.request("GET", PODS, timeout=5.0)
        assert [call.code for call in calls] == [code]
        assert (transport.silent_for > 0) is silent

    run_virtual(main())


def test_a_watch_is_told_when_it_opens_and_not_when_it_breaks() -> None:
    async def main() -> None:
        inner, transport, calls = observed()
        inner.lines = [b"one", Unreachable("broke")]
        with pytest.raises(Unreachable):
            await drain(transport)
        assert calls == [Call("watch", "pods", "200", 0.0)]
        inner.outcome = Forbidden(403, "Forbidden", "no")
        with pytest.raises(Forbidden):
            await drain(transport)
        assert calls[1].code == "403"

    run_virtual(main())


def test_silence_counts_from_the_last_word_and_only_once_a_request_has_failed() -> None:
    async def main() -> None:
        inner, transport, _ = observed()
        await transport.request("GET", PODS)
        await asyncio.sleep(61)
        assert transport.silent_for == 0
        inner.outcome = Unreachable("down")
        with pytest.raises(Unreachable):
            await transport.request("GET", PODS)
        assert transport.silent_for == pytest.approx(61.25)
        inner.outcome = 500
        await transport.request("GET", PODS)
        assert transport.silent_for == 0

    run_virtual(main())


def test_a_line_of_a_watch_is_a_word() -> None:
    async def main() -> None:
        inner, transport, _ = observed()
        inner.lines = [b"bookmark", Unreachable("silent")]
        with pytest.raises(Unreachable):
            await drain(transport)
        assert transport.silent_for == pytest.approx(30)

    run_virtual(main())
