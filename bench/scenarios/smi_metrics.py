"""`canary smi-metrics` as a process: a namespace of 1,000 Deployments, asked for over TLS as the aggregator does."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.processes import READY, ScenarioFailed, usage
from bench.rows import Row, at_most, below, shown
from e2e.plane.certificates import Authority, KeyPair

DEPLOYMENTS = 1000
LISTS = 20
AT_ONCE = 100
HOST = "smi-metrics.bench.svc"
PATH = "/apis/metrics.smi-spec.io/v1alpha1/namespaces/shop/deployments"
_NOW = 1_767_268_800.0


class Prometheus:
    """Answers each query of the Linkerd pack with a series for each Deployment; counts the queries."""

    def __init__(self) -> None:
        self.queries = 0
        outcomes = [{"classification": outcome} for outcome in ("success", "failure")]
        self._counts, self._others = _vector(outcomes), _vector([{}])

    async def answer(self, request: web.Request) -> web.Response:
        self.queries += 1
        query = (await request.post())["query"]
        body = self._counts if "classification" in str(query).partition("(")[0] else self._others
        return web.Response(body=body, content_type="application/json")


def _vector(outcomes: list[dict[str, str]]) -> bytes:
    names = [{"namespace": "shop", "deployment": f"web-{number:04}"} for number in range(DEPLOYMENTS)]
    result = [
        {"metric": name | outcome, "value": [_NOW, str(1.37 * number)]}
        for number, name in enumerate(names, 1)
        for outcome in outcomes
    ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()


async def run(_: int) -> list[Row]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smi-metrics-")))
        serving, proxies = Authority(directory / "serving", "serving"), Authority(directory / "proxies", "proxies")
        prometheus = Prometheus()
        port = await stack.enter_async_context(_surroundings(prometheus, proxies.certificate.read_text()))
        pair = serving.issue("serving", f"DNS:{HOST}")
        process, own = await stack.enter_async_context(_server(directory, port, pair))
        tls = ssl.create_default_context(cafile=serving.certificate)
        aggregator = proxies.issue("front-proxy-client")
        tls.load_cert_chain(aggregator.certificate, aggregator.key)
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(f"https://127.0.0.1:{own}", connector=connector)
        )
        return await _rows(session, process.pid, prometheus)


async def _rows(session: aiohttp.ClientSession, pid: int, prometheus: Prometheus) -> list[Row]:
    size = await _list(session, 1)
    before, queries = usage(pid), prometheus.queries
    for window in range(LISTS):
        await _list(session, 100 + window)
    cpu = (usage(pid).cpu - before.cpu) / LISTS
    asked = (prometheus.queries - queries) / LISTS
    before, queries = usage(pid), prometheus.queries
    await asyncio.gather(*(_list(session, 60) for _ in range(AT_ONCE)))
    return [
        at_most("smi-metrics/queries", f"queries for a list of {DEPLOYMENTS} Deployments", asked, 5),
        below("smi-metrics/list", "processor time of such a list", 1e3 * cpu, 150, "ms"),
        shown("smi-metrics/body", "its size", size / 1e6, "MB"),
        at_most(
            "smi-metrics/queries-at-once", f"queries for {AT_ONCE} such lists at once", prometheus.queries - queries, 5
        ),
        shown("smi-metrics/at-once", "processor time of these", 1e3 * (usage(pid).cpu - before.cpu), "ms"),
        at_most("smi-metrics/rss", "resident memory at its highest", usage(pid).peak, 120, "MB"),
    ]


async def _list(session: aiohttp.ClientSession, window: int) -> int:
    """Bytes of a list over a window of so many seconds."""
    async with session.get(PATH, params={"t": f"{window}s"}, server_hostname=HOST) as answer:
        body = await answer.read()
        if answer.status != 200 or body.count(b'"success_count"') != DEPLOYMENTS:
            raise ScenarioFailed(f"{answer.status}: {body[:200]!r}")
        return len(body)


@asynccontextmanager
async def _surroundings(prometheus: Prometheus, authority: str) -> AsyncIterator[int]:
    """The port of a Prometheus that is also the API server, as far as that says who its aggregator is."""

    async def published(_: web.Request) -> web.Response:
        data = {"requestheader-client-ca-file": authority, "requestheader-allowed-names": '["front-proxy-client"]'}
        return web.json_response({"kind": "ConfigMap", "data": data})

    application = web.Application()
    application.router.add_post("/api/v1/query", prometheus.answer)
    application.router.add_get("/api/v1/namespaces/kube-system/configmaps/{name}", published)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _server(directory: Path, port: int, pair: KeyPair) -> AsyncIterator[tuple[Process, int]]:
    """The process, and its port, as soon as it knows whom to answer."""
    url = f"http://127.0.0.1:{port}"
    config = {
        "clusters": [{"name": "bench", "cluster": {"server": url}}],
        "users": [{"name": "bench", "user": {"token": "bench"}}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "canary", "smi-metrics", f"--kubeconfig={kubeconfig}", "--listen=127.0.0.1:0"),
        *(f"--prometheus-url={url}", "--pack=linkerd", f"--tls-cert-file={pair.certificate}"),
        f"--tls-private-key-file={pair.key}",
        stdin=DEVNULL,
        stderr=PIPE,
    )
    try:
        async with asyncio.timeout(READY):
            own = (await _told(process, "started"))["port"]
            await _told(process, "the aggregator of the API server is known")
        yield process, int(str(own))
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


async def _told(process: Process, message: str) -> dict[str, object]:
    """The next log line with a message. Raises `ScenarioFailed` when the log ends without it."""
    assert process.stderr is not None  # it was started with a pipe
    while line := await process.stderr.readline():
        found: dict[str, object] = json.loads(line)
        if found["message"] == message:
            return found
    raise ScenarioFailed(f"canary smi-metrics ended without saying {message!r}")
