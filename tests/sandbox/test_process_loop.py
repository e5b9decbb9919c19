"""Processes of a simulation: what SIGKILL and SIGSTOP do to them, and their clocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from canary.sandbox.process_loop import ProcessClock, ProcessLoop, outcome
from canary.sandbox.virtual_time import run_virtual

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def in_a_world(story):
    """Run `story(spawn)` in virtual time; `spawn(coroutine, **clocks)` gives the loop and the task of a process."""
    loops = []

    async def world():
        def spawn(main, **clocks):
            loop = ProcessLoop(asyncio.get_running_loop(), **clocks)
            loops.append(loop)
            return loop, loop.create_task(main)

        try:
            return await story(spawn)
        finally:
            for loop in loops:
                await loop.bury()

    return run_virtual(world())


async def tick(seen, seconds=1.0):
    try:
        while True:
            await asyncio.sleep(seconds)
            seen.append(asyncio.get_running_loop().time())
    finally:
        seen.append("finally")


def test_a_killed_process_runs_no_finally():
    async def story(spawn):
        seen = []
        loop, task = spawn(tick(seen))
        await asyncio.sleep(2.5)
        loop.kill()
        await asyncio.sleep(10)
        assert not task.done()
        return list(seen)

    assert in_a_world(story) == [1.0, 2.0]


def test_a_task_that_was_about_to_run_when_its_process_was_killed_can_still_be_buried():
    async def story(spawn):
        seen = []
        loop, task = spawn(tick(seen))
        await asyncio.sleep(1.0)
        loop.kill()
        await asyncio.sleep(1)
        await loop.bury()
        return task.done(), loop.running_tasks

    assert in_a_world(story) == (True, ())


def test_a_stopped_process_finds_its_timers_overdue_when_it_goes_on():
    async def story(spawn):
        seen = []
        loop, _ = spawn(tick(seen))
        await asyncio.sleep(1.5)
        loop.stop_process()
        await asyncio.sleep(30)
        assert seen == [1.0]
        loop.continue_process()
        await asyncio.sleep(1.5)
        return list(seen)

    assert in_a_world(story) == [1.0, 31.5, 32.5]


def test_a_killed_process_does_not_come_back_by_being_continued():
    async def story(spawn):
        seen = []
        loop, _ = spawn(tick(seen))
        loop.stop_process()
        loop.kill()
        loop.continue_process()
        await asyncio.sleep(5)
        return list(seen)

    assert in_a_world(story) == []


def test_clocks_of_two_processes_start_apart_and_run_apart():
    async def story(spawn):
        slow, fast = [], []
        spawn(tick(slow, 10), rate=0.8, origin=1000.0)
        spawn(tick(fast, 10), rate=1.25, origin=5.0)
        await asyncio.sleep(26)
        return list(slow), list(fast)

    slow, fast = in_a_world(story)
    assert slow == [1010.0, 1020.0]
    assert [round(at, 6) for at in fast] == [15.0, 25.0, 35.0]


def test_the_wall_clock_of_a_process_may_be_wrong_and_jump():
    async def story(spawn):
        async def nothing():
            return None

        loop, _ = spawn(nothing(), rate=0.8)
        clock = ProcessClock(loop, EPOCH, wall_offset=3.0)
        await asyncio.sleep(10)
        before = clock.now()
        clock.wall_offset -= 3600
        return before - EPOCH, clock.now() - before, clock.monotonic()

    assert in_a_world(story) == (timedelta(seconds=13), timedelta(hours=-1), 8.0)


def test_a_process_is_waited_for_from_another_loop():
    async def story(spawn):
        async def work():
            await asyncio.sleep(5)
            raise RuntimeError("the end")

        _, task = spawn(work())
        await outcome(task)
        return repr(task.exception()), asyncio.get_running_loop().time()

    assert in_a_world(story) == ("RuntimeError('the end')", 5.0)


def test_what_no_task_handles_is_kept_as_a_complaint():
    async def story(spawn):
        async def work():
            asyncio.get_running_loop().call_soon(lambda: 1 / 0)
            await asyncio.sleep(1)

        loop, task = spawn(work())
        await outcome(task)
        return loop.complaints

    (words,) = in_a_world(story)
    assert "ZeroDivisionError" in words
