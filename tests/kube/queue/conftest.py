"""A work queue in virtual time."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from canary.kube.backoff import Backoff
from canary.kube.clock import LoopClock
from canary.kube.queue import WorkQueue
from canary.sandbox.virtual_time import VirtualLoop


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Callable[[], Any]]:
    """Every asynchronous test of this directory runs in virtual time."""
    return {"virtual": VirtualLoop}


def new_queue(**overrides: Any) -> WorkQueue:
    arguments: dict[str, Any] = {
        "clock": LoopClock(datetime(2026, 1, 1, tzinfo=UTC)),
        "rng": random.Random(1),
        "backoff": Backoff(base=1, cap=60, jitter=0.5),
    }
    return WorkQueue(**{**arguments, **overrides})


@pytest.fixture(scope="session")
def queue() -> Callable[..., WorkQueue]:
    """`queue(...)` is a new queue."""
    return new_queue
