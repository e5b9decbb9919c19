"""One controller process of a simulation, and what can be done to it."""

from __future__ import annotations

import asyncio
from typing import Any

from canary.controller.app import Controller
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.process_loop import ProcessLoop, outcome


class Process:
    """A controller with its own client. In virtual time it has a loop of its own: `loop` is `None` otherwise.

    `task` runs the controller; look at it, but wait for it by `ended`: it may belong to another loop.
    """

    def __init__(
        self,
        identity: str,
        controller: Controller,
        client: Client,
        transport: DirectTransport,
        clock: Clock,
        loop: ProcessLoop | None,
    ) -> None:
        self.identity, self.controller, self.client, self.clock, self.loop = identity, controller, client, clock, loop
        self._transport = transport
        owner: asyncio.AbstractEventLoop = loop or asyncio.get_running_loop()
        self.task: asyncio.Task[None] = owner.create_task(controller.run(), name=f"controller {identity}")
        # Retrieved here: what a process died of is asked for where it matters.
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())

    @property
    def complaints(self) -> list[str]:
        """Errors that no task of this process has handled."""
        return self.loop.complaints if self.loop else []

    @property
    def running(self) -> bool:
        """Whether it has neither ended nor been killed; a stopped process runs."""
        return not self.task.done() and (self.loop is None or self.loop.alive)

    def kill(self) -> None:
        """End it as SIGKILL does: no `finally` runs, its connections close, what it has sent takes effect."""
        self.client.transport = _Dead()
        if self.loop is None:
            self.task.cancel()
            return
        self.loop.kill()
        self._transport.hang_up()

    def freeze(self) -> None:
        """As SIGSTOP: it does nothing until `thaw`, while its clocks go on."""
        if self.loop is not None:
            self.loop.stop_process()

    def thaw(self) -> None:
        """As SIGCONT."""
        if self.loop is not None:
            self.loop.continue_process()

    async def stop(self) -> None:
        """End it as SIGTERM does, and wait until it has."""
        self.controller.stop()
        await self.ended()

    async def ended(self) -> None:
        """Wait until the process has ended by itself."""
        await outcome(self.task)

    async def bury(self) -> None:
        """End what is left of it; nothing that it still does reaches anybody."""
        self.client.transport = _Dead()
        if self.loop is not None:
            await self.loop.bury()
        else:
            self.task.cancel()
            await asyncio.wait((self.task,))
        self._transport.hang_up()


class _Dead:
    """The connection of a killed process: nothing leaves it any more."""

    async def request(self, *_: Any, **__: Any) -> Any:
        await asyncio.get_running_loop().create_future()

    def stream(self, *_: Any, **__: Any) -> Any:
        raise ConnectionError("the process is dead")

    async def close(self) -> None: ...
