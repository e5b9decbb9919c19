"""Proxies that are late, broken, gone or hostile, and who asks too early, too late or twice."""

from __future__ import annotations

import asyncio

import pytest

from canary.core.window import Missing
from canary.metrics.proxies.source import AT_ONCE
from canary.metrics.source import NO_REQUESTS, Peer, SourceError, series_of

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def test_a_new_pod_whose_proxy_does_not_answer_is_excused_once(played, counts):
    async def play(proxies):
        proxies.run("web", A, B, C)
        proxies.say(A, ok=3)
        proxies.fail(C)
        return [counts(await proxies.read()), counts(await proxies.read())]

    assert played(play) == [(3.0, 0.0), "proxy of pod web-10.0.0.3: the answer is 503"]


def test_a_pod_that_was_excused_has_a_first_answer_before_it_has_a_window(played, counts):
    async def play(proxies):
        proxies.run("web", A, B, C)
        proxies.fail(C)
        await proxies.read()
        proxies.say(C, ok=1000)
        proxies.say(A, ok=2)
        first = counts(await proxies.read())
        proxies.say(C, ok=1001)
        return [first, counts(await proxies.read())]

    first, second = played(play)
    assert "first answer" in first
    assert second == (3.0, 0.0)


def test_a_pod_that_fails_makes_the_whole_workload_unknown_and_no_other(played, counts):
    async def play(proxies):
        proxies.run("api", C)
        proxies.say(C)
        await proxies.answer("web", "api")
        proxies.fail(B)
        proxies.say(A, ok=5)
        proxies.say(C, ok=7)
        await asyncio.sleep(1)
        answer = await proxies.answer("web", "api")
        return [counts(answer.readings[series_of("Deployment", "shop", name)]) for name in ("web", "api")]

    assert played(play) == ["proxy of pod web-10.0.0.2: the answer is 503", (7.0, 0.0)]


def test_what_could_not_be_told_is_told_later_and_the_answer_says_how_far_it_reaches(played, counts):
    async def play(proxies):
        proxies.fail(B)
        proxies.say(A, bad=5)
        await proxies.read()
        proxies.say(B, ok=2)
        proxies.say(A, ok=1, bad=5)
        await asyncio.sleep(1)
        answer = await proxies.answer("web")
        return [counts(answer.readings[series_of("Deployment", "shop", "web")]), answer.reach]

    assert played(play) == [(3.0, 5.0), 1.0]


def test_an_answer_in_time_reaches_no_further_than_asked(played):
    async def play(proxies):
        await asyncio.sleep(1)
        return (await proxies.answer("web")).reach

    assert played(play) == 0.0


def test_a_late_question_reaches_back_to_the_last_one(played):
    async def play(proxies):
        await asyncio.sleep(2.5)
        return (await proxies.answer("web")).reach

    assert played(play) == 1.5


def test_after_three_windows_nobody_asked_a_window_begins_anew(played, counts):
    async def play(proxies):
        proxies.say(A, ok=1000)
        await asyncio.sleep(3.5)
        answer = await proxies.answer("web")
        return [counts(answer.readings[series_of("Deployment", "shop", "web")]), answer.reach]

    reading, reach = played(play)
    assert "first answer" in reading
    assert reach == 0.0


def test_a_pod_that_failed_for_three_windows_begins_anew(played, counts):
    async def play(proxies):
        proxies.fail(B)
        for _ in range(4):
            await proxies.read()
        proxies.say(B, ok=1000)
        first = await proxies.read()
        proxies.say(B, ok=1001)
        return [counts(first), counts(await proxies.read())]

    first, second = played(play)
    assert "first answer" in first
    assert second == (1.0, 0.0)


@pytest.mark.parametrize(
    "body", [b"<html>\n", b"age 1\nrequests_total{\n", b"age 1\nrequests_total NaN\n", b"age 1", b""]
)
def test_garbage_makes_a_pod_unknown(played, body):
    async def play(proxies):
        proxies.says[B] = lambda: body
        return await proxies.read()

    reading = played(play)
    assert isinstance(reading, Missing)
    assert reading.reason.startswith("proxy of pod web-10.0.0.2: the answer ")


