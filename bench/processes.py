"""The processes of a scenario, what they use, and a way to talk to them."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

READY = 120.0
"""Seconds in which a process must be ready."""
ANSWER = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")


class ScenarioFailed(Exception):
    """A scenario could not run; the message says why."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Resident memory now and at its highest, in MB of 10⁶ bytes; processor seconds since the start."""

    rss: float
    peak: float
    cpu: float


def usage(pid: int) -> Usage:
    """What a process uses, from /proc (Linux, proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = {name: rest.split()[0] for name, _, rest in (line.partition(":") for line in lines) if name in _MEMORY}
    rss, peak = (int(kib[name]) * 1024 / 1e6 for name in _MEMORY)
    # The name of the program stands in brackets and may hold anything; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return Usage(rss, peak, (int(fields[11]) + int(fields[12])) / _TICKS)


_MEMORY = ("VmRSS", "VmHWM")


class Child:
    """A process that answers commands; see `bench.commands`."""

    def __init__(self, process: Process, started: float) -> None:
        self._process = process
        self.started = started
        self.ready: Any = None

    @property
    def pid(self) -> int:
        return self._process.pid

    def usage(self) -> Usage:
        return usage(self.pid)

    async def ask(self, command: str, **arguments: Any) -> Any:
        """The answer to one command. Raises `ScenarioFailed` when the process has ended or hangs."""
        assert self._process.stdin is not None  # it was started with a pipe
        self._process.stdin.write(msgspec.json.encode({"do": command, **arguments}) + b"\n")
        return await self.heard(ANSWER)

    async def heard(self, timeout: float) -> Any:
        """The next line that the process says."""
        assert self._process.stdout is not None  # it was started with a pipe
        try:
            async with asyncio.timeout(timeout):
                line = await self._process.stdout.readline()
        except TimeoutError as error:
            raise ScenarioFailed(f"process {self.pid} did not answer within {timeout:g} s") from error
        if not line:
            raise ScenarioFailed(f"process {self.pid} ended with code {await self._process.wait()}")
        return msgspec.json.decode(line)


@asynccontextmanager
async def child(module: str, *arguments: object) -> AsyncIterator[Child]:
    """A Python process with `module` as its program, ready to be asked."""
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *map(str, arguments), stdin=PIPE, stdout=PIPE, limit=1 << 26
    )
    try:
        found = Child(process, started)
        found.ready = await found.heard(READY)
        yield found
    finally:
        await _end(process)


@asynccontextmanager
async def program(*arguments: str) -> AsyncIterator[int]:
    """The process id of `canary` with these arguments, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "canary", *arguments, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield process.pid
        if process.returncode is not None:
            raise ScenarioFailed(f"canary {arguments[0]} ended with code {process.returncode}")
    finally:
        if process.returncode is None:
            process.terminate()
        await _end(process)


async def _end(process: Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(15):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
