"""One set of queries for many who ask the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from canary.metrics.prometheus.question import Question
from canary.smi_metrics.cache import Busy, Flights
from canary.smi_metrics.process import AT_ONCE, Cached, keep_for
from tests.smi_metrics.conftest import Given, measured


class ByHand:
    """A clock that somebody else moves."""

    def __init__(self) -> None:
        self.time = 100.0

    def monotonic(self) -> float:
        return self.time


class Asked:
    """Answers when it is told to; remembers the keys."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.answer: Callable[[str], list[str]] = lambda key: [key]
        self.gate = asyncio.Event()

    async def __call__(self, key: str) -> list[str]:
        self.keys.append(key)
        await self.gate.wait()
        return self.answer(key)


@pytest.fixture
def clock():
    return ByHand()


@pytest.fixture
def ask():
    return Asked()


@pytest.fixture
def flights(ask, clock):
    return Flights(ask, clock=clock, keep=lambda key: 2.0, weigh=len, capacity=5, most=3)


async def begun(*questions):
    tasks = [asyncio.create_task(question) for question in questions]
    await asyncio.sleep(0)
    return tasks


async def test_who_asks_the_same_at_once_shares_the_answer(flights, ask):
    tasks = await begun(*(flights.get("a") for _ in range(100)))
    ask.gate.set()
    answers = await asyncio.gather(*tasks)
    assert ask.keys == ["a"]
    assert all(answer is answers[0] for answer in answers)


async def test_an_answer_is_kept_for_a_while_and_no_longer(flights, ask, clock):
    ask.gate.set()
    await flights.get("a")
    clock.time += 1.9
    await flights.get("a")
    assert ask.keys == ["a"]
    clock.time += 0.2
    await flights.get("a")
    assert ask.keys == ["a", "a"]


async def test_the_time_counts_from_the_question_so_that_a_slow_answer_is_not_kept(flights, ask, clock):
    tasks = await begun(flights.get("a"))
    clock.time += 2.5
    ask.gate.set()
    await asyncio.gather(*tasks)
    assert flights.weight == 0
    await flights.get("a")
    assert ask.keys == ["a", "a"]


async def test_an_error_is_told_to_all_and_not_kept(flights, ask):
    def fail(key):
        raise ValueError(key)

    ask.answer = fail
    tasks = await begun(flights.get("a"), flights.get("a"))
    ask.gate.set()
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in errors] == [ValueError, ValueError]
    ask.answer = lambda key: [key]
    assert await flights.get("a") == ["a"]
    assert ask.keys == ["a", "a"]


async def test_who_gives_up_waiting_stops_nobody_else(flights, ask):
    first, second = await begun(flights.get("a"), flights.get("a"))
    first.cancel()
    await asyncio.sleep(0)
    ask.gate.set()
    assert await second == ["a"]


async def test_what_is_kept_is_bounded_and_the_oldest_goes_first(flights, ask):
    ask.gate.set()
    for key in "abc":
        await flights.get(key)
    assert flights.weight == 4
    await flights.get("c")
    await flights.get("a")
    assert ask.keys == ["a", "b", "c", "a"]


async def test_an_answer_larger_than_all_that_is_kept_is_not_kept(flights, ask):
    ask.answer = lambda key: [key] * 5
    ask.gate.set()
    await flights.get("a")
    assert flights.weight == 0


async def test_what_is_old_takes_no_room(flights, ask, clock):
    ask.gate.set()
    await flights.get("a")
    clock.time += 3
    await flights.get("b")
    assert flights.weight == 2


async def test_too_many_different_questions_at_once_are_refused(flights, ask):
    tasks = await begun(*(flights.get(key) for key in "abc"))
    with pytest.raises(Busy, match="3 different questions"):
        await flights.get("d")
    ask.gate.set()
    await asyncio.gather(*tasks)
    assert await flights.get("d") == ["d"]


async def test_closing_ends_what_is_under_way(flights, ask):
    (task,) = await begun(flights.get("a"))
    await flights.close()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("window", "seconds"), [(1, 1.0), (10, 1.0), (30, 3.0), (150, 15.0), (3600, 15.0)])
def test_numbers_are_kept_for_a_tenth_of_their_window(window, seconds):
    assert keep_for(Question("deployment", window)) == seconds


async def test_windows_and_namespaces_are_questions_of_their_own(clock):
    given = Given([measured()])
    cached = Cached(given, clock=clock, timeout=1.0)
    for question in [Question("pod", 30), Question("pod", 60), Question("pod", 30, "shop"), Question("pod", 30)]:
        await cached.measure(question)
    assert len(given.questions) == 3


class Crowd:
    """Counts who is asked at once; answers when it is let."""

    def __init__(self):
        self.now = self.highest = 0
        self.gate = asyncio.Event()

    async def measure(self, question):
        self.now += 1
        self.highest = max(self.highest, self.now)
        await self.gate.wait()
        self.now -= 1
        return []


async def test_many_different_questions_are_asked_a_few_at_a_time(clock):
    crowd = Crowd()
    cached = Cached(crowd, clock=clock, timeout=10.0)
    tasks = [asyncio.create_task(cached.measure(Question("pod", 30, f"team-{number}"))) for number in range(100)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert crowd.now == AT_ONCE
    crowd.gate.set()
    assert await asyncio.gather(*tasks) == [[]] * 100
    assert crowd.highest == AT_ONCE


async def test_who_waits_behind_others_that_hang_is_given_up_on_too(clock):
    cached = Cached(Crowd(), clock=clock, timeout=0.05)
    tasks = [cached.measure(Question("pod", 30, f"team-{number}")) for number in range(20)]
    assert {type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)} == {TimeoutError}


async def test_whoever_measures_is_given_up_on_in_time(clock):
    class Hangs:
        async def measure(self, question):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await Cached(Hangs(), clock=clock, timeout=0.01).measure(Question("pod", 30))
