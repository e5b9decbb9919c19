"""A server on 127.0.0.1 that reads requests properly and answers them with whatever bytes a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

Writer = asyncio.StreamWriter
Answer = Callable[[str, Writer], Awaitable[None]]


class Server:
    """Keeps what was asked; `answer(head, writer)` says the rest. `left` is set when a peer has gone."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.heads: list[str] = []
        self.bodies: list[str] = []
        self.peers: list[int] = []
        self.port = 0
        self.left = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def form(self) -> dict[str, list[str]]:
        """The last request's, by field."""
        return parse_qs(self.bodies[-1], strict_parsing=True)

    async def serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = head.lower().splitlines()
                length = next((int(line[15:]) for line in lines if line.startswith("content-length:")), 0)
                self.heads.append(head)
                self.peers.append(writer.get_extra_info("peername")[1])
                self.bodies.append((await reader.readexactly(length)).decode())
                await self.answer(head, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.left.set()
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[Server]:
    """The server, while the block runs."""
    server = Server(answer)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await server.serve(reader, writer)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
