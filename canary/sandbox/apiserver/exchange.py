"""One request on its way to the server and back, with whatever the faults make of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Protocol

from canary.kube.transport import Response
from canary.sandbox.apiserver.content import encode
from canary.sandbox.apiserver.faults import (
    Answer,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Effect,
    Expire,
    Hang,
    LoseAnswer,
    Raw,
    Refuse,
    Rewrite,
    Silence,
)
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.apiserver.status import expired
from canary.sandbox.apiserver.watch import WatchBroken, WatchStream


class ConnectionLost(Exception):
    """The connection broke; `sent` says whether the client may think that its request arrived."""

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the connection was reset" if sent else "the connection was refused")
        self.sent = sent


class Stream(Protocol):
    """A watch as clients get it: lines, the last of which may be torn."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def close(self) -> None: ...


async def exchange(server: ApiServer, request: Request) -> Response | Stream:
    """The answer to `request`. Raises `ConnectionLost`; may never return where a fault says so."""
    effect = server.faults.take(request)
    match effect:
        case None:
            return _noted(server, request, await server.answer(request))
        case Answer() | Raw():
            return effect.response()
        case Refuse() | Drop():
            raise ConnectionLost(sent=isinstance(effect, Drop))
        case LoseAnswer():
            await _execute(server, request)
            raise ConnectionLost(sent=True)
        case Hang(executed):
            if executed:
                await _execute(server, request)
            return await _never()
        case Delay(before, after):
            await asyncio.sleep(before)
            answer = _noted(server, request, await server.answer(request))
            await asyncio.sleep(after)
            return answer
        case Rewrite():
            changed = await server.answer(replace(request, body=effect.request(request.body)))
            if isinstance(changed, Response) and changed.status == 200:
                changed = replace(changed, body=effect.answer(changed.body))
            return _noted(server, request, changed)
    answer = await server.answer(request)
    return FaultyStream(answer, effect) if isinstance(answer, WatchStream) else answer


def _noted(server: ApiServer, request: Request, answer: Response | WatchStream) -> Response | WatchStream:
    """Kept as it will arrive, when it is made."""
    if isinstance(answer, Response):
        server.note_answer(request, answer)
    return answer


async def _execute(server: ApiServer, request: Request) -> None:
    answer = await server.answer(request)
    if isinstance(answer, WatchStream):
        answer.close()


async def _never() -> Response:
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody completes this future")


class FaultyStream:
    """A watch with a fault."""

    def __init__(self, stream: WatchStream, effect: Effect) -> None:
        self._stream, self._effect = stream, effect

    def close(self) -> None:
        self._stream.close()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        match self._effect:
            case Cut():
                async for line in self._until_cut(self._effect):
                    yield line
            case Silence(lines):
                async for line in self._first(lines):
                    yield line
                await _never()
            case Expire(lines):
                async for line in self._first(lines):
                    yield line
                status = expired("too old resource version: 1 (2)").status()
                yield encode({"type": "ERROR", "object": status}) + b"\n"
            case Duplicate():
                async for line in self._stream:
                    yield line
                    yield line

    async def _first(self, count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            try:
                yield await anext(self._stream)
            except StopAsyncIteration:
                return

    async def _until_cut(self, cut: Cut) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = None if cut.seconds is None else loop.time() + cut.seconds
        told = 0
        while cut.lines is None or told < cut.lines:
            try:
                async with asyncio.timeout_at(end):
                    line = await anext(self._stream)
            except StopAsyncIteration:
                return
            except TimeoutError:
                break
            told += 1
            yield line
        if cut.torn:
            yield b'{"type":"MODIFIED","object":{"kind":"'
        raise WatchBroken
