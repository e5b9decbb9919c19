"""The HTTP face, over real sockets on the loopback interface."""

from __future__ import annotations

import asyncio
import json
import random
import stat
from contextlib import asynccontextmanager

import pytest
import yaml

from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.errors import Ambiguous, NotFound, Throttled, Unauthorized, Unreachable
from canary.kube.http import HttpTransport
from canary.kube.resources import Resource
from canary.kube.transport import Response
from canary.sandbox.apiserver.faults import Answer, Cut, Drop, Hang, LoseAnswer
from canary.sandbox.apiserver.http import serve
from canary.sandbox.apiserver.server import ApiServer

MAPS = Resource("", "v1", "configmaps", "ConfigMap")
BODY = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}


@asynccontextmanager
async def cluster(*, token="", sent=""):
    server = ApiServer(SystemClock(), random.Random(1))
    face = await serve(server, token=token)
    transport = HttpTransport(face.url, token=sent or token)
    client = Client(transport, clock=SystemClock(), rng=random.Random(2))
    try:
        yield server, face, client
    finally:
        await client.close()
        await face.close()


async def test_objects_travel_over_http():
    async with cluster() as (_, _, client):
        await client.create(MAPS, BODY, "default")
        assert (await client.get(MAPS, "a", "default"))["metadata"]["name"] == "a"
        with pytest.raises(NotFound):
            await client.get(MAPS, "b", "default")


async def test_a_watch_travels_over_http_and_ends_with_the_server():
    watch = {"watch": "true"}
    async with cluster() as (_, face, client), client.transport.stream(MAPS.path("default"), query=watch) as lines:
        await client.create(MAPS, BODY, "default")
        assert json.loads(await anext(lines))["type"] == "ADDED"
        await face.close()
        with pytest.raises((StopAsyncIteration, Unreachable)):
            await anext(lines)


async def test_a_watcher_that_leaves_is_forgotten():
    async with cluster() as (_, face, client):
        async with client.transport.stream(MAPS.path("default"), query={"watch": "true"}):
            assert len(face._streams) == 1
        for _ in range(500):
            if not face._streams:
                break
            await asyncio.sleep(0.01)
        assert not face._streams


async def test_who_has_not_the_token_stays_outside(tmp_path):
    async with cluster(token="secret", sent="wrong") as (_, face, client):
        with pytest.raises(Unauthorized):
            await client.get(MAPS, "a", "default")
        face.write_kubeconfig(tmp_path / "config")
    written = yaml.safe_load((tmp_path / "config").read_text())
    assert written["clusters"][0]["cluster"]["server"] == f"{face.url}/secret"
    assert stat.S_IMODE((tmp_path / "config").stat().st_mode) == 0o600


async def test_the_token_opens_as_header_or_as_first_step_of_the_path():
    async with cluster(token="secret") as (_, face, client):
        assert b"gitVersion" in (await client.fetch("/version")).body
        async with cluster(sent="none"):
            transport = HttpTransport(f"{face.url}/secret")
            assert (await transport.request("GET", "/version")).status == 200
            await transport.close()


@pytest.mark.parametrize(("fault", "done"), [(Drop(), False), (LoseAnswer(), True), (Hang(executed=True), True)])
async def test_a_broken_connection_is_ambiguous(fault, done):
    async with cluster() as (server, _, client):
        server.faults.add(fault, verb="create")
        with pytest.raises(Ambiguous):
            await client.transport.request("POST", MAPS.path("default"), body=json.dumps(BODY).encode(), timeout=0.3)
        assert len(server.commits) == int(done)


async def test_an_injected_answer_carries_its_headers():
    async with cluster() as (server, _, client):
        server.faults.add(Answer(429, retry_after=3), verb="create")
        with pytest.raises(Throttled) as caught:
            await client.create(MAPS, BODY, "default")
        assert caught.value.retry_after == 3


async def test_a_watch_that_is_cut_in_mid_line_is_unreachable():
    async with cluster() as (server, _, client):
        await client.create(MAPS, BODY, "default")
        server.faults.add(Cut(lines=1, torn=True))
        async with client.transport.stream(MAPS.path("default"), query={"watch": "true"}) as stream:
            assert json.loads(await anext(stream))["type"] == "ADDED"
            with pytest.raises(Unreachable):
                await anext(stream)


async def test_an_aggregated_api_answers_for_its_group_until_it_is_removed():
    async def handler(request):
        return Response(200, json.dumps({"path": request.path, "query": dict(request.query)}).encode())

    resources = [
        {"name": "deployments", "singularName": "", "namespaced": True, "kind": "TrafficMetrics", "verbs": ["list"]}
    ]
    path = "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments"
    async with cluster() as (server, _, client):
        server.aggregate("metrics.smi-spec.io", "v1alpha1", resources, handler)
        assert json.loads((await client.fetch(path, query={"t": "30s"})).body) == {"path": path, "query": {"t": "30s"}}
        listed = json.loads((await client.fetch("/apis/metrics.smi-spec.io/v1alpha1")).body)
        assert listed["resources"] == resources
        server.disaggregate("metrics.smi-spec.io", "v1alpha1")
        with pytest.raises(NotFound):
            await client.fetch(path)


async def test_a_taken_port_is_an_error():
    async with cluster() as (server, face, _):
        with pytest.raises(OSError, match="in use"):
            await serve(server, port=int(face.url.rpartition(":")[2]))
