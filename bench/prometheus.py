"""A process of its own: a Prometheus that has scraped Linkerd's proxies, and counts the queries that it is asked.

python -m bench.prometheus WORKLOADS SCRAPE
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import sys
import time
from typing import Any

from aiohttp import web

from bench.commands import answer

PODS = 3
CLIENTS = 2
"""A proxy counts the requests of each client by themselves."""
RATE = 10.0
"""Requests a second that a pod answers for one client; half of them fail."""
_RANGE = re.compile(r"\[(\d+)s\]")
_BOUNDS = (1, 2, 3, 4, 5, 10, 20, 30, 40, 50, 100, 200, 300, 400, 500, 1000, 2000, 3000, 4000, 5000, 10000, 20000)


class Prometheus:
    """Scrapes each `scrape` seconds; half of the `workloads` are stable, each beside its canary."""

    def __init__(self, workloads: int, scrape: float) -> None:
        self._scrape = scrape
        self._names = [workload(number) for number in range(workloads)]
        self.queries = 0
        self.bytes = 0

    async def query(self, request: web.Request) -> web.Response:
        self.queries += 1
        asked = str((await request.post())["query"])
        found = _RANGE.search(asked)
        assert found is not None  # both queries of a read have a range
        body = self._buckets() if "_bucket" in asked else self._counts(int(found[1]))
        self.bytes += len(body)
        return web.Response(body=body, content_type="application/json")

    def _counts(self, seconds: int) -> bytes:
        now = time.time()
        first, last = math.ceil((now - seconds) / self._scrape), math.floor(now / self._scrape)
        times = [number * self._scrape for number in range(first, last + 1)]
        values = [[round(at, 3), f"{RATE / 2 * at:.0f}"] for at in times]
        return _body("matrix", [{"metric": labels, "values": values} for labels in self._series()])

    def _buckets(self) -> bytes:
        at = time.time()
        le = [*map(str, _BOUNDS), "+Inf"]
        return _body(
            "vector",
            [
                {"metric": {"deployment": name, "le": bound}, "value": [at, f"{RATE * number:.3f}"]}
                for name in self._names
                for number, bound in enumerate(le, 1)
            ],
        )

    def _series(self) -> list[dict[str, str]]:
        return [
            _labels(name, pod, client, outcome)
            for name in self._names
            for pod in range(PODS)
            for client in range(CLIENTS)
            for outcome in ("success", "failure")
        ]


def workload(number: int) -> str:
    """Two of them make a Canary: `app-7-v1` is stable, `app-7-v2` its canary."""
    return f"app-{number // 2}-v{number % 2 + 1}"


def _labels(name: str, pod: int, client: int, outcome: str) -> dict[str, str]:
    """Those of an inbound `response_total` in a scrape of linkerd-viz."""
    return {
        "__name__": "response_total",
        "classification": outcome,
        "client_id": f"client-{client}.shop.serviceaccount.identity.linkerd.cluster.local",
        "deployment": name,
        "direction": "inbound",
        "instance": f"10.0.{pod}.{client}:4191",
        "job": "linkerd-proxy",
        "namespace": "shop",
        "pod": f"{name}-5b9c7d6f4-{pod:05}",
        "pod_template_hash": "5b9c7d6f4",
        "status_code": "200" if outcome == "success" else "503",
        "target_addr": f"10.0.{pod}.{client}:8080",
        "target_ip": f"10.0.{pod}.{client}",
        "target_port": "8080",
        "tls": "true",
    }


def _body(kind: str, result: list[dict[str, Any]]) -> bytes:
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}}).encode()


async def main(workloads: int, scrape: float) -> None:
    """Until standard input ends."""
    prometheus = Prometheus(workloads, scrape)
    application = web.Application()
    application.router.add_post("/api/v1/query", prometheus.query)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()

        def asked(_: dict[str, Any]) -> dict[str, int]:
            """What was asked and answered since the last call of this."""
            found = {"queries": prometheus.queries, "bytes": prometheus.bytes}
            prometheus.queries = prometheus.bytes = 0
            return found

        await answer({"asked": asked}, ready={"port": runner.addresses[0][1]})
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
