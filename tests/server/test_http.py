"""The HTTP face, over loopback."""

from __future__ import annotations

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer

from canary.server.health import Check
from canary.server.http import CannotListen, application, listening
from canary.server.metrics import Metrics

GOOD, BAD = Check("event-loop", ""), Check("caches", "not listed yet")


def face(*ready: Check, metrics: Metrics | None = None) -> TestClient:  # type: ignore[type-arg]  # of web.Request
    app = application(live=lambda: (GOOD,), ready=lambda: ready or (GOOD,), metrics=metrics or Metrics())
    return TestClient(TestServer(app))


async def test_a_probe_says_ok() -> None:
    async with face() as client, client.get("/livez") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_a_probe_that_fails_says_which_check() -> None:
    async with face(GOOD, BAD) as client, client.get("/readyz") as answer:
        assert answer.status == 503
        assert await answer.text() == "[+]event-loop ok\n[-]caches: not listed yet\nreadyz check failed\n"


async def test_livez_does_not_depend_on_readiness() -> None:
    async with face(BAD) as client, client.get("/livez") as answer:
        assert answer.status == 200


async def test_verbose_lists_every_check() -> None:
    async with face() as client, client.get("/readyz?verbose") as answer:
        assert await answer.text() == "[+]event-loop ok\nreadyz check passed\n"


async def test_metrics_are_rendered_in_the_format_that_is_asked_for() -> None:
    async with face() as client:
        async with client.get("/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=")
            assert "# TYPE canary_weight gauge" in await answer.text()
        async with client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
            assert (await answer.text()).endswith("# EOF\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_anything_else_is_404_as_text(method: str) -> None:
    async with face() as client, client.request(method, "/debug/pprof") as answer:
        assert answer.status == 404
        assert "/metrics" in await answer.text()


async def test_a_port_that_is_taken_is_named() -> None:
    app = application(live=tuple, ready=tuple, metrics=Metrics())
    async with listening(app, "127.0.0.1", 0) as url, ClientSession() as http:
        async with http.get(f"{url}/livez") as answer:
            assert answer.status == 200
        port = int(url.rpartition(":")[2])
        other = application(live=tuple, ready=tuple, metrics=Metrics())
        with pytest.raises(CannotListen, match=rf"cannot listen on 127.0.0.1:{port}: .*in use.*--listen"):
            async with listening(other, "127.0.0.1", port):
                pass
