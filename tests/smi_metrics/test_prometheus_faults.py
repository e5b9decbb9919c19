"""A Prometheus that answers badly, over real HTTP, and what the clients of the metrics API are told."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from canary.cli.smi_metrics import Measuring
from canary.kube.clock import SystemClock
from canary.metrics.prometheus.http import HttpPrometheus
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.smi import parse
from canary.metrics.source import SourceError, series_of
from canary.smi_metrics.process import Cached
from tests.smi_metrics.conftest import Api, Labelled

NOW = 1_767_268_800.0
WEB = {"namespace": "shop", "deployment": "web", "classification": "success"}


def vector(*values, labels=WEB):
    result = [{"metric": labels, "value": [NOW, value]} for value in values]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


class Prometheus:
    """Answers every query as it is told, and counts them."""

    def __init__(self):
        self.answer = web.Response
        self.queries = []

    async def query(self, request):
        self.queries.append((await request.post())["query"])
        return await self.answer() if asyncio.iscoroutinefunction(self.answer) else self.answer()

    def say(self, text, status=200, content_type="application/json"):
        self.answer = lambda: web.Response(text=text, status=status, content_type=content_type)


@pytest.fixture
def prometheus():
    return Prometheus()


@asynccontextmanager
async def api_over(prometheus, timeout=5.0):
    application = web.Application()
    application.router.add_post("/api/v1/query", prometheus.query)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    client = HttpPrometheus(f"http://127.0.0.1:{runner.addresses[0][1]}", max_body=64 * 1024)
    measuring = Measuring(client, shipped("linkerd"), timeout=timeout)
    try:
        yield Api(Cached(measuring, clock=SystemClock(), timeout=timeout), Labelled())
    finally:
        await client.close()
        await runner.cleanup()


async def code(prometheus, timeout=5.0):
    """The status of a list, which our own client must not take for numbers unless it is 200."""
    async with api_over(prometheus, timeout) as api:
        answer = await api.ask("/namespaces/shop/deployments")
    if answer.status != 200:
        with pytest.raises(SourceError):
            parse(answer.body, window=30)
    return answer.status


@pytest.mark.parametrize(
    "text",
    [
        "<html>Sign in</html>",
        "",
        "null",
        '{"status": "success", "data": {"resultType": "vec',
        '{"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}',
        '{"status": "success", "data": {"resultType": "string", "result": [1, "x"]}}',
        json.dumps({"status": "success", "data": {"resultType": "vector", "result": [{"metric": WEB, "value": 7}]}}),
        vector("x" * 100_000),
    ],
)
async def test_nonsense_is_503_and_never_numbers(prometheus, text):
    prometheus.say(text)
    assert await code(prometheus) == 503


@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500, 502, 503])
async def test_every_error_of_http_is_503(prometheus, status):
    prometheus.say("no", status, "text/plain")
    assert await code(prometheus) == 503


@pytest.mark.parametrize("status", [400, 422])
async def test_a_query_that_is_refused_is_500(prometheus, status):
    prometheus.say('{"status": "error", "errorType": "bad_data", "error": "parse error"}', status)
    assert await code(prometheus) == 500


async def test_a_prometheus_that_does_not_answer_is_503_in_time(prometheus):
    async def never():
        await asyncio.Event().wait()

    prometheus.answer = never
    async with asyncio.timeout(10):
        assert await code(prometheus, timeout=0.2) == 503


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-Inf", "-1", "0"])
async def test_a_count_that_is_none_is_no_data(prometheus, value):
    prometheus.say(vector(value))
    async with api_over(prometheus) as api:
        assert (await api.get("/namespaces/shop/deployments"))["items"] == []
        assert (await api.refused("/namespaces/shop/deployments/web"))["code"] == 404


async def test_a_count_beyond_belief_is_not_served(prometheus):
    prometheus.say(vector("1e300"))
    async with api_over(prometheus) as api:
        answer = await api.ask("/namespaces/shop/deployments")
    reading = parse(answer.body, window=30, now=NOW)[series_of("deployment", "shop", "web")]
    assert "success_count is absent" in str(reading)


async def test_no_series_is_an_empty_list(prometheus):
    prometheus.say(vector())
    async with api_over(prometheus) as api:
        assert (await api.get("/namespaces/shop/deployments"))["items"] == []


async def test_a_hundred_lists_at_once_cost_at_most_five_queries(prometheus):
    prometheus.say(vector("3"))
    async with api_over(prometheus) as api:
        answers = await asyncio.gather(*(api.ask("/namespaces/shop/deployments", t="60s") for _ in range(100)))
    assert {answer.status for answer in answers} == {200}
    assert 1 <= len(prometheus.queries) <= 5


@pytest.mark.parametrize("name", ['web"} or vector(1) #', "web|.*", "web\\", "web\n", "..", "{{name}}"])
async def test_a_name_cannot_change_a_query(prometheus, name):
    prometheus.say(vector("3"))
    async with api_over(prometheus) as api:
        assert (await api.refused(f"/namespaces/shop/deployments/{name}"))["code"] == 404
        assert (await api.refused(f"/namespaces/{name}/deployments"))["code"] == 404
    assert prometheus.queries == []
