"""The work queue, rule by rule."""

from __future__ import annotations

import asyncio

import pytest

from canary.kube.backoff import Backoff
from canary.kube.queue import Key, QueueClosed, WorkQueue

A, B, C = ("shop", "a"), ("shop", "b"), ("shop", "c")


async def take(work: WorkQueue, *, done: bool = True) -> list[Key]:
    """Every key that is ready now, in order."""
    taken = []
    while work.depth:
        key = await work.get()
        taken.append(key)
        if done:
            work.done(key)
    return taken


async def test_a_key_is_queued_once(queue):
    work = queue()
    for _ in range(3):
        work.add(A)
    assert await take(work) == [A]
    assert work.adds == 1


async def test_a_running_key_that_is_added_runs_once_more_after_done(queue):
    work = queue()
    work.add(A)
    key = await work.get()
    work.add(A)
    work.add(A)
    assert work.depth == 0
    work.done(key)
    assert await take(work) == [A]


async def test_a_timer_that_fires_while_its_key_runs_marks_it_dirty(queue):
    work = queue()
    work.add(A)
    key = await work.get()
    work.add_after(A, 5)
    await asyncio.sleep(6)
    assert (work.depth, work.waiting) == (0, 0)
    work.done(key)
    assert await take(work) == [A]


async def test_the_earliest_of_two_delays_wins(queue):
    for delays in ([5, 50], [50, 5]):
        work = queue()
        for delay in delays:
            work.add_after(A, delay)
        start = asyncio.get_running_loop().time()
        assert await work.get() == A
        assert asyncio.get_running_loop().time() - start == pytest.approx(5)
        assert work.waiting == 0


async def test_an_immediate_add_takes_the_place_of_a_delayed_one(queue):
    work = queue()
    work.add_after(A, 5)
    work.add(A)
    assert await take(work) == [A]
    await asyncio.sleep(10)
    assert work.depth == 0


async def test_a_delay_of_nothing_is_an_immediate_add(queue):
    work = queue()
    work.add_after(A, 0)
    work.add_after(B, -3)
    assert await take(work) == [A, B]


@pytest.mark.parametrize("delay", [float("nan"), float("inf")])
def test_a_delay_that_is_no_number_of_seconds_is_refused(queue, delay: float):
    with pytest.raises(ValueError, match="finite"):
        queue().add_after(A, delay)


async def test_higher_priorities_come_first_and_raise_a_queued_key(queue):
    work = queue()
    work.add(A, -1)
    work.add(B)
    work.add(C, -1)
    work.add(C, 5)
    work.add(B, -1)
    assert await take(work) == [C, B, A]


async def test_namespaces_take_turns(queue):
    work = queue()
    for name in "12345":
        work.add(("big", name))
    work.add(("small", "1"))
    work.add(("tiny", "1"))
    order = await take(work)
    assert order[:4] == [("big", "1"), ("small", "1"), ("tiny", "1"), ("big", "2")]
    assert [name for namespace, name in order if namespace == "big"] == list("12345")


async def test_retries_back_off_per_key_until_forgotten(queue):
    work = queue(backoff=Backoff(base=1, cap=60, jitter=0))
    assert [work.retry(A) for _ in range(3)] == [1, 2, 4]
    assert work.retry(B) == 1
    work.forget(A)
    assert work.retry(A) == 1
    assert work.retries == 5
    assert work.failures(B) == 1


async def test_replaced_timers_do_not_pile_up(queue):
    work = queue()
    for step in range(10_000):
        work.add_after(A, 100_000 - step)
    assert work.waiting == 1
    assert len(work._heap) < 200


async def test_waits_are_measured_from_the_first_add(queue):
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


async def test_a_cancelled_get_hands_its_wake_up_on(queue):
    work = queue()
    first, second = asyncio.ensure_future(work.get()), asyncio.ensure_future(work.get())
    await asyncio.sleep(0)
    work.add(A)
    first.cancel()
    assert await asyncio.wait_for(second, 1) == A
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_get_cancelled_before_the_add_costs_nothing(queue):
    work = queue()
    first, second = asyncio.ensure_future(work.get()), asyncio.ensure_future(work.get())
    await asyncio.sleep(0)
    first.cancel()
    work.add(A)
    assert await asyncio.wait_for(second, 1) == A
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_done_of_a_key_that_does_not_run_is_an_error(queue):
    with pytest.raises(KeyError):
        queue().done(A)


async def test_draining_waits_for_running_keys_and_drops_the_rest(queue):
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
