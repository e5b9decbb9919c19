"""Watches, through the direct transport and in virtual time."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import UTC, datetime

import pytest

from canary.kube.clock import LoopClock
from canary.kube.errors import ApiError
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.virtual_time import run_virtual

MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


class Cluster:
    """A server in the running loop, and a few writes."""

    def __init__(self):
        self.server = ApiServer(LoopClock(datetime(2026, 1, 1, tzinfo=UTC)), random.Random(1))
        self.transport = DirectTransport(self.server)

    async def send(self, method, path, body=None, **options):
        raw = None if body is None else json.dumps(body).encode()
        answer = await self.transport.request(method, path, body=raw, **options)
        assert answer.status < 300, answer.body
        return json.loads(answer.body)

    async def make(self, name, **labels):
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}}
        return (await self.send("POST", MAPS, body))["metadata"]["resourceVersion"]

    async def label(self, name, **labels):
        await self.send("PATCH", f"{MAPS}/{name}", {"metadata": {"labels": labels}}, content_type=MERGE)

    async def remove(self, name):
        await self.send("DELETE", f"{MAPS}/{name}")

    async def watch(self, path=MAPS, *, timeout="5", **query):
        """All events until the watch ends by itself."""
        async with self.transport.stream(path, query={"watch": "true", "timeoutSeconds": timeout, **query}) as lines:
            return [json.loads(line) async for line in lines]


def seen(events):
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


def in_cluster(scenario):
    async def main():
        return await scenario(Cluster())

    return run_virtual(main())


async def watching(cluster, writes, **query):
    """What a watch tells of `writes` that happen once it is open."""
    reading = asyncio.create_task(cluster.watch(**query))
    await asyncio.sleep(1)
    await writes
    return await reading


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
def test_without_a_version_a_watch_begins_with_what_is_there(query):
    async def scenario(cluster):
        await cluster.make("a")
        return await watching(cluster, cluster.make("b"), **query)

    assert seen(in_cluster(scenario)) == [("ADDED", "a"), ("ADDED", "b")]


def test_from_a_version_a_watch_tells_what_came_after_it():
    async def scenario(cluster):
        version = await cluster.make("a")
        await cluster.label("a", x="1")
        await cluster.remove("a")
        return version, await cluster.watch(resourceVersion=version)

    version, events = in_cluster(scenario)
    assert seen(events) == [("MODIFIED", "a"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert int(version) < versions[0] < versions[1]


def test_an_object_comes_and_goes_with_its_selector():
    async def scenario(cluster):
        async def writes():
            await cluster.make("a", pick="no")
            await cluster.label("a", pick="yes")
            await cluster.label("a", other="x")
            await cluster.label("a", pick="no")
            await cluster.remove("a")

        return await watching(cluster, writes(), labelSelector="pick=yes")

    assert seen(in_cluster(scenario)) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


def test_a_watch_of_one_object_by_field_or_by_path():
    async def scenario(cluster):
        await cluster.make("a")
        await cluster.make("b")
        by_field = await cluster.watch(fieldSelector="metadata.name=b")
        return by_field, await cluster.watch(f"{MAPS}/b")

    assert [seen(events) for events in in_cluster(scenario)] == [[("ADDED", "b")]] * 2


def test_bookmarks_come_each_minute_and_shortly_before_the_end():
    async def scenario(cluster):
        loop = asyncio.get_running_loop()
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": "150"}
        await cluster.make("a")
        begin = loop.time()
        async with cluster.transport.stream(MAPS, query=query) as lines:
            times = [(round(loop.time() - begin), json.loads(line)["type"]) async for line in lines]
        return times, round(loop.time() - begin)

    times, end = in_cluster(scenario)
    assert times == [(0, "ADDED"), (60, "BOOKMARK"), (120, "BOOKMARK"), (148, "BOOKMARK")]
    assert end == 150


def test_without_asking_there_are_no_bookmarks():
    assert in_cluster(lambda cluster: cluster.watch(timeout="65")) == []


def test_a_bookmark_says_up_to_which_version_all_is_told():
    async def scenario(cluster):
        await cluster.make("a")
        other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
        made = await cluster.send("POST", MAPS.replace("configmaps", "secrets"), other)
        events = await cluster.watch(timeout="65", allowWatchBookmarks="true")
        return made["metadata"]["resourceVersion"], events[1]

    version, bookmark = in_cluster(scenario)
    assert bookmark["object"]["metadata"]["resourceVersion"] == version
    assert bookmark["object"]["kind"] == "ConfigMap"


def test_a_streaming_list_marks_the_end_of_what_was_there():
    async def scenario(cluster):
        await cluster.make("a")
        query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        return await watching(cluster, cluster.make("b"), **query)

    events = in_cluster(scenario)
    assert seen(events)[:3] == [("ADDED", "a"), ("BOOKMARK", ""), ("ADDED", "b")]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


@pytest.mark.parametrize(
    "query", [{"sendInitialEvents": "true"}, {"resourceVersionMatch": "NotOlderThan"}, {"timeoutSeconds": "x"}]
)
def test_contradictory_parameters_are_refused(query):
    async def scenario(cluster):
        async with cluster.transport.stream(MAPS, query={"watch": "true", **query}):
            pass

    with pytest.raises(ApiError):
        in_cluster(scenario)


def test_a_watch_from_a_forgotten_version_gets_410_as_an_event():
    async def scenario(cluster):
        version = await cluster.make("a")
        await cluster.label("a", x="1")
        cluster.server.compact()
        return await cluster.watch(resourceVersion=version)

    (event,) = in_cluster(scenario)
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_a_slow_reader_whose_place_was_forgotten_gets_410():
    async def scenario(cluster):
        await cluster.make("a")
        async with cluster.transport.stream(MAPS, query={"watch": "true"}) as lines:
            await anext(lines)
            await cluster.label("a", x="1")
            cluster.server.compact()
            return json.loads(await anext(lines))

    assert in_cluster(scenario)["object"]["code"] == 410


def test_a_cancelled_reader_leaves_nothing_behind():
    async def scenario(cluster):
        await cluster.make("a")
        reading = asyncio.create_task(cluster.watch(timeout="100"))
        await asyncio.sleep(1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await cluster.make("b")
        return len(asyncio.all_tasks())

    assert in_cluster(scenario) == 1


def test_a_table_watch_names_its_columns_once():
    async def scenario(cluster):
        await cluster.make("a")
        await cluster.make("b")
        accept = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
        stream = cluster.server.handle(Request("GET", MAPS, {"watch": "true", "timeoutSeconds": "1"}, accept))
        return [json.loads(line)["object"] async for line in stream]

    first, second = in_cluster(scenario)
    assert first["columnDefinitions"]
    assert second["columnDefinitions"] == []
    assert [table["rows"][0]["object"]["metadata"]["name"] for table in (first, second)] == ["a", "b"]


def test_every_change_reaches_every_watch_in_order():
    async def scenario(cluster):
        async def writes():
            for number in range(200):
                await cluster.make(f"m{number:04}")

        watches = [asyncio.create_task(cluster.watch(timeout="10")) for _ in range(20)]
        await asyncio.sleep(1)
        await writes()
        return await asyncio.gather(*watches)

    expected = [("ADDED", f"m{number:04}") for number in range(200)]
    assert all(seen(events) == expected for events in in_cluster(scenario))
