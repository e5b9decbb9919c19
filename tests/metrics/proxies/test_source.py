"""Windows of workloads, out of what the proxies of their pods say."""

from __future__ import annotations

import asyncio

import pytest

from canary.core.window import Bucket
from canary.metrics.source import NO_REQUESTS, NO_SERIES, series_of

A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def test_a_workload_is_the_sum_of_its_pods(played, counts):
    async def play(proxies):
        proxies.say(A, ok=5, bad=1)
        proxies.say(B, ok=2)
        return await proxies.read()

    assert counts(played(play)) == (7.0, 1.0)


def test_latency_is_that_of_all_pods_together(played):
    async def play(proxies):
        proxies.say(A, ok=90, slow=0)
        proxies.say(B, ok=10, slow=10)
        return await proxies.read()

    reading = played(play)
    assert reading.histogram == (Bucket(0.01, 90.0), Bucket(float("inf"), 100.0))
    assert reading.latency == pytest.approx({"p50": 0.01 * 50 / 90, "p90": 0.01, "p99": 0.01})


def test_latency_is_by_the_bounds_that_all_pods_have(played):
    async def play(proxies):
        proxies.say(A, ok=4)
        proxies.says[B] = lambda: (
            b'age 100\nrequests_total{code="200"} 6\n'
            b'latency_bucket{le="5"} 1\nlatency_bucket{le="10"} 5\nlatency_bucket{le="+Inf"} 6\n'
        )
        return await proxies.read()

    assert played(play).histogram == (Bucket(0.01, 9.0), Bucket(float("inf"), 10.0))


def test_what_was_told_is_not_told_again(played, counts):
    async def play(proxies):
        proxies.say(A, ok=5)
        first = await proxies.read()
        second = await proxies.read()
        proxies.say(A, ok=6)
        return [first, second, await proxies.read()]

    first, second, third = played(play)
    assert (counts(first), second, counts(third)) == ((5.0, 0.0), NO_REQUESTS, (1.0, 0.0))


def test_the_port_and_the_path_are_those_of_the_flavour(played):
    async def play(proxies):
        return proxies.asked

    assert played(play) == [(A, 9102, "/metrics"), (B, 9102, "/metrics")]


def test_the_first_answer_of_a_workload_is_no_window(played, counts):
    async def play(proxies):
        proxies.run("api", C)
        proxies.say(C, ok=1000)
        return await proxies.read("api")

    assert "first answer" in counts(played(play))


def test_a_workload_without_pods_has_no_series(played):
    async def play(proxies):
        proxies.run("api")
        return [await proxies.read("api"), await proxies.read("nobody")]

    assert played(play) == [NO_SERIES, NO_SERIES]


def test_a_new_pod_counts_from_its_first_answer_on(played, counts):
    async def play(proxies):
        proxies.run("web", A, B, C)
        proxies.say(A, ok=3)
        proxies.say(C, ok=1000)
        first = await proxies.read()
        proxies.say(C, ok=1004)
        return [counts(first), counts(await proxies.read())]

    assert played(play) == [(3.0, 0.0), (4.0, 0.0)]


def test_a_restarted_proxy_counts_from_zero(played, counts):
    async def play(proxies):
        proxies.say(A, ok=10, age=100)
        await proxies.read()
        proxies.say(A, ok=30, age=1)
        return await proxies.read()

    assert counts(played(play)) == (30.0, 0.0)


def test_windows_of_two_lengths_do_not_disturb_each_other(played, counts):
    async def play(proxies):
        await proxies.answer("web", seconds=2)
        proxies.say(A, ok=1)
        short = [counts(await proxies.read())]
        proxies.say(A, ok=3)
        short.append(counts(await proxies.read()))
        return [
            short,
            counts((await proxies.answer("web", seconds=2)).readings[series_of("Deployment", "shop", "web")]),
        ]

    assert played(play) == [[(1.0, 0.0), (2.0, 0.0)], (3.0, 0.0)]


def test_another_kind_and_another_namespace_have_their_own_windows(played, counts):
    async def play(proxies):
        await proxies.answer("web", kind="Service")
        await proxies.answer("web", namespace="other")
        proxies.say(A, ok=4)
        await asyncio.sleep(1)
        answers = [await proxies.answer("web", **which) for which in ({}, {"kind": "Service"}, {"namespace": "other"})]
        return [counts(next(iter(answer.readings.values()))) for answer in answers]

    assert played(play) == [(4.0, 0.0)] * 3


def test_a_pod_of_two_workloads_is_read_once_and_counts_for_both(played, counts):
    async def play(proxies):
        proxies.workloads["all"] = proxies.workloads["web"]
        await proxies.answer("web", "all")
        proxies.say(A, ok=4)
        await asyncio.sleep(1)
        proxies.asked.clear()
        answer = await proxies.answer("web", "all")
        return [len(proxies.asked), *(counts(reading) for reading in answer.readings.values())]

    assert played(play) == [2, (4.0, 0.0), (4.0, 0.0)]


def test_names_may_come_and_go_between_windows(played, counts):
    async def play(proxies):
        proxies.run("api", C)
        proxies.say(C)
        proxies.say(A, ok=1)
        await asyncio.sleep(1)
        return (await proxies.answer("web", "api")).readings[series_of("Deployment", "shop", "web")]

    assert counts(played(play)) == (1.0, 0.0)
