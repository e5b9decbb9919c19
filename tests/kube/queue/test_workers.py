"""The workers that empty a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from canary.kube.backoff import Backoff
from canary.kube.queue import Cancelled, Key, Workers, run_workers

A = ("shop", "a")


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


async def test_an_outcome_is_the_time_of_the_next_run(queue):
    reconcile, times = failing_then(30.0, None)
    work = queue()
    work.add(A)
    running = asyncio.ensure_future(run_workers(work, reconcile, 2, timeout=5, on_error=lambda *_: None))
    await asyncio.sleep(100)
    assert times == [0, pytest.approx(30)]
    await work.drain()
    await running


async def test_failures_are_reported_and_retried_with_backoff_until_a_success(queue):
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


async def test_a_reconcile_that_hangs_is_ended_and_retried(queue):
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


async def test_a_cancellation_from_inside_a_reconcile_is_a_failure_and_no_silent_death(queue):
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


async def test_cancelling_the_workers_cancels_the_reconcile_and_frees_its_key(queue):
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


async def test_a_worker_that_dies_takes_the_others_down_aloud(queue):
    reconcile, _ = failing_then(RuntimeError("down"))

    def broken(_key: Key, _error: Exception, _delay: float) -> None:
        raise OSError("the log is gone")

    work = queue()
    work.add(A)
    with pytest.raises(ExceptionGroup) as caught:
        await run_workers(work, reconcile, 3, timeout=5, on_error=broken)
    assert caught.group_contains(OSError)
