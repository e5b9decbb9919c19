"""`canary replay` against a real Prometheus that has scraped a release once a second.

Each scrape shows ten more requests of the canary than the one before, and from the tenth on four failed ones beside
them. So what the record must add up to, and when the release must be called bad, is known.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from canary.cli.exits import Exit
from canary.cli.main import main
from canary.core.window import Sample
from canary.metrics.prometheus.http import HttpPrometheus
from canary.metrics.prometheus.pack_file import shipped
from canary.simulate.history.fetch import read_prometheus
from canary.simulate.history.record import rfc3339
from canary.simulate.history.whose import Whose
from e2e.prometheus import PrometheusServer

GOOD, BAD, FIRST_BAD, SCRAPES = 10, 4, 10, 24
STABLE = 90
BUCKETS = {"10": 3, "100": 8, "1000": 9, "+Inf": 10}
"""Of ten requests of the canary, by milliseconds."""
CANARY = {
    "apiVersion": "canary.delivery/v1beta1",
    "kind": "Canary",
    "metadata": {"name": "shop", "namespace": "shop"},
    "spec": {
        "backends": {"stable": "shop-v1", "canary": "shop-v2"},
        "service": {"name": "shop"},
        "traffic": {"settle": "0s"},
        "steps": [{"weight": 10, "hold": "10m"}],
        "analysis": {
            "source": "Prometheus",
            "interval": "4s",
            "warmup": "0s",
            "target": {"kind": "Deployment", "stable": "web-v1", "canary": "web-v2"},
            "metrics": [
                {"name": "success-rate", "min": "99", "rollbackAt": "90"},
                {"name": "latency", "quantile": "p50", "max": "500ms"},
            ],
        },
    },
}


class Mesh:
    """Shows what the proxies of both sides would, after so many scrapes as there were."""

    def __init__(self) -> None:
        self.scrapes = self.port = 0
        self.done = asyncio.Event()

    @property
    def failed(self) -> int:
        return BAD * max(0, self.scrapes - FIRST_BAD + 1)

    async def answer(self, _request: web.Request) -> web.Response:
        self.scrapes += 1
        stable, canary = (f'namespace="shop",deployment="web-{v}",direction="inbound"' for v in ("v1", "v2"))
        lines = [
            f'response_total{{{stable},classification="success"}} {STABLE * self.scrapes}',
            f'response_total{{{canary},classification="success"}} {GOOD * self.scrapes}',
        ]
        if self.failed:
            lines.append(f'response_total{{{canary},classification="failure"}} {self.failed}')
        lines += [f'response_latency_ms_bucket{{{canary},le="{le}"}} {n * self.scrapes}' for le, n in BUCKETS.items()]
        if self.scrapes >= SCRAPES:
            self.done.set()
        return web.Response(text="\n".join(lines) + "\n")


@pytest.fixture
async def mesh() -> AsyncIterator[Mesh]:
    mesh, app = Mesh(), web.Application()
    app.router.add_get("/metrics", mesh.answer)
    serving = web.AppRunner(app)
    await serving.setup()
    await web.TCPSite(serving, "127.0.0.1", 0).start()
    mesh.port = serving.addresses[0][1]
    yield mesh
    await serving.cleanup()


@pytest.fixture
async def server(mesh: Mesh) -> AsyncIterator[PrometheusServer]:
    config = f"""
        global: {{scrape_interval: 1s}}
        scrape_configs:
        - job_name: linkerd-proxy
          static_configs: [{{targets: ['127.0.0.1:{mesh.port}']}}]
        """
    server = PrometheusServer(config)
    try:
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(90):
            await mesh.done.wait()
        await asyncio.sleep(0.5)
        yield server
    finally:
        await asyncio.to_thread(server.close)


async def test_a_bad_release_of_the_past_is_found(
    server: PrometheusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = HttpPrometheus(server.url)
    try:
        counted = await client.query('response_total{deployment="web-v2"}[10m]', timeout=10.0)
        ends = {series.labels["classification"]: series.points for series in counted.series}
        begin, end, onset = ends["success"][0].time, ends["success"][-1].time, ends["failure"][0].time
        whose = Whose("shop", "Deployment", ("web-v1",), ("web-v2",))
        record = await read_prometheus(
            client, shipped("linkerd"), whose, begin - 1.0, end, timed=True, peers=()
        )  # fmt: skip
    finally:
        await client.close()

    # Every request that the scrapes have shown, once.
    samples = [s.reading for s in record.whole.canary.stretches if isinstance(s.reading, Sample)]
    assert sum(sample.success for sample in samples) == ends["success"][-1].value - ends["success"][0].value
    assert sum(sample.failure for sample in samples) == ends["failure"][-1].value
    assert record.step == 1.0
    found = record.whole.canary.between(begin, onset - 0.5).reading
    assert isinstance(found, Sample)
    assert found.slower_than(0.1) == pytest.approx(0.2)

    (tmp_path / "canary.yaml").write_text(yaml.safe_dump(CANARY), encoding="utf-8")
    arguments = ["replay", "-f", str(tmp_path / "canary.yaml"), "--prometheus", server.url, "--pack", "linkerd"]
    arguments += ["--range", f"{rfc3339(begin - 1)}/{rfc3339(end + 1)}", "-o", "json"]
    code = await asyncio.to_thread(main, arguments)
    out, err = capsys.readouterr()
    assert code == Exit.FAILED, err
    said = json.loads(out)
    assert (said["outcome"], said["reason"]) == ("RolledBack", "CheckFailed")
    # The window of 4 s with the first failures, or the next one, where that had fewer than five of them.
    ended = [window for window in said["windows"] if window["verdict"] == "Breach"]
    assert len(ended) == 1
    assert onset - 4.0 <= _unix(said["end"]) - 4.0 <= onset + 4.0
    assert said["detectedAfterSeconds"] == pytest.approx(4.0, abs=1.5)


def _unix(text: str) -> float:
    from canary.simulate.history.moments import moment

    return moment(text)
