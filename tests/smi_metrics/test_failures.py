"""What goes wrong behind the server, and what its clients are told."""

from __future__ import annotations

import asyncio
import json

import pytest

from canary.metrics.prometheus.prometheus import PrometheusError
from canary.metrics.prometheus.question import Unanswerable
from canary.metrics.smi import parse
from canary.metrics.source import SourceError
from canary.smi_metrics.cache import Busy

PATHS = pytest.mark.parametrize("path", ["/deployments", "/namespaces/shop/pods/web", "/namespaces/shop/edges"])


@PATHS
@pytest.mark.parametrize(
    "error",
    [
        PrometheusError("Prometheus did not answer in full: reset"),
        PrometheusError("Prometheus did not answer: 502", code=502),
        TimeoutError(),
    ],
)
async def test_prometheus_down_or_slow_is_503_and_says_when_to_ask_again(api, given, path, error):
    given.error = error
    answer = await api.ask(path)
    status = json.loads(answer.body)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert (status["reason"], status["details"]["retryAfterSeconds"]) == ("ServiceUnavailable", 1)
    assert "Prometheus did not answer" in status["message"]


@PATHS
async def test_a_query_that_prometheus_refuses_is_our_fault(api, given, path):
    given.error = PrometheusError("Prometheus refused a query: parse error at char 7", code=400, rejected=True)
    answer = await api.ask(path)
    assert (answer.status, "Retry-After" in answer.headers) == (500, False)
    assert json.loads(answer.body)["message"] == "Prometheus refused a query: parse error at char 7"


@PATHS
async def test_what_a_pack_has_no_numbers_of_is_not_found(api, given, path):
    given.error = Unanswerable("Traefik does not measure what a pod receives; it does for service")
    status = await api.refused(path)
    assert (status["code"], status["message"]) == (404, str(given.error))


async def test_too_many_different_questions_are_told_to_come_back(api, given):
    given.error = Busy("64 different questions are being answered")
    answer = await api.ask("/deployments")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")


async def test_an_error_that_nobody_expects_tells_nothing_of_the_inside(api, given):
    given.error = RuntimeError("secret")
    status = await api.refused("/deployments")
    assert (status["code"], "secret" in status["message"]) == (500, False)


async def test_cancelling_is_no_error(api, given):
    given.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await api.ask("/deployments")


@pytest.mark.parametrize("error", [PrometheusError("down"), PrometheusError("bad", rejected=True), Unanswerable("no")])
async def test_our_own_client_takes_no_failure_for_numbers(api, given, error):
    given.error = error
    answer = await api.ask("/deployments")
    with pytest.raises(SourceError, match="answered a Status"):
        parse(answer.body, window=30)
