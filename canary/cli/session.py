"""What a command works with while it runs: the cluster, the namespace, the clock, the terminal."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from canary import __version__
from canary.api.names import CLI_MANAGER
from canary.cli.canaries import CANARIES, View, view_of
from canary.cli.exits import Exit, Failure
from canary.cli.failures import failures
from canary.cli.flags import Flags
from canary.cli.follow import Follower
from canary.cli.kubeconfig import place
from canary.cli.terminal import Terminal, wants_color
from canary.kube.client import Client
from canary.kube.clock import Clock, SystemClock

Action = Callable[["Session"], Awaitable[int | None]]


@dataclass(frozen=True, slots=True)
class Session:
    client: Client
    namespace: str
    clock: Clock
    rng: random.Random
    terminal: Terminal

    def now(self) -> datetime:
        return self.clock.now()

    def follower(self, namespace: str | None, name: str = "") -> Follower:
        return Follower(self.client, namespace, name, clock=self.clock, rng=self.rng, trouble=self.terminal.note)

    async def canary(self, name: str) -> View:
        """The Canary as it is now. Raises `Failure`."""
        with failures(self.what(name)):
            return view_of(await self.client.get(CANARIES, name, self.namespace))

    async def states(self, name: str) -> AsyncGenerator[View, None]:
        """The Canary now and each time it changes. Raises `Failure` when it is not there, or no longer."""
        with failures(self.what(name)):
            async with aclosing(self.follower(self.namespace, name).changes()) as batches:
                first = True
                async for changes in batches:
                    if first and not changes:
                        raise Failure(f"{self.what(name)} does not exist", Exit.NOT_FOUND)
                    first = False
                    for change in changes:
                        if change.deleted:
                            raise Failure(f"{self.what(name)} was deleted", Exit.NOT_FOUND)
                        yield change.view

    def what(self, name: str) -> str:
        return f"Canary {name} in namespace {self.namespace}"


def terminal_for(flags: Flags) -> Terminal:
    return Terminal(sys.stdout, sys.stderr, color=wants_color(flags.no_color, os.environ))


@asynccontextmanager
async def connected(flags: Flags) -> AsyncIterator[Session]:
    """A session with the cluster that the flags and the environment name. Raises `Failure`."""
    from canary.kube.http import connect

    where = place(flags.kubeconfig, flags.context, os.environ)
    clock, rng = SystemClock(), random.Random()
    with failures():
        transport = await connect(
            where.kubeconfig, flags.context, where.in_cluster, f"canary-cli/{__version__}", clock=clock
        )
    client = Client(transport, clock=clock, rng=rng, field_manager=CLI_MANAGER)
    try:
        yield Session(client, flags.namespace or where.namespace, clock, rng, terminal_for(flags))
    finally:
        await client.close()


def run(flags: Flags, action: Action) -> int:
    """Connect, act, and return the exit code."""

    async def main() -> int:
        async with connected(flags) as session:
            return await action(session) or 0

    return asyncio.run(main())