def test_a_proxy_gets_half_of_the_window_and_a_slow_one_is_unknown(played, counts):
    async def play(proxies):
        proxies.delay[B] = 0.49
        fast = await proxies.read()
        proxies.delay[B] = 0.51
        slow = await proxies.read()
        proxies.delay[B] = 0.11
        return [fast, counts(slow), counts(await proxies.read(timeout=0.2))]

    assert played(play) == [
        NO_REQUESTS,
        "proxy of pod web-10.0.0.2: no answer within 0.5 s",
        "proxy of pod web-10.0.0.2: no answer within 0.1 s",
    ]


def test_a_call_ends_in_time_whatever_the_number_of_slow_proxies(played):
    async def play(proxies):
        addresses = [f"10.1.0.{number}" for number in range(200)]
        proxies.run("web", *addresses)
        for address in addresses:
            proxies.say(address)
        await proxies.answer("web")
        proxies.delay = dict.fromkeys(addresses, 60.0)
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        started = loop.time()
        answer = await proxies.answer("web")
        return [loop.time() - started, next(iter(answer.readings.values())), proxies.most_waiting]

    took, reading, most = played(play)
    assert took <= 1.0
    assert isinstance(reading, Missing)
    assert most == AT_ONCE


def test_pods_that_there_was_no_time_for_are_unknown(played, counts):
    async def play(proxies):
        slow = [f"10.1.0.{number}" for number in range(2 * AT_ONCE)]
        proxies.run("slow", *slow)
        proxies.run("web", A)
        for address in slow:
            proxies.say(address)
        proxies.workloads = {"slow": proxies.workloads["slow"], "web": proxies.workloads["web"]}
        await asyncio.sleep(1)
        await proxies.answer("slow", "web")
        proxies.delay = dict.fromkeys(slow, 60.0)
        await asyncio.sleep(1)
        answer = await proxies.answer("slow", "web")
        return counts(answer.readings[series_of("Deployment", "shop", "web")])

    assert played(play) == f"proxy of pod web-{A}: there was no time left to read it"


def test_an_address_that_no_pod_has_is_never_asked(played, counts):
    async def play(proxies):
        proxies.run("web", "169.254.169.254")
        proxies.asked.clear()
        return [counts(await proxies.read()), proxies.asked]

    assert played(play) == ["proxy of pod web-169.254.169.254: 169.254.169.254 is a link-local address", []]


def test_who_sent_the_requests_cannot_be_asked(played):
    async def play(proxies):
        await proxies.answer("web", peer=Peer("Deployment", "checkout"))

    with pytest.raises(SourceError, match="checkout"):
        played(play)


def test_two_calls_at_once_count_nothing_twice(played, counts):
    async def play(proxies):
        proxies.say(A, ok=5)
        proxies.delay[A] = 0.2
        slow = asyncio.create_task(proxies.read())
        await asyncio.sleep(1.1)
        proxies.delay[A] = 0.0
        proxies.say(A, ok=9)
        fast = await proxies.answer("web")
        return [counts(next(iter(fast.readings.values()))), counts(await slow)]

    fast, slow = played(play)
    assert fast == (9.0, 0.0)
    assert "later read" in slow


def test_a_call_that_is_cancelled_loses_nothing(played, counts):
    async def play(proxies):
        proxies.say(A, ok=5)
        proxies.delay[B] = 0.3
        task = asyncio.create_task(proxies.answer("web"))
        await asyncio.sleep(0.1)
        task.cancel()
        proxies.delay.clear()
        return counts(await proxies.read())

    assert played(play) == (5.0, 0.0)


def test_pods_and_askers_that_are_gone_are_forgotten(played):
    async def play(proxies):
        sizes = []
        for number in range(50):
            proxies.run("web", f"10.2.0.{number}", f"10.3.0.{number}")
            proxies.say(f"10.2.0.{number}")
            proxies.fail(f"10.3.0.{number}")
            await proxies.read(seconds=1 + number % 2)
            sizes.append(len(proxies.source.known))
        await asyncio.sleep(60)
        await proxies.answer(namespace="elsewhere")
        return [max(sizes), len(proxies.source.known)]

    assert played(play) == [4, 0]
