"""What goes wrong with a request is told without the token that it was sent with (S23)."""

from __future__ import annotations

import asyncio
import random
import traceback
from collections.abc import Awaitable, Callable

import pytest

from canary.kube.client import Client
from canary.kube.clock import SystemClock
from canary.kube.errors import KubeError
from canary.kube.http import HttpTransport
from canary.kube.resources import SERVICES

TOKEN = "s3cr3t-t0k3n"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def status(code: int) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {code} X\r\nContent-Length: 2\r\n\r\nno".encode())

    return answer


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def break_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{")
    writer.close()


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    await writer.wait_closed()


async def refuse(writer: asyncio.StreamWriter) -> None:
    raise AssertionError("nobody listens")


ANSWERS: dict[str, Answer] = {
    "401": status(401), "403": status(403), "500": status(500), "a reset": hang_up, "half a body": break_off,
    "silence": say_nothing, "nobody": refuse,
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_no_error_of_a_request_shows_the_token(answer: Answer) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert TOKEN.encode() in await reader.readuntil(b"\r\n\r\n")
        try:
            await answer(writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if answer is refuse:
        server.close()
        await server.wait_closed()
    transport = HttpTransport(f"http://127.0.0.1:{port}", token=TOKEN)
    client = Client(transport, clock=SystemClock(), rng=random.Random(1))
    try:
        with pytest.raises(KubeError) as caught:
            await client.get(SERVICES, "web", "shop", timeout=0.2, attempts=1)
    finally:
        await transport.close()
        server.close()
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(vars(caught.value))
    assert TOKEN not in told
