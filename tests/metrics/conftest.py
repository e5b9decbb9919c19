"""Builders of Traffic Metrics answers, and an API server that answers what a test wrote down."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.transport import MAX_BODY, Response
from tests.metrics.fake_source import Bench

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def metrics(
    success: Any = "90", failure: Any = "10", p50: Any = "20", p90: Any = "50", p99: Any = "80", unit: str = "ms"
) -> list[dict[str, Any]]:
    latencies = {"p99_response_latency": p99, "p90_response_latency": p90, "p50_response_latency": p50}
    counts = {"success_count": success, "failure_count": failure}
    return [{"name": name, "unit": unit, "value": value} for name, value in latencies.items() if value is not None] + [
        {"name": name, "value": value} for name, value in counts.items() if value is not None
    ]


def item(name: str = "web", /, **overrides: Any) -> dict[str, Any]:
    """A plain item of a Deployment in `shop`, as smi-metrics writes it."""
    measured = {key: overrides.pop(key) for key in tuple(overrides) if key in metrics.__annotations__}
    return {
        "kind": "TrafficMetrics",
        "apiVersion": "metrics.smi-spec.io/v1alpha1",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:30Z"},
        "timestamp": "2026-01-01T00:00:30Z",
        "window": "30s",
        "resource": {"kind": "Deployment", "namespace": "shop", "name": name},
        "edge": {"direction": "from", "resource": None},
        "metrics": metrics(**measured),
    } | overrides


def edge(direction: str, other: str, /, **overrides: Any) -> dict[str, Any]:
    """An edge of `checkout`: to, or from, another Deployment."""
    end = {"direction": direction, "resource": {"kind": "Deployment", "namespace": "shop", "name": other}}
    return item("checkout", edge=end, **overrides)


def listing(*items: Any, **overrides: Any) -> bytes:
    answer = {
        "kind": "TrafficMetricsList",
        "apiVersion": "metrics.smi-spec.io/v1alpha1",
        "metadata": {"selfLink": "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments"},
        "resource": {"kind": "Deployment", "namespace": "shop"},
        "items": list(items),
    }
    return json.dumps(answer | overrides).encode()


class ScriptedTransport:
    """Answers GETs by `handler(path, query)` and keeps what was asked."""

    def __init__(self, handler: Callable[[str, Mapping[str, str]], Any]) -> None:
        self.handler = handler
        self.asked: list[tuple[str, dict[str, str], int]] = []

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
        self.asked.append((path, dict(query or {}), max_body))
        answer = self.handler(path, query or {})
        if hasattr(answer, "__await__"):
            answer = await answer
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else Response(200, answer)

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise AssertionError("metrics are not watched")

    async def close(self) -> None: ...


@pytest.fixture
def build_item() -> Callable[..., dict[str, Any]]:
    return item


@pytest.fixture
def bench(epoch: datetime) -> Callable[..., Bench]:
    def make(source: Any, seed: int = 1) -> Bench:
        return Bench(source, epoch, seed)

    return make


@pytest.fixture
def build_edge() -> Callable[..., dict[str, Any]]:
    return edge


@pytest.fixture
def build_listing() -> Callable[..., bytes]:
    return listing


@pytest.fixture
def scripted() -> Callable[..., tuple[Client, ScriptedTransport]]:
    def make(handler: Callable[[str, Mapping[str, str]], Any]) -> tuple[Client, ScriptedTransport]:
        transport = ScriptedTransport(handler)
        return Client(transport, clock=LoopClock(EPOCH), rng=random.Random(1)), transport

    return make


@pytest.fixture
def epoch() -> datetime:
    return EPOCH
