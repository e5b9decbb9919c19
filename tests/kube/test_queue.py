"""The work queue against a plain model, and its workers."""

import asyncio
import random
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.backoff import Backoff
from canary.kube.clock import LoopClock
from canary.kube.queue import Cancelled, Key, QueueClosed, Workers, WorkQueue, run_workers
from canary.sandbox.virtual_time import run_virtual

A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")
KEYS = [(namespace, name) for namespace in ("x", "y", "z") for name in ("1", "2", "3")]


def queue(**overrides: Any) -> WorkQueue:
    arguments: dict[str, Any] = {
        "clock": LoopClock(datetime(2026, 1, 1, tzinfo=UTC)),
        "rng": random.Random(1),
        "backoff": Backoff(base=1, cap=60, jitter=0.5),
    }
    return WorkQueue(**{**arguments, **overrides})


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        run_virtual(test())

    run.__name__ = test.__name__
    return run


async def take(work: WorkQueue, *, done: bool = True) -> list[Key]:
    """Every key that is ready now, in order."""
    taken = []
    while work.depth:
        key = await work.get()
        taken.append(key)
        if done:
            work.done(key)
    return taken


@virtual
async def test_a_key_is_queued_once():
    work = queue()
    for _ in range(3):
        work.add(A)
    assert await take(work) == [A]
    assert work.adds == 1


@virtual
async def test_a_running_key_that_is_added_runs_once_more_after_done():
    work = queue()
    work.add(A)
    key = await work.get()
    work.add(A)
    work.add(A)
    assert work.depth == 0
    work.done(key)
    assert await take(work) == [A]


@virtual
async def test_a_timer_that_fires_while_its_key_runs_marks_it_dirty():
    work = queue()
    work.add(A)
    key = await work.get()
    work.add_after(A, 5)
    await asyncio.sleep(6)
    assert (work.depth, work.waiting) == (0, 0)
    work.done(key)
    assert await take(work) == [A]


@virtual
async def test_the_earliest_of_two_delays_wins():
    for delays in ([5, 50], [50, 5]):
        work = queue()
        for delay in delays:
            work.add_after(A, delay)
        start = asyncio.get_running_loop().time()
        assert await work.get() == A
        assert asyncio.get_running_loop().time() - start == pytest.approx(5)
        assert work.waiting == 0


@virtual
async def test_an_immediate_add_takes_the_place_of_a_delayed_one():
    work = queue()
    work.add_after(A, 5)
    work.add(A)
    assert await take(work) == [A]
    await asyncio.sleep(10)
    assert work.depth == 0


@virtual
async def test_a_delay_of_nothing_is_an_immediate_add():
    work = queue()
    work.add_after(A, 0)
    work.add_after(B, -3)
    assert await take(work) == [A, B]


@pytest.mark.parametrize("delay", [float("nan"), float("inf")])
def test_a_delay_that_is_no_number_of_seconds_is_refused(delay: float):
    with pytest.raises(ValueError, match="finite"):
        queue().add_after(A, delay)


@virtual
async def test_higher_priorities_come_first_and_raise_a_queued_key():
    work = queue()
    work.add(A, -1)
    work.add(B)
    work.add(C, -1)
    work.add(C, 5)
    work.add(B, -1)
    assert await take(work) == [C, B, A]


@virtual
async def test_namespaces_take_turns():
    work = queue()
    for name in "12345":
        work.add(("big", name))
    work.add(("small", "1"))
    work.add(("tiny", "1"))
    order = await take(work)
    assert order[:4] == [("big", "1"), ("small", "1"), ("tiny", "1"), ("big", "2")]
    assert [name for namespace, name in order if namespace == "big"] == list("12345")


@virtual
async def test_retries_back_off_per_key_until_forgotten():
    work = queue(backoff=Backoff(base=1, cap=60, jitter=0))
    assert [work.retry(A) for _ in range(3)] == [1, 2, 4]
    assert work.retry(B) == 1
    work.forget(A)
    assert work.retry(A) == 1
    assert work.retries == 5
    assert work.failures(B) == 1


@virtual
async def test_replaced_timers_do_not_pile_up():
    work = queue()
    for step in range(10_000):
        work.add_after(A, 100_000 - step)
    assert work.waiting == 1
    assert len(work._heap) < 200


@virtual
async def test_waits_are_measured_from_the_first_add():
    seen: list[tuple[Key, float, float]] = []
    work = queue(on_done=lambda *args: seen.append(args))
    await asyncio.sleep(1)
    work.add(A)
    await asyncio.sleep(3)
    work.add(A, 9)
    assert work.oldest_wait == pytest.approx(3)
    key = await work.get()
    await asyncio.sleep(4)
    assert work.longest_running == pytest.approx(4)
    work.done(key)
    assert seen == [(A, pytest.approx(3), pytest.approx(4))]
    assert (work.oldest_wait, work.longest_running) == (0, 0)


@virtual
async def test_a_cancelled_get_hands_its_wake_up_on():
    work = queue()
    first, second = asyncio.ensure_future(work.get()), asyncio.ensure_future(work.get())
    await asyncio.sleep(0)
    work.add(A)
    first.cancel()
    assert await asyncio.wait_for(second, 1) == A
    with pytest.raises(asyncio.CancelledError):
        await first


