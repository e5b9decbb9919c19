"""The embedded server on a port: plain HTTP for kubectl, for the controller as a process, and for whoever looks.

It is meant for the loopback interface: nothing is encrypted, and who knows the token may do everything. The token comes
as a bearer token, or as the first step of the path, since kubectl sends no credentials over plain HTTP.
"""

from __future__ import annotations

import hmac
from pathlib import Path

import yaml
from aiohttp import web

from canary.kube.transport import Response
from canary.sandbox.apiserver.exchange import ConnectionLost, Stream, exchange
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.apiserver.status import unauthorized
from canary.sandbox.apiserver.watch import WatchBroken

# Larger than the server accepts, so that it is the server who refuses.
_READ_LIMIT = 64 * 1024 * 1024


class RunningServer:
    """A server that listens at `url` until `close`."""

    def __init__(self, server: ApiServer, token: str) -> None:
        self.url = ""
        self._server, self._token = server, token
        self._runner: web.AppRunner | None = None
        self._streams: set[Stream] = set()

    async def start(self, host: str, port: int) -> None:
        """Raises `OSError` when the port is taken."""
        app = web.Application(client_max_size=_READ_LIMIT)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        address = self._runner.addresses[0]
        self.url = f"http://{address[0]}:{address[1]}"

    async def close(self) -> None:
        """End all watches and stop listening."""
        for stream in tuple(self._streams):
            stream.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def write_kubeconfig(self, path: str | Path) -> None:
        """Write a kubeconfig for this server, readable by its owner only."""
        server = f"{self.url}/{self._token}" if self._token else self.url
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": {"server": server}}],
            "users": [{"name": "sandbox", "user": {}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox"}}],
            "current-context": "sandbox",
        }
        target = Path(path)
        target.touch(mode=0o600)
        target.write_text(yaml.safe_dump(config, sort_keys=False))

    def _admitted_path(self, request: web.Request) -> str | None:
        """The path without the token; `None` for a request that has not got it."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not self._token or hmac.compare_digest(given.encode(), self._token.encode()):
            return request.path
        first, slash, rest = request.path[1:].partition("/")
        return f"/{rest}" if slash and hmac.compare_digest(first.encode(), self._token.encode()) else None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = self._admitted_path(request)
        if path is None:
            return _plain(unauthorized().response())
        asked = Request(
            request.method,
            path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
            "admin",
        )
        try:
            result = await exchange(self._server, asked)
        except ConnectionLost:
            return _abort(request)
        if isinstance(result, Response):
            return _plain(result)
        return await self._send_stream(request, result)

    async def _send_stream(self, request: web.Request, stream: Stream) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json"})
        response.enable_chunked_encoding()
        self._streams.add(stream)
        try:
            await response.prepare(request)
            async for line in stream:
                await response.write(line)
            await response.write_eof()
        except WatchBroken:
            return _abort(request, response)
        except ConnectionResetError:
            # The client is gone; nobody is left to be told.
            return response
        finally:
            self._streams.discard(stream)
            stream.close()
        return response


def _plain(response: Response) -> web.Response:
    return web.Response(status=response.status, body=response.body, headers=dict(response.headers))


def _abort(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Reset the connection instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return response or web.Response()


async def serve(server: ApiServer, host: str = "127.0.0.1", port: int = 0, token: str | None = None) -> RunningServer:
    """Put `server` on a port; 0 takes a free one. Raises `OSError` if the port is taken."""
    running = RunningServer(server, token or "")
    await running.start(host, port)
    return running


__all__ = ["RunningServer", "serve"]
