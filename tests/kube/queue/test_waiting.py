"""Those who wait for a key: whatever is cancelled or closed under them, no key is lost, doubled or left lying."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.backoff import Backoff
from canary.kube.queue import Key, QueueClosed, Workers, WorkQueue
from canary.sandbox.virtual_time import run_virtual

KEYS = st.sampled_from([("x", "1"), ("x", "2"), ("y", "1")])
INDEX = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(st.just("add"), KEYS, st.integers(0, 1)),
    st.tuples(st.just("add_after"), KEYS, st.sampled_from([0.5, 2.0, 9.0])),
    st.tuples(st.just("get")),
    st.tuples(st.just("get")),
    st.tuples(st.just("cancel"), INDEX),
    st.tuples(st.just("race"), KEYS, INDEX),
    st.tuples(st.just("done"), INDEX),
    st.tuples(st.just("retry"), INDEX),
    st.tuples(st.just("pause"), st.sampled_from([0.0, 0.0, 0.3, 3.0])),
)


def now() -> float:
    return asyncio.get_running_loop().time()


class Crew:
    """A queue, those who wait for its keys, and those who have one. `asked` counts the adds, `seen` those answered."""

    def __init__(self, work: WorkQueue) -> None:
        self.work = work
        self.getters: list[asyncio.Task[None]] = []
        self.running: list[Key] = []
        self.asked: Counter[Key] = Counter()
        self.seen: Counter[Key] = Counter()
        self.due: dict[Key, float] = {}
        self.closed = 0

    def add(self, key: Key, priority: int = 0) -> None:
        self.work.add(key, priority)
        self.asked[key] += 1
        self.due[key] = now()

    def add_after(self, key: Key, delay: float) -> None:
        self.work.add_after(key, delay)
        self.asked[key] += 1
        self.due[key] = min(now() + delay, self.due.get(key, now() + delay))

    def get(self) -> None:
        self.getters.append(asyncio.ensure_future(self._get()))

    async def _get(self) -> None:
        try:
            key = await self.work.get()
        except QueueClosed:
            self.closed += 1
            return
        assert key not in self.running
        assert now() >= self.due.pop(key) - 1e-5
        self.running.append(key)
        self.seen[key] = self.asked[key]

    def cancel(self, index: int) -> None:
        if self.getters:
            self.getters[index % len(self.getters)].cancel()

    async def race(self, key: Key, index: int) -> None:
        """Cancel one who waits in the turn in which a key comes for somebody."""
        await self.pause(0.1)
        self.add(key)
        self.cancel(index)
        await self.pause(0.1)

    def done(self, index: int) -> None:
        if self.running:
            self.work.done(self.running.pop(index % len(self.running)))

    def retry(self, index: int) -> None:
        if self.running:
            key = self.running[index % len(self.running)]
            delay = self.work.retry(key)
            self.asked[key] += 1
            self.due[key] = min(now() + delay, self.due.get(key, now() + delay))

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if seconds:
            self.check()

    def check(self) -> None:
        """When everybody has had a turn, nobody waits while a key is ready, and what is due has been handed out."""
        for getter in self.getters:
            if getter.done() and not getter.cancelled():
                getter.result()
        self.getters = [getter for getter in self.getters if not getter.done()]
        if self.getters:
            assert self.work.depth == 0
            assert [key for key, due in self.due.items() if due < now() - 1e-5 and key not in self.running] == []

    async def finish(self) -> None:
        """Work until nothing is left."""
        for _ in range(20):
            while self.running:
                self.done(0)
            while len(self.getters) < 3:
                self.get()
            await asyncio.sleep(70)
            self.check()
        assert self.seen == self.asked
        assert (self.work.depth, self.work.waiting, self.work.running) == (0, 0, 0)

    async def close(self) -> None:
        """Close the queue while some wait, some work, and some keys are ready."""
        before = self.closed
        waiting = [getter for getter in self.getters if not getter.done() and not getter.cancelling()]
        drained = asyncio.ensure_future(self.work.drain())
        await asyncio.sleep(0.1)
        handed_out = self.seen.copy()
        assert all(getter.done() for getter in waiting)
        assert self.closed - before <= len(waiting)
        for key in (("x", "1"), ("x", "2")):
            self.add(key)
            self.add_after(key, 1)
        self.get()
        await asyncio.sleep(30)
        assert drained.done() is not bool(self.running)
        while self.running:
            self.done(0)
        await asyncio.wait_for(drained, 1)
        assert self.seen == handed_out
        assert (self.work.depth, self.work.waiting, self.work.running) == (0, 0, 0)
        assert not any(getter.result() for getter in self.getters if not getter.cancelled())


@settings(max_examples=200, deadline=None)
@given(script=st.lists(STEPS, min_size=10, max_size=60), closes=st.booleans())
def test_nothing_is_lost_whoever_is_cancelled_and_nothing_is_handed_out_once_it_is_closed(
    queue: Any, script: list[tuple[Any, ...]], closes: bool
) -> None:
    async def play() -> None:
        crew = Crew(queue(backoff=Backoff(base=1, cap=5)))
        for name, *details in script:
            result = getattr(crew, name)(*details)
            if result is not None:
                await result
        await (crew.close() if closes else crew.finish())

    run_virtual(play())


ARRIVALS = st.lists(
    st.tuples(st.sampled_from("xyz"), st.integers(0, 9), st.sampled_from([0, 0, 1]), st.integers(0, 2)), max_size=60
)


@settings(max_examples=150, deadline=None)
@given(arrivals=ARRIVALS)
def test_a_key_waits_for_no_lower_priority_and_for_no_more_of_another_namespace_than_its_own_place(
    queue: Any, arrivals: list[tuple[str, int, int, int]]
) -> None:
    """The rule of fair queueing by turns (Nagle, RFC 970, section 6), between namespaces of one priority."""

    async def play() -> None:
        work: WorkQueue = queue()
        ready: dict[Key, int] = {}
        place: dict[Key, int] = {}
        passed: dict[Key, Counter[str]] = {}

        async def hand_out() -> None:
            key = await work.get()
            work.done(key)
            priority = ready.pop(key)
            assert priority == max([priority, *ready.values()])
            for other in (other for other in ready if ready[other] == priority and other[0] != key[0]):
                passed[other][key[0]] += 1
                assert passed[other][key[0]] <= place[other]

        for namespace, name, priority, served in arrivals:
            key = (namespace, str(name))
            work.add(key, priority)
            if priority > ready.get(key, -1):
                ready.pop(key, None)
                place[key] = 1 + sum(k[0] == namespace and p == priority for k, p in ready.items())
                passed[key] = Counter()
                ready[key] = priority
            for _ in range(min(served, len(ready))):
                await hand_out()
        while ready:
            await hand_out()

    run_virtual(play())


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 4), stops=st.sampled_from(["cancel", "drain"]))
def test_workers_that_are_stopped_leave_no_key_running_and_no_reconcile_behind(
    queue: Any, seed: int, count: int, stops: str
) -> None:
    rng, active = random.Random(seed), 0

    async def reconcile(key: Key) -> float | None:
        nonlocal active
        active += 1
        try:
            await asyncio.sleep(rng.random() * 3)
            return rng.choice([None, 0.0, 1.0])
        finally:
            active -= 1

    async def play() -> None:
        work: WorkQueue = queue(rng=rng)
        team = Workers(work, reconcile, count=count, timeout=2, on_error=lambda *_: None)
        running = asyncio.ensure_future(team.run())
        for _ in range(20):
            work.add((rng.choice("xy"), rng.choice("123")))
            await asyncio.sleep(rng.random())
            assert active == work.running <= count
        if stops == "cancel":
            running.cancel()
            await asyncio.wait([running])
        else:
            async with asyncio.timeout(2.1):
                await work.drain()
            await running
        assert (active, work.running) == (0, 0)
        before = team.succeeded + team.failed
        await asyncio.sleep(60)
        assert (team.succeeded + team.failed, active) == (before, 0)

    run_virtual(play())
