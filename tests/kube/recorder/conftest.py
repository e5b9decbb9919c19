"""An event recorder that runs, and a small API server for its events."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.recorder import Event, EventRecorder, Reference
from canary.kube.transport import MAX_BODY, Response
from canary.sandbox.virtual_time import VirtualLoop

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PODINFO = Reference("canary.delivery/v1beta1", "Canary", "podinfo", "shop", "uid-1", "7")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Every asynchronous test of this directory runs in virtual time."""
    return {"virtual": VirtualLoop}


def new_event(**overrides: Any) -> Event:
    return Event(
        **{"regarding": PODINFO, "reason": "WeightAdvanced", "action": "Advance", "note": "weight 10", **overrides}
    )


def status(code: int, reason: str) -> Response:
    return Response(code, json.dumps({"kind": "Status", "reason": reason}).encode())


class EventServer:
    """A transport: keeps events as the API does. `fault` may raise or answer before or after the request."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[tuple[float, str]] = []
        self.latency = 0.01
        self.before: Callable[[], Response | None] = lambda: None
        self.after: Callable[[], None] = lambda: None

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
        self.requests.append((asyncio.get_running_loop().time(), method))
        await asyncio.sleep(self.latency)
        refusal = self.before()
        if refusal is not None:
            return refusal
        response = self.execute(method, path, json.loads(body or b"{}"), content_type)
        self.after()
        return response

    def execute(self, method: str, path: str, sent: dict[str, Any], content_type: str) -> Response:
        namespace, _, name = path.removeprefix("/apis/events.k8s.io/v1/namespaces/").partition("/events")
        name = name.removeprefix("/")
        if method == "POST":
            assert sent["metadata"]["namespace"] == namespace
            key = (namespace, sent["metadata"]["name"])
            if key in self.events:
                return status(409, "AlreadyExists")
            self.events[key] = sent
            return Response(201, json.dumps(sent).encode())
        assert method == "PATCH"
        assert content_type == "application/merge-patch+json"
        if (namespace, name) not in self.events:
            return status(404, "NotFound")
        assert set(sent) == {"series"}
        assert sent["series"]["count"] >= 2
        self.events[namespace, name] |= sent
        return Response(200, json.dumps(self.events[namespace, name]).encode())

    def stream(self, path: str, **_: Any) -> Any:
        raise AssertionError("a recorder does not watch")

    async def close(self) -> None: ...

    @property
    def notes(self) -> list[str]:
        return [found["note"] for found in self.events.values()]

    @property
    def only(self) -> dict[str, Any]:
        (found,) = self.events.values()
        return found


class Recording:
    """A recorder that runs."""

    def __init__(self, server: EventServer | None = None, **overrides: Any) -> None:
        self.server = server or EventServer()
        self.given_up: list[tuple[str, Exception]] = []
        clock, rng = LoopClock(EPOCH), random.Random(1)
        self.recorder = EventRecorder(
            Client(self.server, clock=clock, rng=rng),
            **{
                "controller": "canary.delivery/controller",
                "instance": "canary-0",
                "clock": clock,
                "rng": rng,
                "on_error": lambda name, error: self.given_up.append((name, error)),
                **overrides,
            },
        )
        self.task = asyncio.ensure_future(self.recorder.run())
        self.counters = self.recorder.counters

    def record(self, *events: Event) -> None:
        for one in events:
            self.recorder.record(one)

    async def flush(self) -> None:
        assert await self.recorder.flush(3600)


@pytest.fixture(scope="session")
def event() -> Callable[..., Event]:
    """`event(...)` is an event about `shop/podinfo`."""
    return new_event


@pytest.fixture(scope="session")
def recording() -> type[Recording]:
    return Recording


@pytest.fixture(scope="session")
def event_server() -> type[EventServer]:
    return EventServer


@pytest.fixture(scope="session")
def refusal() -> Callable[[int, str], Response]:
    """`refusal(code, reason)` is an answer with a Status."""
    return status
