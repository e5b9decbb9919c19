"""Gives an order to the controller: writes its annotation over nothing unseen, and may await the effect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from canary.api.duration import format_duration
from canary.api.names import COMMAND_ANNOTATION
from canary.cli.canaries import CANARIES, View, standing, view_of
from canary.cli.exits import Exit, Failure
from canary.cli.failures import failures
from canary.cli.orders import AlreadySo, Order, abort, order, pending
from canary.cli.session import Session
from canary.cli.terminal import clean
from canary.core.commands import Verb
from canary.kube.errors import Ambiguous, Conflict

ATTEMPTS = 20
"""How often the write is tried anew when somebody else, mostly the controller's status, was faster."""
PATIENCE = 10.0
"""Seconds for which an earlier command may stay unanswered before this one is refused."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How an order is given: `force` writes over an unanswered one, `wait` seconds are waited for the answer."""

    force: bool = False
    wait: float | None = None


async def command(session: Session, name: str, verb: Verb, manner: Manner, argument: str = "") -> int:
    """Give a command. Raises `Failure` when it cannot apply."""
    if not manner.force:
        await _earlier_answered(session, name)
    return await _give(session, name, lambda view, now: order(view, verb, now, argument), manner, bound=True)


async def abort_rollout(session: Session, name: str, manner: Manner) -> int:
    """Give an abort: never refused, and never kept waiting by another command."""
    return await _give(session, name, abort, manner, bound=False)


async def _give(
    session: Session, name: str, make: Callable[[View, datetime], Order], manner: Manner, *, bound: bool
) -> int:
    now = session.now()
    view = await session.canary(name)
    try:
        given = make(view, now)
        for _ in range(ATTEMPTS):
            if await _written(session, view, given):
                break
            latest = await session.canary(name)
            if bound and latest.status.canary_revision != view.status.canary_revision:
                raise Failure(
                    f"{view.title} has turned to another revision, {latest.status.canary_revision}; look again"
                )
            view, given = latest, make(latest, now)
        else:
            raise Failure(f"{view.title} changes too fast to be written to; try again")
    except AlreadySo as already:
        session.terminal.print(f"{view.title} {already}")
        return Exit.REACHED
    session.terminal.print(f"{view.title}: {clean(given.outlook)}")
    if manner.wait is not None:
        return await _await_effect(session, name, given, manner.wait)
    session.terminal.note(f"See: {view.command_line('status', '--watch')}")
    return Exit.REACHED


async def _written(session: Session, view: View, given: Order) -> bool:
    """Write the annotation onto the object just as it was read; `False` when it has changed since."""
    patch = {
        "metadata": {
            "uid": view.metadata.uid,
            "resourceVersion": view.metadata.resource_version,
            "annotations": {given.annotation: given.value},
        }
    }
    name, namespace = view.metadata.name, view.metadata.namespace
    with failures(session.what(name)):
        try:
            await session.client.patch(CANARIES, name, patch, namespace)
        except Conflict:
            return False
        except Ambiguous:
            # It may have been written, and answered, before the connection broke.
            latest = view_of(await session.client.get(CANARIES, name, namespace))
            return latest.metadata.annotations.get(given.annotation) == given.value or given.answered(latest)
    return True


async def _earlier_answered(session: Session, name: str) -> None:
    """Wait a little for a command that was given before: writing over it would silently undo it."""
    waited_for = ""
    try:
        async with asyncio.timeout(PATIENCE), aclosing(session.states(name)) as views:
            async for view in views:
                waited_for = pending(view, COMMAND_ANNOTATION)
                if not waited_for:
                    return
    except TimeoutError:
        raise Failure(
            f"the controller has not answered the command {clean(waited_for)!r} yet; is it running? "
            "--force writes over it"
        ) from None


async def _await_effect(session: Session, name: str, given: Order, timeout: float) -> int:
    try:
        async with asyncio.timeout(timeout), aclosing(session.states(name)) as views:
            async for view in views:
                if given.answered(view):
                    return _effect(session, view, given)
    except TimeoutError:
        pass
    raise Failure(f"the controller has not answered within {format_duration(timeout)}; is it running?", Exit.TIMEOUT)


def _effect(session: Session, view: View, given: Order) -> int:
    if not given.effect(view):
        raise Failure(f"the controller did not carry it out; its events say why: {view.command_line('status')}")
    session.terminal.print(f"{view.title} {clean(standing(view))}")
    return Exit.REACHED
