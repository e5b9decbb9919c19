"""The child's end of `bench.processes.Child`: commands come as lines of JSON, each is answered with one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Command = Callable[[dict[str, Any]], Any]


async def answer(commands: Mapping[str, Command], *, ready: Any) -> None:
    """Say `ready`, then answer until the parent closes its end."""
    _say(ready)
    lines = asyncio.StreamReader(limit=1 << 24)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while line := await lines.readline():
        asked = msgspec.json.decode(line, type=dict[str, Any])
        _say(commands[asked.pop("do")](asked))


def _say(value: Any) -> None:
    data = msgspec.json.encode(value) + b"\n"
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]
