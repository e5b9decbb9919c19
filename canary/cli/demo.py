"""`canary demo`: the demo of the sandbox on this terminal, with this very program as its controller."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from canary.cli.exits import Exit, Failure
from canary.cli.signals import stop_on_signals
from canary.cli.terminal import Terminal
from canary.kube.clock import SystemClock
from canary.sandbox.demo.lines import Lines
from canary.sandbox.demo.screen import Screen
from canary.sandbox.demo.stage import DEFAULT_RATE, Demo, DemoFailed, Interrupted, Options
from canary.sandbox.demo.view import View

_SEEDS = 1 << 16


async def demo(
    terminal: Terminal,
    *,
    keep: bool = False,
    port: int = 0,
    seed: int | None = None,
    rate: float = DEFAULT_RATE,
    stop: asyncio.Event | None = None,
) -> int:
    """Show the demo until its end, SIGINT, SIGTERM or `stop`. Raises `Failure` when it does not end as it must."""
    if stop is None:
        stop = asyncio.Event()
        stop_on_signals(stop.set)
    chosen = random.randrange(_SEEDS) if seed is None else seed
    view: View = Screen(terminal.console()) if terminal.live else Lines(terminal.print)
    show = Demo(Options(chosen, keep=keep, port=port, rate=rate), view, terminal.print, controller, SystemClock())
    try:
        await show.run(stop)
    except Interrupted:
        terminal.note("The demo was stopped; nothing of it is left.")
        raise typer.Abort from None
    except DemoFailed as error:
        raise Failure(f"the demo did not end as it must: {error}") from error
    return Exit.REACHED


def controller(kubeconfig: Path) -> Sequence[str]:
    """The command line of the controller, as it is run in a cluster but for where it listens."""
    program = [sys.executable, "-m", "canary.cli.main", "run"]
    return [*program, "--kubeconfig", str(kubeconfig), "--listen", "127.0.0.1:0", "--log-format", "console"]
