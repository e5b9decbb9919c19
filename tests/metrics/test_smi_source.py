"""The call to the metrics API: what is asked, and what each way to fail is called."""

from __future__ import annotations

import asyncio

import pytest

from canary.core.window import Missing, Peer, Sample
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.transport import Response
from canary.metrics.smi_source import SmiSource
from canary.metrics.source import Asked, SourceError, series_of
from canary.sandbox.virtual_time import run_virtual

LIST = "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/"


@pytest.fixture
def read(scripted, epoch):
    """The answer of a source whose API server answers `answer`, and the transport that was asked."""

    def run(answer, kind="Deployment", seconds=30, timeout=10.0, peer=None, **options):
        client, transport = scripted(answer if callable(answer) else lambda path, query: answer)
        source = SmiSource(client, clock=LoopClock(epoch), **options)
        return run_virtual(
            source.read(Asked("shop", kind, seconds, frozenset(), peer), timeout=timeout)
        ).readings, transport

    return run


@pytest.fixture
def failure(read):
    def run(answer, **options):
        with pytest.raises(SourceError) as caught:
            read(answer, **options)
        return str(caught.value)

    return run


@pytest.mark.parametrize(
    ("kind", "plural"),
    [
        ("Deployment", "deployments"),
        ("StatefulSet", "statefulsets"),
        ("DaemonSet", "daemonsets"),
        ("Pod", "pods"),
        ("Service", "services"),
    ],
)
def test_one_list_of_the_namespace_is_asked_for(read, build_listing, kind, plural):
    _, transport = read(build_listing(), kind=kind)
    assert transport.asked == [(LIST + plural, {"t": "30s"}, 16 * 1024 * 1024)]


def test_what_a_peer_sees_is_asked_for_as_its_edges(read, build_edge, build_listing):
    listing = build_listing(
        build_edge("to", "web", failure="1"), build_edge("to", "pay", failure="9"), build_edge("from", "web")
    )
    answer, transport = read(listing, peer=Peer("StatefulSet", "checkout"))
    assert transport.asked == [(LIST + "statefulsets/checkout/edges", {"t": "30s"}, 16 * 1024 * 1024)]
    assert {series.name: sample.failure for series, sample in answer.items()} == {"web": 1.0, "pay": 9.0}


@pytest.mark.parametrize("edge", [None, {"direction": "to", "resource": None}])
def test_an_edge_that_names_nobody_is_no_answer(failure, build_item, build_listing, edge):
    assert "names nobody" in failure(build_listing(build_item(edge=edge)), peer=Peer("Deployment", "checkout"))


def test_the_answer_is_read(read, build_item, build_listing):
    answer, _ = read(build_listing(build_item()))
    assert isinstance(answer[series_of("Deployment", "shop", "web")], Sample)


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ({}, Missing("stale: 7200 s old")),
        ({"date": "soon"}, Missing("stale: 7200 s old")),
        ({"date": "Wed, 31 Dec 2025 22:00:00 GMT"}, Sample),
        ({"date": "Wed, 31 Dec 2025 22:00:00 GMT", "age": "600"}, Missing("stale: 600 s old")),
        ({"date": "Wed, 31 Dec 2025 23:00:00 GMT"}, Missing("stale: 3600 s old")),
    ],
)
def test_how_old_an_answer_is_is_told_by_the_clock_of_its_server(read, build_item, build_listing, headers, seen):
    # The controller's own clock says 00:00:00 of the next day, and may be wrong.
    body = build_listing(build_item(timestamp="2025-12-31T22:00:00Z"))
    answer, _ = read(Response(200, body, headers))
    reading = answer[series_of("Deployment", "shop", "web")]
    assert isinstance(reading, Sample) if seen is Sample else reading == seen


def test_the_override_of_the_unit_is_used(read, build_item, build_listing):
    answer, _ = read(build_listing(build_item(p99="0.3")), latency_unit="Seconds")
    assert answer[series_of("Deployment", "shop", "web")].latency["p99"] == 0.3


@pytest.mark.parametrize(
    ("code", "body", "words"),
    [
        (401, b"Unauthorized client certificate CN=x", "answered 401: Unauthorized client certificate CN=x"),
        (403, b'{"kind":"Status","message":"no"}', "answered 403: no; the controller needs the verb list on deploy"),
        (404, b'{"error":"Unsupported resource: services"}', "answered 404"),
        (404, b"404 page not found", "404: 404 page not found; does an APIService for metrics.smi-spec.io exist"),
        (500, b'{"error":"unable to lookup metrics"}', "answered 500"),
        (500, b'"Post http://prometheus: timeout"', "answered 500"),
        (503, b"service unavailable\n", "the metrics API answered 503: service unavailable"),
        (503, b"<html><h1>503</h1></html>", "the metrics API answered 503: an HTML page"),
        (503, b"", "the metrics API answered 503"),
        (302, b"", "the metrics API answered 302"),
        (429, b"", "the metrics API answered 429"),
    ],
)
def test_an_error_status_is_named_and_asked_once(scripted, failure, code, body, words):
    calls = []
    assert words in failure(lambda path, query: calls.append(path) or Response(code, body))
    assert len(calls) == 1


def test_the_right_that_lacks_for_an_edge_is_named(failure):
    words = failure(Response(403, b""), peer=Peer("Deployment", "checkout"))
    assert "the controller needs the verb get on deployments/edges of metrics.smi-spec.io" in words


def test_a_page_in_place_of_the_answer_is_named(failure):
    assert failure(b"<html>Sign in</html>") == "the metrics API answered HTML, not JSON"


def test_an_unreachable_api_is_named(failure):
    assert failure(Unreachable("connection refused")) == "the metrics API cannot be reached: connection refused"


@pytest.mark.parametrize("cause", ["the answer has more than 16777216 bytes", "the connection broke"])
def test_an_answer_that_broke_off_is_named(failure, cause):
    assert failure(Ambiguous(cause)) == f"the metrics API did not answer in full: {cause}"


def test_an_answer_that_trickles_in_is_given_up(failure):
    async def slow():
        await asyncio.sleep(3600)

    assert failure(lambda path, query: slow(), timeout=1.5) == "the metrics API did not answer within 1.5s"


def test_cancelling_is_not_a_failure_of_the_source(scripted, epoch):
    async def main():
        client, _ = scripted(lambda path, query: asyncio.sleep(3600))
        source = SmiSource(client, clock=LoopClock(epoch))
        task = asyncio.create_task(source.read(Asked("shop", "Pod", 30, frozenset()), timeout=10.0))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())
