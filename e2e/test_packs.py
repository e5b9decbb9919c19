"""Every pack against a real Prometheus, which scrapes an exposition of the mesh once a second.

The expositions in tests/metrics/prometheus/expositions say what is expected of them, and by which arithmetic. They hold
one second of traffic, so that a window of ten seconds has ten times as much. Nothing here needs the control plane.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from canary.metrics.prometheus.aggregates import measure
from canary.metrics.prometheus.http import HttpPrometheus
from canary.metrics.prometheus.pack_file import customised, shipped
from canary.metrics.prometheus.prometheus import PrometheusError
from canary.metrics.prometheus.question import Measured, Question, Unanswerable, Workload
from e2e.exposed import Exposed, read
from e2e.plane.certificates import Authority
from e2e.prometheus import PrometheusServer

EXPOSITIONS = Path(__file__).parents[1] / "tests" / "metrics" / "prometheus" / "expositions"
WINDOW = 10
TIMEOUT = 10.0
# A scrape may be late, on a machine that is busy, and is served a moment after its timestamp.
NEARLY = 0.03


@pytest.fixture(scope="module")
def exposed() -> Iterator[Exposed]:
    started = time.monotonic()
    server = Exposed(read(EXPOSITIONS), lambda: time.monotonic() - started)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def server(exposed: Exposed) -> Iterator[PrometheusServer]:
    """A Prometheus that has scraped for longer than a window."""
    jobs = "".join(
        f"- job_name: {name}\n  metrics_path: /{name}\n  static_configs: [{{targets: ['127.0.0.1:{exposed.port}']}}]\n"
        for name in read(EXPOSITIONS)
    )
    with PrometheusServer(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n{jobs}") as server:
        asyncio.run(_scraped(server.url, WINDOW + 1))
        yield server


async def _scraped(url: str, times: int) -> None:
    client = HttpPrometheus(url)
    await _until(client, f"min(count_over_time(up[{times + 1}s])) >= {times}")
    await client.close()


async def _until(client: HttpPrometheus, query: str) -> None:
    """Until the query has an answer."""
    async with asyncio.timeout(60):
        while True:
            if (await client.query(query, timeout=TIMEOUT)).series:
                return
            await asyncio.sleep(0.2)


@pytest.fixture
async def prometheus(server: PrometheusServer) -> AsyncIterator[HttpPrometheus]:
    client = HttpPrometheus(server.url)
    yield client
    await client.close()


def of(kind: Any, name: str, namespace: str = "shop") -> Workload:
    return Workload(kind, "" if kind == "namespace" else namespace, name)


def seen(measured: list[Measured]) -> dict[Any, tuple[float, float]]:
    """Successes and failures a second, by who received, or by who sent and who received."""
    return {
        (one.source, one.workload) if one.source else one.workload: (one.success / WINDOW, one.failure / WINDOW)
        for one in measured
    }


WEB, CANARY, CHECKOUT = of("deployment", "web"), of("deployment", "web-canary"), of("deployment", "checkout")
SERVICE, CANARY_SERVICE = of("service", "web"), of("service", "web-canary")

RECEIVED = [
    ("linkerd", Question("deployment", WINDOW, "shop"), {WEB: (95, 5), CANARY: (8, 2)}),
    ("linkerd", Question("deployment", WINDOW, names=("web",)), {WEB: (95, 5)}),
    ("linkerd", Question("deployment", WINDOW, "other"), {}),
    ("linkerd", Question("statefulset", WINDOW), {}),
    (
        "linkerd",
        Question("pod", WINDOW, "shop", ("web-1", "web-2")),
        {of("pod", "web-1"): (57, 3), of("pod", "web-2"): (38, 2)},
    ),
    ("linkerd", Question("namespace", WINDOW), {of("namespace", "shop"): (103, 7)}),
    # No server knows by which Service it was called; clients do.
    ("linkerd", Question("service", WINDOW, "shop"), {SERVICE: (95, 5), CANARY_SERVICE: (8, 2)}),
    ("istio", Question("deployment", WINDOW, "shop"), {WEB: (113, 7), CANARY: (8, 2)}),
    ("istio", Question("deployment", WINDOW), {WEB: (113, 7), CANARY: (8, 2)}),
    ("istio", Question("service", WINDOW), {SERVICE: (113, 7), CANARY_SERVICE: (8, 2)}),
    ("istio", Question("namespace", WINDOW), {of("namespace", "shop"): (121, 9)}),
    ("envoy", Question("service", WINDOW, "shop"), {SERVICE: (95, 5), CANARY_SERVICE: (8, 2)}),
    ("envoy", Question("service", WINDOW), {SERVICE: (95, 5), CANARY_SERVICE: (8, 2)}),
    ("envoy", Question("service", WINDOW, "shop", ("web",)), {SERVICE: (95, 5)}),
    ("envoy", Question("namespace", WINDOW), {of("namespace", "shop"): (103, 7)}),
    ("envoy", Question("namespace", WINDOW, "shop"), {of("namespace", "shop"): (103, 7)}),
    ("consul", Question("service", WINDOW, "shop"), {SERVICE: (95, 5)}),
    ("consul", Question("pod", WINDOW, "shop", ("web-2",)), {of("pod", "web-2"): (38, 2)}),
    ("traefik", Question("service", WINDOW, "shop"), {SERVICE: (95, 5), CANARY_SERVICE: (8, 2)}),
    ("traefik", Question("service", WINDOW, "shop", ("web",)), {SERVICE: (95, 5)}),
    ("nginx", Question("service", WINDOW), {SERVICE: (95, 5), CANARY_SERVICE: (8, 2)}),
    ("nginx", Question("namespace", WINDOW, names=("shop",)), {of("namespace", "shop"): (103, 7)}),
    ("generic", Question("service", WINDOW, "shop", ("web", "idle")), {SERVICE: (95, 5)}),
    ("generic", Question("pod", WINDOW, "shop", ("web-1",)), {of("pod", "web-1"): (57, 3)}),
]


@pytest.mark.parametrize(("pack", "question", "expected"), RECEIVED)
async def test_received_requests_are_counted(
    prometheus: HttpPrometheus, pack: str, question: Question, expected: dict[Any, tuple[float, float]]
) -> None:
    found = seen(await measure(prometheus, shipped(pack), question, timeout=TIMEOUT))
    assert found == {whose: pytest.approx(rate, rel=NEARLY) for whose, rate in expected.items()}


REPORT = of("statefulset", "report", "batch")
EDGES = [
    (
        "linkerd",
        Question("deployment", WINDOW, edges=True),
        {(CHECKOUT, WEB): (76, 4), (CHECKOUT, CANARY): (8, 2)},
    ),
    ("linkerd", Question("deployment", WINDOW, "shop", ("web",), edges=True), {(CHECKOUT, WEB): (76, 4)}),
    (
        "linkerd",
        Question("deployment", WINDOW, edges=True, peer_namespace="shop", peers=("checkout",)),
        {(CHECKOUT, WEB): (76, 4), (CHECKOUT, CANARY): (8, 2)},
    ),
    ("linkerd", Question("deployment", WINDOW, edges=True, peers=("nobody",)), {}),
    ("linkerd", Question("deployment", WINDOW, "shop", edges=True, peer_kind="statefulset"), {(REPORT, WEB): (19, 1)}),
    (
        "istio",
        Question("deployment", WINDOW, edges=True),
        {(CHECKOUT, WEB): (104, 6), (CHECKOUT, CANARY): (8, 2)},
    ),
    (
        "envoy",
        Question("service", WINDOW, "shop", ("web",), edges=True, peer_kind="deployment"),
        {(CHECKOUT, SERVICE): (76, 4), (of("deployment", "report", "batch"), SERVICE): (19, 1)},
    ),
    (
        "envoy",
        Question("service", WINDOW, edges=True, peer_kind="pod", peer_namespace="shop", peers=("checkout-1",)),
        {
            (of("pod", "checkout-1"), SERVICE): (76, 4),
            (of("pod", "checkout-1"), CANARY_SERVICE): (8, 2),
        },
    ),
    (
        "consul",
        Question("service", WINDOW, "shop", edges=True),
        {(of("service", "checkout", "front"), SERVICE): (93, 7)},
    ),
]


@pytest.mark.parametrize(("pack", "question", "expected"), EDGES)
async def test_edges_are_counted_by_who_sent(
    prometheus: HttpPrometheus, pack: str, question: Question, expected: dict[Any, tuple[float, float]]
) -> None:
    found = seen(await measure(prometheus, shipped(pack), question, timeout=TIMEOUT))
    assert found == {whose: pytest.approx(rate, rel=NEARLY) for whose, rate in expected.items()}


@pytest.mark.parametrize(
    ("pack", "kind", "p50", "p90", "p99"),
    [
        ("linkerd", "deployment", 0.010, 0.040, 0.150),
        ("istio", "deployment", 0.010, 0.050, 0.175),
        ("envoy", "service", 0.010, 0.050, 0.175),
        ("consul", "service", 0.010, 0.050, 0.175),
        ("traefik", "service", 0.1, 0.3, 3.1),
        ("nginx", "service", 0.010, 0.050, 0.175),
        ("generic", "service", 0.010, 0.050, 0.175),
    ],
)
async def test_latencies_are_seconds_of_all_requests_together(
    prometheus: HttpPrometheus, pack: str, kind: Any, p50: float, p90: float, p99: float
) -> None:
    question = Question(kind, WINDOW, "shop", ("web",))
    (web,) = await measure(prometheus, shipped(pack), question, timeout=TIMEOUT)
    assert web.latency == pytest.approx({"p50": p50, "p90": p90, "p99": p99}, rel=1e-6)


async def test_an_edge_has_the_latency_that_its_client_saw(prometheus: HttpPrometheus) -> None:
    question = Question("deployment", WINDOW, "shop", ("web-canary",), edges=True)
    (edge,) = await measure(prometheus, shipped("linkerd"), question, timeout=TIMEOUT)
    assert edge.latency == pytest.approx({"p50": 0.075, "p90": 0.095, "p99": 0.0995}, rel=1e-6)


async def test_what_has_no_histogram_has_no_latency(prometheus: HttpPrometheus) -> None:
    question = Question("service", WINDOW, "shop", ("web-canary",))
    (canary,) = await measure(prometheus, shipped("nginx"), question, timeout=TIMEOUT)
    assert canary.latency == {}


async def test_the_newest_scrape_is_told(prometheus: HttpPrometheus) -> None:
    question = Question("service", WINDOW, "shop", ("web",))
    (web,) = await measure(prometheus, shipped("generic"), question, timeout=TIMEOUT)
    assert time.time() - 3 < web.at <= time.time()


async def test_a_mesh_that_names_clusters_otherwise_is_read_with_overrides(prometheus: HttpPrometheus) -> None:
    names = {"service": {"label": "pod", "pattern": "{name}-{any}"}, "pod": None}
    pack = customised(shipped("generic"), {"received": {"destination": {"names": names}}})
    found = seen(await measure(prometheus, pack, Question("service", WINDOW, "shop", ("web",)), timeout=TIMEOUT))
    assert found == {SERVICE: pytest.approx((95, 5), rel=NEARLY)}


EVIL = 'we"b\\ {x=~".*"}\n'


async def test_a_name_with_quotes_is_found_as_it_is(prometheus: HttpPrometheus) -> None:
    question = Question("service", WINDOW, "shop", (EVIL,))
    found = seen(await measure(prometheus, shipped("generic"), question, timeout=TIMEOUT))
    assert found == {of("service", EVIL): pytest.approx((4, 0), rel=NEARLY)}


@pytest.mark.parametrize("pack", ["linkerd", "envoy", "traefik", "generic", "nginx"])
@pytest.mark.parametrize(
    "name",
    [
        'x"} or up{job!="',
        '") or vector(1) #',
        ".*",
        ".+|web",
        "web|web-canary",
        "(web)",
        "\\",
        "\\Q.*\\E",
        "web\n",
        "\0",
        "$1",
        "wéb\u2028\ufffd\U0001f600",
    ],
)
async def test_no_name_breaks_out(prometheus: HttpPrometheus, pack: str, name: str) -> None:
    kind: Any = "deployment" if pack == "linkerd" else "service"
    for question in (Question(kind, WINDOW, "shop", (name, "b")), Question(kind, WINDOW, name)):
        assert await measure(prometheus, shipped(pack), question, timeout=TIMEOUT) == []


async def test_a_question_without_an_answer_is_told_from_an_empty_answer(prometheus: HttpPrometheus) -> None:
    with pytest.raises(Unanswerable, match="namespaces cannot be told apart"):
        await measure(prometheus, shipped("traefik"), Question("service", WINDOW), timeout=TIMEOUT)


@pytest.mark.parametrize("query", ["sum(", "up{", 'up{job=~"("}', "up @ x"])
async def test_a_bad_query_is_rejected(prometheus: HttpPrometheus, query: str) -> None:
    with pytest.raises(PrometheusError, match="refused the query: bad_data: ") as caught:
        await prometheus.query(query, timeout=TIMEOUT)
    assert (caught.value.code, caught.value.rejected) == (400, True)


async def test_a_query_that_cannot_be_evaluated_is_rejected(prometheus: HttpPrometheus) -> None:
    with pytest.raises(PrometheusError, match="refused the query: execution: ") as caught:
        await prometheus.query('label_replace(up, "x", "$1", "job", "(")', timeout=TIMEOUT)
    assert (caught.value.code, caught.value.rejected) == (422, True)


async def test_a_number_is_not_series(prometheus: HttpPrometheus) -> None:
    with pytest.raises(PrometheusError, match="answered a scalar, not series"):
        await prometheus.query("1", timeout=TIMEOUT)


async def test_a_range_has_every_sample_oldest_first(prometheus: HttpPrometheus) -> None:
    (series,) = (await prometheus.query('up{job="envoy"}[5s]', timeout=TIMEOUT)).series
    times = [point.time for point in series.points]
    assert 4 <= len(times) <= 6
    assert times == sorted(times)


async def test_the_moment_of_evaluation_is_the_one_that_was_asked_for(prometheus: HttpPrometheus) -> None:
    answer = await prometheus.query("vector(time())", timeout=TIMEOUT, time=1_000_000_000.123)
    assert answer.series[0].points[0] == (1_000_000_000.123, 1_000_000_000.123)
    assert answer.served_at is not None
    assert abs(answer.served_at.timestamp() - time.time()) < 5


async def test_a_prometheus_behind_a_path_and_tls_is_trusted_by_its_authority(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca", "an authority")
    certificate = authority.issue("prometheus", "DNS:localhost")
    with PrometheusServer("global: {}", certificate=certificate, prefix="/metrics/prometheus") as server:
        stranger = HttpPrometheus(server.url)
        with pytest.raises(PrometheusError, match=r"cannot be reached: cannot connect: .*certificate verify failed"):
            await stranger.query("up", timeout=TIMEOUT)
        await stranger.close()
        client = HttpPrometheus(server.url, ca_file=str(authority.certificate))
        assert len((await client.query("vector(1)", timeout=TIMEOUT)).series) == 1
        await client.close()
        lost = HttpPrometheus(server.url.removesuffix("/metrics/prometheus"), ca_file=str(authority.certificate))
        with pytest.raises(PrometheusError, match="answered 404; does its address lack a path prefix"):
            await lost.query("up", timeout=TIMEOUT)
        await lost.close()


# The last one: from here on a target is down.
async def test_a_target_that_is_gone_has_no_newest_scrape_but_still_its_window(
    prometheus: HttpPrometheus, exposed: Exposed
) -> None:
    exposed.failing.add("generic")
    await _until(prometheus, 'up{job="generic"} == 0')
    asked = time.time()
    question = Question("service", WINDOW, "shop", ("web",))
    (web,) = await measure(prometheus, shipped("generic"), question, timeout=TIMEOUT)
    assert web.success > 0
    assert web.at == pytest.approx(asked - WINDOW, abs=1)
