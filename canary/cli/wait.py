"""`canary wait`: holds a pipeline until a rollout is where it should be, and says by its exit code how that went."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from canary.api.duration import format_duration
from canary.cli.canaries import standing
from canary.cli.exits import Exit, Failure
from canary.cli.goal import Verdict, Wait
from canary.cli.session import Session
from canary.cli.terminal import clean


async def wait(session: Session, name: str, waiting: Wait, timeout: float) -> int:
    """Wait up to `timeout` seconds. Progress goes to stderr, the result to stdout; returns the exit code."""
    last = ""

    async def until_over() -> Verdict:
        nonlocal last
        async with aclosing(session.states(name)) as views:
            async for view in views:
                line = clean(standing(view))
                if line != last:
                    session.terminal.note(f"{view.title} {line}")
                last = line
                verdict = waiting.judge(view)
                if verdict is not None:
                    return verdict
        raise Failure(f"{session.what(name)} is no longer watched")

    try:
        async with asyncio.timeout(timeout):
            verdict = await until_over()
    except TimeoutError:
        where = f"; it is: {last}" if last else ""
        raise Failure(f"{waiting.goal} not reached within {format_duration(timeout)}{where}", Exit.TIMEOUT) from None
    session.terminal.print(f"{session.namespace}/{name} {clean(verdict.words)}")
    return verdict.code
