"""`canary status`: everything about one Canary, once or as it changes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing

from rich.text import Text

from canary.cli.canaries import View, standing
from canary.cli.events import Happening, happenings
from canary.cli.exits import Exit
from canary.cli.failures import failures
from canary.cli.screen import screen
from canary.cli.session import Session
from canary.cli.terminal import clean


async def status(session: Session, name: str) -> int:
    """Print the screen of one Canary."""
    view = await session.canary(name)
    for line in screen(view, await _events(session, view), session.now()):
        session.terminal.print(line)
    return Exit.REACHED


async def watch(session: Session, name: str) -> int:
    """Show the screen as it changes, until interrupted; where nobody watches, one line per change."""
    if session.terminal.live:
        return await _watch_screen(session, name)
    last = ""
    async with aclosing(session.states(name)) as views:
        async for view in views:
            line = f"{view.title} {clean(standing(view))}"
            if line != last:
                session.terminal.print(line)
            last = line
    return Exit.REACHED


async def _watch_screen(session: Session, name: str) -> int:
    from rich.live import Live

    shown: list[tuple[View, Sequence[Happening] | None]] = []

    def drawn() -> Text:
        # Drawn again while nothing changes, since what is left of a hold goes down.
        return Text("\n").join(screen(*shown[-1], session.now())) if shown else Text()

    live = Live(console=session.terminal.console(), get_renderable=drawn, refresh_per_second=2)
    with live:
        async with aclosing(session.states(name)) as views:
            async for view in views:
                shown[:] = [(view, await _events(session, view))]
                live.refresh()
    return Exit.REACHED


async def _events(session: Session, view: View) -> tuple[Happening, ...] | None:
    with failures():
        return await happenings(session.client, view)
