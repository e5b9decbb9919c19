"""The controller as a process of its own: started, watched, ended by its id."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

STOP = 10.0
"""Seconds that it has to end after SIGTERM, as it promises; then it is killed."""
_TAIL = 12


class ControllerEnded(Exception):
    """The controller ended though nobody told it to."""


@contextlib.asynccontextmanager
async def controller(command: Sequence[str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs `command`, whose output goes to `log`, during the block; afterwards it has ended, whatever happened.

    Ctrl-C does not reach it, since it has a session of its own: it is this block that ends it.
    """
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        await _end(process)


async def ended(process: asyncio.subprocess.Process) -> None:
    """Return never. Raises `ControllerEnded` when the process has ended."""
    code = await process.wait()
    raise ControllerEnded(f"the controller has ended by itself, with exit code {code}")


def last_words(log: Path) -> list[str]:
    """The last lines of a log."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL:]


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP):
                await process.wait()
    finally:
        # Also when this task is cancelled meanwhile: no process may outlive the demo.
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
