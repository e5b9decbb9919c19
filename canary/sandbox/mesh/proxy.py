"""The data plane: one loopback listener per root Service, which follows splits and endpoints request by request.

A request counts as failed, as in most meshes, when its status is 500 or above or when nobody answered; its latency is
what the caller of the proxy waits.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from canary.kube.clock import Clock
from canary.sandbox.mesh.backends import HOST, POD_HEADER, VERSION_HEADER, Backends
from canary.sandbox.mesh.measured import Measured
from canary.sandbox.mesh.observations import Source
from canary.sandbox.mesh.population import source_of
from canary.sandbox.mesh.routes import Backend, Endpoint, Route, Routes

SERVICE_HEADER = "x-sandbox-service"

_TIMEOUT = aiohttp.ClientTimeout(total=15.0, connect=2.0)
_CLOSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Listener:
    url: str
    server: web.Server
    socket: asyncio.Server

    async def close(self) -> None:
        self.socket.close()
        self.server.pre_shutdown()
        await self.server.shutdown(_CLOSE_SECONDS)


class Proxy:
    """Forwards by `routes` to `backends` and records in `measured`. Use as an async context manager."""

    def __init__(
        self, routes: Routes, backends: Backends, measured: Measured, clock: Clock, rng: random.Random
    ) -> None:
        self._routes, self._backends, self._measured, self._clock, self._rng = routes, backends, measured, clock, rng
        self._turns: dict[tuple[str, str], int] = defaultdict(int)
        self._listeners: dict[tuple[str, str], _Listener] = {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Proxy:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=10.0)
        self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(listener.close() for listener in self._listeners.values()))
        self._listeners.clear()
        await self._session.close()

    async def listen(self, namespace: str, root: str, port: int = 0) -> str:
        """The URL of a root Service; the same one for each call. Raises `OSError` if `port` is taken."""
        key = (namespace, root)
        listener = self._listeners.get(key)
        if listener is None:

            async def answer(request: web.BaseRequest) -> web.StreamResponse:
                return await self._forward(namespace, root, request)

            server = web.Server(answer, access_log=None)
            socket = await asyncio.get_running_loop().create_server(server, HOST, port)
            listener = _Listener(f"http://{HOST}:{socket.sockets[0].getsockname()[1]}", server, socket)
            self._listeners[key] = listener
        return listener.url

    async def _forward(self, namespace: str, root: str, request: web.BaseRequest) -> web.Response:
        started = self._clock.monotonic()
        backend = pick(self._routes.route(namespace, root), self._rng)
        endpoint = self._next(namespace, backend)
        if endpoint is None:
            source = Source(namespace, backend.service, "", "")
            answer = web.Response(status=503, text=f"no ready endpoint of {backend.service}\n")
        else:
            source = source_of(self._backends.pods, namespace, backend.service, endpoint.pod)
            answer = await self._ask(endpoint, request)
        answer.headers[SERVICE_HEADER] = backend.service
        self._measured.record(source, answer.status < 500, self._clock.monotonic() - started)
        return answer

    def _next(self, namespace: str, backend: Backend) -> Endpoint | None:
        """The endpoints take turns."""
        if not backend.endpoints:
            return None
        turn = self._turns[namespace, backend.service]
        self._turns[namespace, backend.service] = turn + 1
        return backend.endpoints[turn % len(backend.endpoints)]

    async def _ask(self, endpoint: Endpoint, request: web.BaseRequest) -> web.Response:
        port = await self._backends.port(endpoint.address)
        if port is None:
            return web.Response(status=503, text=f"{endpoint.address} does not answer\n")
        url = f"http://{HOST}:{port}{request.raw_path}"
        body = await request.read() if request.can_read_body else None
        try:
            async with self._session.request(request.method, url, data=body, allow_redirects=False) as answer:
                names = (VERSION_HEADER, POD_HEADER, "content-type")
                headers = {name: answer.headers[name] for name in names if name in answer.headers}
                return web.Response(status=answer.status, body=await answer.read(), headers=headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            return web.Response(status=502, text=f"{endpoint.address}: {error or type(error).__name__}\n")


def pick(route: Route, rng: random.Random) -> Backend:
    """A backend at random, by share."""
    index = bisect_right(route.bounds, rng.random() * route.bounds[-1])
    return route.backends[min(index, len(route.backends) - 1)]
