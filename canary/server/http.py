"""The HTTP face of the controller: /livez, /readyz, /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from canary.server.health import Check
from canary.server.metrics import Metrics

Checks = Callable[[], tuple[Check, ...]]
_PATHS = "/livez, /readyz, /metrics"


class CannotListen(Exception):
    """The address cannot be had; the message says which, and why."""


def application(*, live: Checks, ready: Checks, metrics: Metrics) -> web.Application:
    """The routes. A probe answers 200 or 503; `?verbose` lists every check, as those of Kubernetes do."""
    app = web.Application(client_max_size=64 * 1024)
    rendering = asyncio.Lock()

    async def scrape(request: web.Request) -> web.Response:
        # One at a time: nobody gains from threads that compete for one interpreter.
        async with rendering:
            metrics.sample()
            body, content_type = await asyncio.to_thread(metrics.render, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def unknown(request: web.Request) -> web.Response:
        return _text(f"nothing is here; there are {_PATHS}\n", 404)

    app.router.add_get("/livez", _probe("livez", live))
    app.router.add_get("/readyz", _probe("readyz", ready))
    app.router.add_get("/metrics", scrape)
    app.router.add_route("*", "/{path:.*}", unknown)
    return app


def _probe(name: str, checks: Checks) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def probe(request: web.Request) -> web.Response:
        return _text(*report(name, checks(), verbose="verbose" in request.query))

    return probe


def report(name: str, checks: tuple[Check, ...], *, verbose: bool) -> tuple[str, int]:
    """What a probe says, and its status. A failure is always told in full."""
    passed = not any(check.problem for check in checks)
    if passed and not verbose:
        return "ok\n", 200
    lines = [f"[-]{check.name}: {check.problem}" if check.problem else f"[+]{check.name} ok" for check in checks]
    return "\n".join((*lines, f"{name} check {'passed' if passed else 'failed'}", "")), 200 if passed else 503


def _text(text: str, status: int) -> web.Response:
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    return web.Response(text=text, status=status, headers=headers)


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve `app` during the block, at the URL that it yields; port 0 takes a free one. Raises `CannotListen`."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            reason = error.strerror or str(error)
            raise CannotListen(f"cannot listen on {host}:{port}: {reason}; choose another --listen") from error
        yield _url(runner.addresses[0])
    finally:
        await runner.cleanup()


def _url(address: tuple[object, ...]) -> str:
    host = str(address[0])
    return f"http://[{host}]:{address[1]}" if ":" in host else f"http://{host}:{address[1]}"
