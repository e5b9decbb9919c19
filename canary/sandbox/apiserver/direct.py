"""The embedded server within reach of a client, without sockets: in virtual time, if the loop has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager

from canary.kube.errors import Ambiguous, Unreachable, error_for
from canary.kube.transport import MAX_BODY, Response
from canary.sandbox.apiserver.exchange import ConnectionLost, Stream, exchange
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.apiserver.watch import WatchBroken


class DirectTransport:
    """A `canary.kube.transport.Transport` to `server`.

    `latency` gives the seconds of each way, drawn anew each time. A request that has left takes effect even when its
    sender has given up or is gone, as on a network; `close` stops those that are still on their way.
    """

    def __init__(self, server: ApiServer, *, user_agent: str = "", latency: Callable[[], float] | None = None) -> None:
        self._server, self._user_agent, self._latency = server, user_agent, latency
        self._running: set[asyncio.Task[Response | Stream]] = set()

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 10.0,
        max_body: int = MAX_BODY,
    ) -> Response:
        """See `canary.kube.transport.Transport.request`."""
        headers = {"accept": accept, "user-agent": self._user_agent}
        if body is not None:
            headers["content-type"] = content_type
        result = await self._send(Request(method, path, dict(query or {}), headers, body or b""), timeout)
        if not isinstance(result, Response):
            result.close()
            raise Ambiguous(f"{method} {path} is a watch")
        if len(result.body) > max_body:
            raise Ambiguous(f"the answer to {method} {path} has more than {max_body} bytes")
        return result

    async def _send(self, request: Request, timeout: float) -> Response | Stream:
        task = asyncio.create_task(self._travel(request))
        self._running.add(task)
        task.add_done_callback(self._landed)
        done, _ = await asyncio.wait({task}, timeout=timeout)
        if not done:
            raise Ambiguous(f"no answer to {request.method} {request.path} within {timeout:g} s")
        try:
            return task.result()
        except ConnectionLost as lost:
            kind = Ambiguous if lost.sent else Unreachable
            raise kind(f"{request.method} {request.path}: {lost}") from None

    async def _travel(self, request: Request) -> Response | Stream:
        await asyncio.sleep(self._latency() if self._latency is not None else 0)
        result = await exchange(self._server, request)
        if self._latency is not None:
            await asyncio.sleep(self._latency())
        return result

    def _landed(self, task: asyncio.Task[Response | Stream]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Retrieved here, so that an answer nobody waits for any more is not reported as lost.
            task.exception()

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `canary.kube.transport.Transport.stream`."""
        headers = {"accept": "application/json", "user-agent": self._user_agent}
        try:
            result = await self._send(Request("GET", path, dict(query or {}), headers), idle_timeout)
        except Ambiguous as lost:
            raise Unreachable(str(lost)) from None
        if isinstance(result, Response):
            if result.status >= 400:
                raise error_for(result.status, result.body, _seconds(result.headers.get("retry-after")))
            yield _lines_of(result.body)
            return
        try:
            async with aclosing(_lines(result, path, idle_timeout)) as lines:
                yield lines
        finally:
            result.close()

    async def close(self) -> None:
        """Stop what is still on its way."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


async def _lines_of(body: bytes) -> AsyncIterator[bytes]:
    for line in body.splitlines():
        yield line


async def _lines(stream: Stream, path: str, idle_timeout: float) -> AsyncGenerator[bytes, None]:
    lines = aiter(stream)
    while True:
        try:
            async with asyncio.timeout(idle_timeout):
                line = await anext(lines)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Unreachable(f"nothing came from {path} for {idle_timeout:g} s") from None
        except WatchBroken:
            raise Unreachable(f"the connection of {path} broke") from None
        if line.endswith(b"\n"):
            yield line.rstrip(b"\n")