@virtual
async def test_a_get_cancelled_before_the_add_costs_nothing():
    work = queue()
    first, second = asyncio.ensure_future(work.get()), asyncio.ensure_future(work.get())
    await asyncio.sleep(0)
    first.cancel()
    work.add(A)
    assert await asyncio.wait_for(second, 1) == A
    with pytest.raises(asyncio.CancelledError):
        await first


@virtual
async def test_done_of_a_key_that_does_not_run_is_an_error():
    with pytest.raises(KeyError):
        queue().done(A)


@virtual
async def test_draining_waits_for_running_keys_and_drops_the_rest():
    work = queue()
    for key in (A, B):
        work.add(key)
    work.add_after(C, 1)
    running = await work.get()
    idle = queue()
    waiter = asyncio.ensure_future(idle.get())
    await asyncio.sleep(0)
    idle.close()
    with pytest.raises(QueueClosed):
        await waiter
    drain = asyncio.ensure_future(work.drain())
    await asyncio.sleep(5)
    assert not drain.done()
    assert (work.depth, work.waiting, work.running) == (0, 0, 1)
    work.add(A)
    work.add_after(B, 1)
    work.done(running)
    await asyncio.wait_for(drain, 1)
    with pytest.raises(QueueClosed):
        await work.get()


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


@settings(max_examples=800, deadline=None)
@given(st.lists(steps, min_size=20, max_size=80))
def test_agrees_with_the_model(script: list[tuple[Any, ...]]):
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
def test_under_load_no_key_runs_twice_at_once_and_no_add_is_forgotten(seed: int, workers: int):
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


def failing_then(*results: Any) -> tuple[Callable[[Key], Coroutine[Any, Any, float | None]], list[float]]:
    """A reconcile that raises or returns the results in turn, and the times of its calls."""
    times: list[float] = []

    async def reconcile(_key: Key) -> float | None:
        times.append(asyncio.get_running_loop().time())
        result = results[min(len(times), len(results)) - 1]
        if isinstance(result, BaseException):
            raise result
        return result

    return reconcile, times


@virtual
async def test_an_outcome_is_the_time_of_the_next_run():
    reconcile, times = failing_then(30.0, None)
    work = queue()
    work.add(A)
    running = asyncio.ensure_future(run_workers(work, reconcile, 2, timeout=5, on_error=lambda *_: None))
    await asyncio.sleep(100)
    assert times == [0, pytest.approx(30)]
    await work.drain()
    await running


@virtual
async def test_failures_are_reported_and_retried_with_backoff_until_a_success():
    reconcile, times = failing_then(RuntimeError("one"), ValueError("two"), float("nan"), None)
    reported: list[str] = []
    work = queue(backoff=Backoff(base=1, cap=60, jitter=0))
    team = Workers(
        work, reconcile, count=1, timeout=5, on_error=lambda key, error, delay: reported.append(f"{error} {delay}")
    )
    work.add(A)
    running = asyncio.ensure_future(team.run())
    await asyncio.sleep(100)
    assert times == pytest.approx([0, 1, 3, 7])
    assert reported[:2] == ["one 1.0", "two 2.0"]
    assert (team.failed, team.succeeded, work.failures(A)) == (3, 1, 0)
    work.close()
    await running


@virtual
async def test_a_reconcile_that_hangs_is_ended_and_retried():
    calls = 0

    async def reconcile(_key: Key) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            await asyncio.sleep(10_000)

    work = queue()
    team = Workers(work, reconcile, count=1, timeout=5, on_error=lambda *_: None)
    work.add(A)
    running = asyncio.ensure_future(team.run())
    await asyncio.sleep(10)
    assert (calls, team.timed_out, team.failed, team.succeeded) == (2, 1, 1, 1)
    work.close()
    await running


@virtual
async def test_a_cancellation_from_inside_a_reconcile_is_a_failure_and_no_silent_death():
    reconcile, times = failing_then(asyncio.CancelledError(), None)
    errors: list[Exception] = []
    work = queue()
    work.add(A)
    running = asyncio.ensure_future(
        run_workers(work, reconcile, 1, timeout=5, on_error=lambda _key, error, _delay: errors.append(error))
    )
    await asyncio.sleep(10)
    assert len(times) == 2
    assert [type(error) for error in errors] == [Cancelled]
    work.close()
    await running


@virtual
async def test_cancelling_the_workers_cancels_the_reconcile_and_frees_its_key():
    ended = False

    async def reconcile(_key: Key) -> None:
        nonlocal ended
        try:
            await asyncio.sleep(100)
        finally:
            ended = True

    work = queue()
    work.add(A)
    running = asyncio.ensure_future(run_workers(work, reconcile, 3, timeout=500, on_error=lambda *_: None))
    await asyncio.sleep(1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert ended
    assert work.running == 0


@virtual
async def test_a_worker_that_dies_takes_the_others_down_aloud():
    reconcile, _ = failing_then(RuntimeError("down"))

    def broken(_key: Key, _error: Exception, _delay: float) -> None:
        raise OSError("the log is gone")

    work = queue()
    work.add(A)
    with pytest.raises(ExceptionGroup) as caught:
        await run_workers(work, reconcile, 3, timeout=5, on_error=broken)
    assert caught.group_contains(OSError)
