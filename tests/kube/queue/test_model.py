"""The work queue against a plain model."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.queue import Key, Workers
from canary.sandbox.virtual_time import run_virtual

KEYS = [(namespace, name) for namespace in ("x", "y", "z") for name in ("1", "2", "3")]


class Model:
    """What the queue is to do, in the plainest words."""

    def __init__(self) -> None:
        self.tick = 0
        self.ready: dict[Key, tuple[int, int]] = {}
        self.turn: dict[tuple[int, str], int] = {}
        self.timers: dict[Key, tuple[float, int, int]] = {}
        self.running: set[Key] = set()
        self.dirty: dict[Key, int] = {}

    def add(self, key: Key, priority: int) -> None:
        self.tick += 1
        if key in self.running:
            self.dirty[key] = max(priority, self.dirty.get(key, priority))
            return
        if key in self.timers:
            priority = max(priority, self.timers.pop(key)[2])
        old = self.ready.get(key)
        if old is not None and old[0] >= priority:
            return
        if old is not None:
            del self.ready[key]
            self.leave(old[0], key[0])
        self.ready[key] = (priority, self.tick)
        self.turn.setdefault((priority, key[0]), self.tick)

    def leave(self, priority: int, namespace: str) -> None:
        if not any(p == priority and k[0] == namespace for k, (p, _) in self.ready.items()):
            del self.turn[priority, namespace]

    def add_after(self, key: Key, deadline: float, priority: int) -> None:
        if key in self.ready:
            self.add(key, priority)
            return
        self.tick += 1
        old = self.timers.get(key)
        if old is None:
            self.timers[key] = (deadline, self.tick, priority)
        elif deadline < old[0] or priority > old[2]:
            self.timers[key] = (min(deadline, old[0]), self.tick, max(priority, old[2]))

    def advance(self, now: float) -> None:
        for _, key in sorted((timer, key) for key, timer in self.timers.items() if timer[0] <= now):
            priority = self.timers[key][2]
            self.add(key, priority)
            self.timers.pop(key, None)

    def get(self) -> Key:
        self.tick += 1
        top = max(priority for priority, _ in self.ready.values())
        namespace = min((turn, ns) for (priority, ns), turn in self.turn.items() if priority == top)[1]
        key = min((tick, k) for k, (p, tick) in self.ready.items() if p == top and k[0] == namespace)[1]
        del self.ready[key]
        self.turn[top, namespace] = self.tick
        self.leave(top, namespace)
        self.running.add(key)
        return key

    def done(self, key: Key) -> None:
        self.running.remove(key)
        if key in self.dirty:
            self.add(key, self.dirty.pop(key))


keys = st.sampled_from([("x", "1"), ("x", "2"), ("y", "1"), ("y", "2")])
priorities = st.integers(-1, 1)
# Delays end between the multiples of 0.1 s at which the steps are made, so that nothing is due at a step.
delays = st.integers(0, 40).map(lambda n: n / 10 + 0.05)
steps = st.one_of(
    st.tuples(st.just("add"), keys, priorities),
    st.tuples(st.just("add_after"), keys, delays, priorities),
    st.tuples(st.just("get")),
    st.tuples(st.just("get")),
    st.tuples(st.just("done"), st.integers(0, 8)),
    st.tuples(st.just("retry"), st.integers(0, 8)),
    st.tuples(st.just("advance"), st.integers(1, 20).map(lambda n: n / 10)),
)


@settings(max_examples=200, deadline=None)
@given(script=st.lists(steps, min_size=20, max_size=80))
def test_agrees_with_the_model(queue, script: list[tuple[Any, ...]]):
    async def play() -> None:
        work, model = queue(), Model()
        loop = asyncio.get_running_loop()
        for step in script:
            match step:
                case ("add", key, priority):
                    work.add(key, priority)
                    model.add(key, priority)
                case ("add_after", key, delay, priority):
                    work.add_after(key, delay, priority)
                    model.add_after(key, loop.time() + delay, priority)
                case ("get",) if model.ready:
                    got = await work.get()
                    assert got not in model.running
                    assert got == model.get()
                case ("done", index) if model.running:
                    key = sorted(model.running)[index % len(model.running)]
                    work.done(key)
                    model.done(key)
                case ("retry", index) if model.running:
                    key = sorted(model.running)[index % len(model.running)]
                    model.add_after(key, loop.time() + work.retry(key), 0)
                case ("advance", seconds):
                    await asyncio.sleep(seconds)
                    model.advance(loop.time())
            assert (work.depth, work.waiting, work.running) == (
                len(model.ready),
                len(model.timers),
                len(model.running),
            )

    run_virtual(play())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), workers=st.integers(1, 5))
def test_under_load_no_key_runs_twice_at_once_and_no_add_is_forgotten(queue, seed: int, workers: int):
    rng = random.Random(seed)
    asked: dict[Key, int] = {}
    answered: dict[Key, int] = {}
    active: set[Key] = set()

    async def reconcile(key: Key) -> float | None:
        assert key not in active
        active.add(key)
        seen = asked[key]
        try:
            await asyncio.sleep(rng.random())
            if rng.random() < 0.2:
                raise RuntimeError("down")
        finally:
            active.remove(key)
        answered[key] = seen
        return None

    async def play() -> None:
        work = queue(rng=rng)
        errors: list[Exception] = []
        team = Workers(
            work, reconcile, count=workers, timeout=5, on_error=lambda _key, error, _delay: errors.append(error)
        )
        running = asyncio.ensure_future(team.run())
        for _ in range(100):
            key = rng.choice(KEYS)
            asked[key] = asked.get(key, 0) + 1
            work.add(key, rng.choice([0, 1])) if rng.random() < 0.7 else work.add_after(key, rng.random() * 3)
            await asyncio.sleep(rng.random() * 0.3)
        await asyncio.sleep(3600)
        assert answered == asked
        assert {type(error) for error in errors} <= {RuntimeError}
        await work.drain()
        await running

    run_virtual(play())
