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
from canary.cli.workload import Part, workload

_Around = tuple[Sequence[Happening] | None, Sequence[Part] | None]
"""What is shown beside the Canary itself: its events, and what runs."""


async def status(session: Session, name: str) -> int:
    """Print the screen of one Canary."""
    view = await session.canary(name)
    events, parts = await _around(session, view)
    for line in screen(view, events, session.now(), parts):
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

    shown: list[tuple[View, _Around]] = []

    def drawn() -> Text:
        # Drawn again while nothing changes, since what is left of a hold goes down.
        if not shown:
            return Text()
        view, (events, parts) = shown[-1]
        return Text("\n").join(screen(view, events, session.now(), parts))

    live = Live(console=session.terminal.console(), get_renderable=drawn, refresh_per_second=2)
    with live:
        async with aclosing(session.states(name)) as views:
            async for view in views:
                shown[:] = [(view, await _around(session, view))]
                live.refresh()
    return Exit.REACHED


async def _around(session: Session, view: View) -> _Around:
    with failures():
        return await happenings(session.client, view), await workload(session.client, view)
