"""The handler behind TLS, for the aggregator of the API server alone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from aiohttp import web

from canary.smi_metrics.front_proxy import Trust
from canary.smi_metrics.handler import PROBES, Answer, Handler, refused
from canary.smi_metrics.refusal import Refusal

GRACE = 5.0
"""Seconds that requests get to finish when the server stops."""
# Every group of a user is a header of its own, and some directories are generous.
_HEADERS, _FIELD = 2048, 32 * 1024
_PIECE = 32 * 1024
_log = structlog.get_logger("canary.smi_metrics.access")


class CannotListen(Exception):
    """The address cannot be had; the message says which, and why."""


class Server:
    """Answers requests of whom `trust()` admits; `None` admits nobody yet."""

    def __init__(self, handler: Handler, trust: Callable[[], Trust | None]) -> None:
        self._handler = handler
        self._trust = trust
        self._runner: web.AppRunner | None = None
        self._busy: set[object] = set()
        self._generation = 0
        self.application = web.Application(client_max_size=64 * 1024)
        self.application.router.add_route("*", "/{path:.*}", self._serve)

    @asynccontextmanager
    async def listening(self, host: str, port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
        """Serve during the block, at the port that it yields; port 0 takes a free one. Raises `CannotListen`."""
        runner = web.AppRunner(
            self.application, access_log=None, shutdown_timeout=GRACE, max_headers=_HEADERS, max_field_size=_FIELD
        )
        await runner.setup()
        self._runner = runner
        try:
            try:
                await web.TCPSite(runner, host, port, ssl_context=tls).start()
            except OSError as error:
                reason = error.strerror or str(error)
                raise CannotListen(f"cannot listen on {host}:{port}: {reason}; choose another --listen") from error
            yield int(runner.addresses[0][1])
        finally:
            await _stop(runner)

    def drop_connections(self) -> None:
        """Close every connection once the request on it, if any, is answered: its client must show itself anew."""
        self._generation += 1
        server = self._runner.server if self._runner is not None else None
        for connection in list(server.connections) if server is not None else ():
            if connection not in self._busy:
                connection.force_close()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        generation = self._generation
        self._busy.add(request.protocol)
        try:
            answer = await self._answer(request)
            return await _send(request, answer, last=generation != self._generation)
        finally:
            self._busy.discard(request.protocol)

    async def _answer(self, request: web.Request) -> Answer:
        trust = self._trust()
        if request.path in PROBES or (trust is not None and trust.admits(request.get_extra_info("peercert"))):
            query = {name: request.query[name] for name in request.query}
            accept = ",".join(request.headers.getall("Accept", ()))
            answer = await self._handler.answer(request.method, request.path, query, accept)
        else:
            message = "only the aggregator of the API server is served: ask it for /apis/metrics.smi-spec.io"
            answer = refused(Refusal(401, message))
        _tell(request, answer, trust)
        return answer


async def _send(request: web.Request, answer: Answer, *, last: bool) -> web.StreamResponse:
    """Send an answer, the `last` one of its connection if so.

    A large body goes out piece by piece: TLS would copy the whole of it for each of a hundred clients.
    """
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **answer.headers}
    headers["Content-Type"] = answer.content_type
    if len(answer.body) <= _PIECE:
        response: web.StreamResponse = web.Response(status=answer.status, body=answer.body, headers=headers)
        if last:
            response.force_close()
        return response
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(answer.body)
    if last:
        response.force_close()
    await response.prepare(request)
    if request.transport is not None:
        request.transport.set_write_buffer_limits(_PIECE)
    body = memoryview(answer.body)
    # A client that goes away before it has all is no error.
    with suppress(ConnectionError):
        for start in range(0, len(body), _PIECE):
            await response.write(body[start : start + _PIECE])
        await response.write_eof()
    return response


def _tell(request: web.Request, answer: Answer, trust: Trust | None) -> None:
    """A line for each request: of those that fail at once, of all others with --log-level debug."""
    if request.path in PROBES and answer.status == 200:
        return
    tell = _log.warning if answer.status >= 500 else _log.info if answer.status >= 400 else _log.debug
    user = trust.user({name.lower(): value for name, value in request.headers.items()}) if trust is not None else ""
    path = request.raw_path[:512]
    tell("answered", method=request.method, path=path, status=answer.status, user=user, bytes=len(answer.body))


async def _stop(runner: web.AppRunner) -> None:
    """Refuse new connections, let requests finish, and cut what is left: TLS would wait for the client's goodbye."""
    connections = list(runner.server.connections) if runner.server is not None else []
    await runner.cleanup()
    for connection in connections:
        if connection.transport is not None:
            connection.transport.abort()
    await asyncio.sleep(0)
