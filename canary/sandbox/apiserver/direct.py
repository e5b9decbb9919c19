"""The embedded server within reach of a client, without sockets: in virtual time, if the loop has it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager, suppress

from canary.kube.errors import Ambiguous, Unreachable, error_for
from canary.kube.transport import MAX_BODY, Response
from canary.sandbox.apiserver.exchange import ConnectionLost, Stream, exchange
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.apiserver.watch import WatchBroken


class DirectTransport:
    """A `canary.kube.transport.Transport` to `server`.

    `latency` gives the seconds of each way, drawn anew each time; `lag` how many seconds behind the watch cache is that
    a watch is opened at (lists and gets are consistent reads). A request that has left takes effect even when its
    sender has given up or is gone, as on a network; `close` stops those that are still on their way. `home` is the
    loop in which requests travel, where that is not the caller's.
    """

    def __init__(
        self,
        server: ApiServer,
        *,
        user_agent: str = "",
        latency: Callable[[], float] | None = None,
        lag: Callable[[], float] | None = None,
        home: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._server, self._user_agent, self._latency, self._lag = server, user_agent, latency, lag
        self._home = home
        self._running: dict[asyncio.Task[Response | Stream], None] = {}
        self._streams: dict[Stream, None] = {}

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
        loop = asyncio.get_running_loop()
        task = (self._home or loop).create_task(self._travel(request))
        self._running[task] = None
        task.add_done_callback(self._landed)
        # A future of the caller's own loop, completed by the answer or by the timeout.
        arrived: asyncio.Future[bool] = loop.create_future()
        task.add_done_callback(lambda _: _settle(arrived, True))
        timer = loop.call_later(timeout, _settle, arrived, False)
        try:
            in_time = await arrived
        finally:
            timer.cancel()
        if not in_time:
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
        self._running.pop(task, None)
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
        self._streams[result] = None
        lag = self._lag() if self._lag is not None else 0.0
        source = Lagging(result, lag) if lag > 0 else result
        try:
            async with aclosing(_lines(source, path, idle_timeout)) as lines:
                yield lines
        finally:
            self._streams.pop(result, None)
            source.close()

    def hang_up(self) -> None:
        """Close all watches as the end of the process does; what else has left still takes effect."""
        for stream in tuple(self._streams):
            stream.close()
        self._streams.clear()

    async def close(self) -> None:
        """Stop what is still on its way."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _settle(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


class Lagging:
    """A watch at a front end whose cache is `lag` seconds behind."""

    def __init__(self, stream: Stream, lag: float) -> None:
        self._stream, self._lag = stream, lag
        self._due: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue()
        self._pump = asyncio.get_running_loop().create_task(self._read())

    def close(self) -> None:
        self._stream.close()
        self._pump.cancel()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(WatchBroken):
            async for line in self._stream:
                self._due.put_nowait((loop.time() + self._lag, line))
        self._due.put_nowait((loop.time(), None))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        while True:
            due, line = await self._due.get()
            if line is None:
                raise WatchBroken
            await asyncio.sleep(max(0.0, due - loop.time()))
            yield line


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
