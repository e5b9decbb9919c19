"""A source that a test plays, and groups that run over it in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest

from canary.core.window import Sample
from canary.kube.clock import LoopClock
from canary.metrics.groups import MetricsGroups, Target
from canary.metrics.source import Answer, series_of

GOOD = Sample(90.0, 10.0, {"p99": 0.08})


class FakeSource:
    """Answers after `latency()` seconds with `answer`, or raises it; keeps when each call was sent and answered."""

    def __init__(self, answer=None, latency=lambda: 0.0):
        self.answer = {} if answer is None else answer
        self.latency = latency
        self.calls = []
        self.asked = []
        self.cancelled = 0

    async def read(self, asked, *, timeout):
        sent = asyncio.get_running_loop().time()
        try:
            await asyncio.sleep(self.latency())
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.calls.append((*asked[:3], timeout, sent, asyncio.get_running_loop().time()))
        self.asked.append(asked)
        if isinstance(self.answer, Exception):
            raise self.answer
        answer = self.answer(asked) if callable(self.answer) else self.answer
        return answer if isinstance(answer, Answer) else Answer(answer)


def groups_of(source, epoch, on_reading, seed=1):
    sources = source if isinstance(source, dict) else {"SMI": source}
    return MetricsGroups(sources, clock=LoopClock(epoch), rng=random.Random(seed), on_reading=on_reading)


class Bench:
    """Groups that run, the keys that were called back, and every reading that was taken."""

    def __init__(self, source, epoch, seed=1):
        self.source = source
        self.readings = defaultdict(list)
        self.groups = groups_of(source, epoch, lambda key: self.take(key), seed)

    def take(self, key):
        self.readings[key].extend(self.groups.take(key))

    async def __aenter__(self):
        self.task = asyncio.create_task(self.groups.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.task
        assert {task for task in asyncio.all_tasks() if task is not asyncio.current_task()} == set()


def target(**overrides):
    fields = {
        "namespace": "shop",
        "kind": "Deployment",
        "interval": 30.0,
        "stable": ("web-v1",),
        "canary": ("web-v2",),
    }
    return Target(**(fields | overrides))


def answer(**by_name):
    return {series_of("Deployment", "shop", name.replace("_", "-")): sample for name, sample in by_name.items()}
