"""What goes wrong on purpose, as a client of the direct transport sees it."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import msgspec
import pytest

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, ApiError, Conflict, ServerError, Throttled, Unreachable
from canary.kube.resources import Resource
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.faults import (
    Answer,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Expire,
    Hang,
    LoseAnswer,
    Raw,
    Refuse,
    Silence,
    Stale,
)
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.virtual_time import run_virtual

MAPS = Resource("", "v1", "configmaps", "ConfigMap")
PATH = MAPS.path("default")


class Cluster:
    def __init__(self, **options):
        self.clock = LoopClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.server = ApiServer(self.clock, random.Random(1))
        self.faults = self.server.faults
        self.transport = DirectTransport(self.server, user_agent="tester/1", **options)
        self.client = Client(self.transport, clock=self.clock, rng=random.Random(2))

    async def make(self, name="a", timeout=10.0):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
        return await self.client.create(MAPS, body, "default", timeout=timeout)

    async def names(self):
        return [item["metadata"]["name"] for item in (await self.client.list(MAPS, "default")).items]

    async def watch(self, *, idle=70.0, **query):
        """The lines of a watch, decoded, and the error with which it ended."""
        events = []
        try:
            query = {"watch": "true", "timeoutSeconds": "300", **query}
            async with self.transport.stream(PATH, query=query, idle_timeout=idle) as lines:
                async for line in lines:
                    event = msgspec.json.decode(line)
                    events.append(event)
        except (Unreachable, ApiError) as error:
            return events, error
        return events, None


def in_cluster(scenario, **options):
    async def main():
        return await scenario(Cluster(**options))

    return run_virtual(main())


def now():
    return asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Answer(409), Conflict),
        (Answer(429, retry_after=7), Throttled),
        (Answer(429), Throttled),
        (Answer(500), ServerError),
        (Answer(503), ServerError),
        (Answer(504), ServerError),
        (Raw(502, b"<html>"), ServerError),
        (Refuse(), Unreachable),
        (Drop(), Ambiguous),
        (Hang(), Ambiguous),
    ],
)
def test_a_write_that_fails_before_the_commit_leaves_no_trace(fault, error):
    async def scenario(cluster):
        cluster.faults.add(fault, verb="create", resource="configmaps")
        with pytest.raises(error) as caught:
            await cluster.make()
        assert getattr(caught.value, "retry_after", None) == (7 if fault == Answer(429, retry_after=7) else None)
        cluster.faults.clear()
        return await cluster.names()

    assert in_cluster(scenario) == []


@pytest.mark.parametrize("fault", [LoseAnswer(), Hang(executed=True), Delay(after=20)])
def test_a_write_whose_answer_is_lost_is_ambiguous_and_done(fault):
    async def scenario(cluster):
        cluster.faults.add(fault, verb="create")
        with pytest.raises(Ambiguous):
            await cluster.make()
        return await cluster.names()

    assert in_cluster(scenario) == ["a"]


def test_a_delayed_write_lands_after_its_sender_gave_up():
    async def scenario(cluster):
        cluster.faults.add(Delay(before=20), verb="create")
        with pytest.raises(Ambiguous):
            await cluster.make(timeout=5)
        before = await cluster.names()
        await asyncio.sleep(20)
        return before, await cluster.names()

    assert in_cluster(scenario) == ([], ["a"])


def test_a_request_outlives_the_task_that_sent_it():
    async def scenario(cluster):
        sending = asyncio.create_task(cluster.make())
        await asyncio.sleep(1)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await asyncio.sleep(5)
        return await cluster.names()

    assert in_cluster(scenario, latency=lambda: 2.0) == ["a"]


def test_a_closed_transport_sends_nothing_more():
    async def scenario(cluster):
        sending = asyncio.create_task(cluster.make())
        await asyncio.sleep(1)
        await cluster.transport.close()
        await asyncio.gather(sending, return_exceptions=True)
        return len(cluster.server.commits)

    assert in_cluster(scenario, latency=lambda: 2.0) == 0


def test_latency_counts_both_ways():
    async def scenario(cluster):
        await cluster.make()
        return now()

    assert in_cluster(scenario, latency=lambda: 0.5) == 1.0


@pytest.mark.parametrize(
    ("match", "fails"),
    [
        ({"verb": "create"}, True),
        ({"verb": "update,patch"}, False),
        ({"resource": "configmaps", "namespace": "default"}, True),
        ({"resource": "secrets"}, False),
        ({"namespace": "other"}, False),
        ({"user_agent": "tester"}, True),
        ({"user_agent": "kubectl"}, False),
        ({"subresource": "status"}, False),
        ({"subresource": ""}, True),
        ({"skip": 1}, False),
        ({"times": 0}, False),
        ({"probability": 0.0}, False),
    ],
)
def test_a_rule_meets_only_what_it_matches(match, fails):
    async def scenario(cluster):
        cluster.faults.add(Answer(500), **match)
        try:
            await cluster.make()
        except ServerError:
            return True
        return False

    assert in_cluster(scenario) is fails


def test_the_second_and_third_calls_can_be_picked():
    async def scenario(cluster):
        rule = cluster.faults.add(Answer(500), verb="create", skip=1, times=2)
        outcomes = await asyncio.gather(*(cluster.make(name) for name in "abcd"), return_exceptions=True)
        return [isinstance(outcome, ServerError) for outcome in outcomes], rule.matched, rule.fired

    assert in_cluster(scenario) == ([False, True, True, False], 4, 2)


def test_a_rule_can_be_taken_back():
    async def scenario(cluster):
        cluster.faults.remove(cluster.faults.add(Answer(500)))
        return await cluster.make()

    assert in_cluster(scenario)["metadata"]["name"] == "a"


def test_a_watch_is_cut_after_some_lines_and_a_torn_line_is_dropped():
    async def scenario(cluster):
        for name in "abc":
            await cluster.make(name)
        cluster.faults.add(Cut(lines=2, torn=True))
        return await cluster.watch()

    events, error = in_cluster(scenario)
    assert len(events) == 2
    assert isinstance(error, Unreachable)


def test_a_watch_is_cut_after_some_time():
    async def scenario(cluster):
        cluster.faults.add(Cut(seconds=30))
        _, error = await cluster.watch()
        return error, now()

    error, end = in_cluster(scenario)
    assert isinstance(error, Unreachable)
    assert end == 30


def test_a_silent_watch_is_noticed_by_the_idle_timeout_only():
    async def scenario(cluster):
        cluster.faults.add(Silence(lines=1))
        await cluster.make()
        events, error = await cluster.watch(idle=70, allowWatchBookmarks="true")
        return len(events), error, now()

    count, error, end = in_cluster(scenario)
    assert (count, end) == (1, 70)
    assert isinstance(error, Unreachable)


def test_a_watch_expires_in_the_middle_or_at_once():
    async def scenario(cluster):
        await cluster.make()
        cluster.faults.add(Expire(lines=1), times=1)
        events, _ = await cluster.watch()
        cluster.faults.add(Answer(410), verb="watch")
        return events, (await cluster.watch())[1]

    events, error = in_cluster(scenario)
    assert [event["type"] for event in events] == ["ADDED", "ERROR"]
    assert events[1]["object"]["code"] == error.code == 410


def test_a_watch_tells_everything_twice():
    async def scenario(cluster):
        await cluster.make()
        cluster.faults.add(Duplicate())
        return await cluster.watch(timeoutSeconds="5")

    events, _ = in_cluster(scenario)
    assert [event["type"] for event in events] == ["ADDED", "ADDED"]


def test_all_watches_are_cut_when_the_server_restarts():
    async def scenario(cluster):
        await cluster.make()
        watches = [asyncio.create_task(cluster.watch()) for _ in range(3)]
        await asyncio.sleep(1)
        cluster.server.cut_watches()
        return await asyncio.gather(*watches)

    assert all(isinstance(error, Unreachable) for _, error in in_cluster(scenario))


def test_a_list_goes_back_in_time():
    async def scenario(cluster):
        for name in "abc":
            await cluster.make(name)
        rule = cluster.faults.add(Stale(2), resource="configmaps")
        stale = await cluster.client.list(MAPS, "default")
        cluster.faults.remove(rule)
        return [item["metadata"]["name"] for item in stale.items], await cluster.names()

    assert in_cluster(scenario) == (["a"], ["a", "b", "c"])


def test_a_list_goes_back_by_no_more_than_its_seconds():
    async def scenario(cluster):
        await cluster.make("a")
        await cluster.clock.sleep(3.0)
        await cluster.make("b")
        await cluster.clock.sleep(6.0)
        await cluster.make("c")
        cluster.faults.add(Stale(30, seconds=5.0), resource="configmaps")
        stale = await cluster.client.list(MAPS, "default")
        return [item["metadata"]["name"] for item in stale.items]

    assert in_cluster(scenario) == ["a", "b"]


def test_an_answer_that_is_too_long_is_ambiguous():
    async def scenario(cluster):
        with pytest.raises(Ambiguous):
            await cluster.client.fetch("/version", max_body=10)

    in_cluster(scenario)
