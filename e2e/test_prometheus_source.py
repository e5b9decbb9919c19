"""Prometheus as a source, against a real one that scrapes a proxy once a second.

The proxy counts by scrape: each shows seven more good requests than the one before, and from the tenth on two failed
ones. So what the windows must add up to is known to the request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from canary.core.window import Sample
from canary.kube.clock import SystemClock
from canary.metrics.prometheus.http import HttpPrometheus
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.prometheus.prometheus import Result
from canary.metrics.prometheus.source import PrometheusSource
from canary.metrics.source import Asked, series_of
from e2e.prometheus import PrometheusServer

SCRAPE, WINDOW = 1.0, 5
GOOD, BAD, FIRST_BAD = 7, 2, 10
BUCKETS = {"10": 3, "100": 5, "1000": 6, "+Inf": 7}
"""Of seven requests, by milliseconds."""
WEB = 'namespace="shop",deployment="web",direction="inbound"'
TIMEOUT = 5.0


class Proxy:
    """Shows what a Linkerd proxy would, after so many scrapes as there were."""

    def __init__(self) -> None:
        self.scrapes = self.port = 0
        self._scraped = asyncio.Semaphore(0)

    async def scraped(self, times: int) -> None:
        """Returns after so many scrapes, and a moment in which the last one is stored."""
        async with asyncio.timeout(60):
            for _ in range(times):
                await self._scraped.acquire()
        await asyncio.sleep(0.2)

    async def answer(self, _request: web.Request) -> web.Response:
        self.scrapes += 1
        self._scraped.release()
        lines = [f'response_total{{{WEB},classification="success"}} {GOOD * self.scrapes}']
        if self.scrapes >= FIRST_BAD:
            failed = BAD * (self.scrapes - FIRST_BAD + 1)
            lines.append(f'response_total{{{WEB},classification="failure",status_code="503"}} {failed}')
        lines += [
            f'response_latency_ms_bucket{{{WEB},le="{le}"}} {count * self.scrapes}' for le, count in BUCKETS.items()
        ]
        return web.Response(text="\n".join(lines) + "\n")


class Kept:
    """A Prometheus whose answers of raw counts are kept."""

    def __init__(self, client: HttpPrometheus) -> None:
        self._client = client
        self.counts: list[Result] = []

    async def query(self, promql: str, *, timeout: float, time: float | None = None) -> Result:
        answer = await self._client.query(promql, timeout=timeout, time=time)
        if time is None:
            self.counts.append(answer)
        return answer

    def last(self, outcome: str) -> float:
        """The newest value of a counter in the last answer."""
        (series,) = [one for one in self.counts[-1].series if one.labels["classification"] == outcome]
        return series.points[-1].value


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    proxy, app = Proxy(), web.Application()
    app.router.add_get("/metrics", proxy.answer)
    serving = web.AppRunner(app)
    await serving.setup()
    await web.TCPSite(serving, "127.0.0.1", 0).start()
    proxy.port = serving.addresses[0][1]
    yield proxy
    await serving.cleanup()


@pytest.fixture
async def prometheus(proxy: Proxy) -> AsyncIterator[HttpPrometheus]:
    config = f"""
        global: {{scrape_interval: 1s}}
        scrape_configs:
        - job_name: linkerd-proxy
          static_configs: [{{targets: ['127.0.0.1:{proxy.port}']}}]
        """
    server = PrometheusServer(config)
    try:
        await asyncio.to_thread(server.start)
        client = HttpPrometheus(server.url)
        yield client
        await client.close()
    finally:
        await asyncio.to_thread(server.close)


async def test_consecutive_windows_have_every_request_exactly_once(proxy: Proxy, prometheus: HttpPrometheus) -> None:
    kept = Kept(prometheus)
    source = PrometheusSource(kept, shipped("linkerd"), scrape=SCRAPE, clock=SystemClock())
    asked = Asked("shop", "Deployment", WINDOW, frozenset(["web"]))
    await proxy.scraped(WINDOW + 2)

    samples = []
    for _ in range(4):
        answer = await source.read(asked, timeout=TIMEOUT)
        sample = answer.readings[series_of("Deployment", "shop", "web")]
        assert isinstance(sample, Sample), sample
        assert 0 <= answer.reach <= SCRAPE + 2.0
        samples.append(sample)
        await asyncio.sleep(WINDOW)

    first, start = kept.counts[0], kept.counts[0].served_at
    assert start is not None
    before = [point for point in first.series[0].points if point.time <= start.timestamp() - WINDOW]
    begun = (before or first.series[0].points)[-1 if before else 0].value
    assert sum(sample.success for sample in samples) == kept.last("success") - begun
    assert sum(sample.failure for sample in samples) == kept.last("failure")
    assert samples[0].failure == 0
    assert all(sample.requests >= 4 * GOOD for sample in samples)


async def test_quantiles_are_those_of_promql(proxy: Proxy, prometheus: HttpPrometheus) -> None:
    source = PrometheusSource(prometheus, shipped("linkerd"), scrape=SCRAPE, clock=SystemClock())
    await proxy.scraped(WINDOW + 2)

    answer = await source.read(Asked("shop", "Deployment", WINDOW, frozenset(["web"])), timeout=TIMEOUT)
    sample = answer.readings[series_of("Deployment", "shop", "web")]

    assert isinstance(sample, Sample)
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        query = f"histogram_quantile({share}, sum by (le) (increase(response_latency_ms_bucket[{WINDOW}s])))"
        (theirs,) = (await prometheus.query(query, timeout=TIMEOUT)).series
        assert sample.latency[name] == pytest.approx(theirs.points[0].value / 1000)  # type: ignore[index]
    assert sample.slower_than(0.1) == pytest.approx(2 / 7)
