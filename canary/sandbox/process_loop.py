"""Event loops that stand for operating-system processes: each can be killed or stopped, and has a clock of its own.

They are hosted by one loop in virtual time, which decides whose turn it is. A killed process runs no `finally`, a
stopped one finds its timers overdue when it goes on: SIGKILL and SIGSTOP, as far as a program can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from datetime import datetime, timedelta
from typing import Any, TypeVarTuple

from canary.sandbox.virtual_time import VirtualLoop

Ts = TypeVarTuple("Ts")

_FAREWELLS = 400
"""Turns of the host in which the tasks of a dead process must end."""
_PATIENCE = 40
"""Turns that a cancelled task has before it is cancelled again: an interrupted clean-up would be a leak of its own."""


class ProcessLoop(asyncio.BaseEventLoop):
    """The loop of one process. `rate` is how many of its seconds pass in one of its host's; `origin` is its time now.

    Futures may be completed from outside: whoever waits for them runs in the loop that they belong to.
    """

    def __init__(self, host: VirtualLoop, *, rate: float = 1.0, origin: float = 0.0) -> None:
        super().__init__()
        self.host, self.rate = host, rate
        self.alive = True
        self.complaints: list[str] = []
        self._host_origin, self._origin = host.time(), origin
        self._withheld: list[asyncio.Handle] | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.set_exception_handler(_complain)

    @property
    def stopped(self) -> bool:
        return self.alive and self._withheld is not None

    def time(self) -> float:
        return self._origin + (self.host.time() - self._host_origin) * self.rate

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self.host.host(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Timer(when, callback, args, self, context)
        self.host.host_timer(self._host_origin + (when - self._origin) / self.rate, timer)
        return timer

    def create_task(self, coro: Any, *, name: object = None, context: Context | None = None) -> asyncio.Task[Any]:
        # Held here: the tasks of a dead process must not be collected, for that would run their `finally`.
        task: asyncio.Task[Any] = super().create_task(coro, name=name, context=context)
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)

    @property
    def running_tasks(self) -> tuple[asyncio.Task[Any], ...]:
        """The tasks that have not ended."""
        return tuple(self._tasks)

    def kill(self) -> None:
        """As SIGKILL: nothing of this process runs any more."""
        self.alive = False
        if self._withheld is None:
            self._withheld = []

    def stop_process(self) -> None:
        """As SIGSTOP: nothing runs until `continue_process`, while its clocks go on."""
        if self.alive and self._withheld is None:
            self._withheld = []

    def continue_process(self) -> None:
        """As SIGCONT: everything that fell due meanwhile runs now, in its order."""
        if self.alive:
            self._release()

    def _release(self) -> None:
        withheld, self._withheld = self._withheld or (), None
        for handle in withheld:
            self.host.host(handle)

    def admits(self, handle: asyncio.Handle) -> bool:
        """Whether a handle may run now; one that must wait is kept, and so is what a dead process leaves undone."""
        if self._withheld is not None:
            self._withheld.append(handle)
        return self._withheld is None

    async def bury(self) -> None:
        """End the tasks of a dead process for good, when it no longer matters what they do. Awaited in the host."""
        self.set_exception_handler(lambda *_: None)
        self._release()
        for turn in range(_FAREWELLS):
            if not self._tasks:
                break
            if turn % _PATIENCE == 0:
                for task in self.running_tasks:
                    task.cancel()
            await asyncio.sleep(0)
        self.kill()
        self.close()


def _complain(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, ProcessLoop)
    loop.complaints.append(f"{context.get('message')}: {context.get('exception')!r}")


def _run_in(handle: asyncio.Handle, run: Callable[[], None]) -> None:
    loop: ProcessLoop = handle._loop  # type: ignore[attr-defined]
    if not loop.admits(handle):
        return
    asyncio._set_running_loop(loop)
    try:
        run()
    finally:
        asyncio._set_running_loop(loop.host)


class _Handle(asyncio.Handle):
    __slots__ = ()

    def _run(self) -> None:
        if not self.cancelled():
            _run_in(self, super()._run)


class _Timer(asyncio.TimerHandle):
    __slots__ = ()

    def _run(self) -> None:
        if not self.cancelled():
            _run_in(self, super()._run)


class ProcessClock:
    """The clocks of one process: `wall_offset` is how far its wall clock is off, in seconds, and may be changed."""

    def __init__(self, loop: ProcessLoop, epoch: datetime, wall_offset: float = 0.0) -> None:
        self._loop, self._epoch, self.wall_offset = loop, epoch, wall_offset

    def monotonic(self) -> float:
        return self._loop.time()

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=self._loop.host.time() + self.wall_offset)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


async def outcome(task: asyncio.Task[Any]) -> None:
    """Wait, in any loop, until a task of another loop is done; its result is not looked at."""
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def tell(_: asyncio.Task[Any]) -> None:
        if not done.done():
            done.set_result(None)

    task.add_done_callback(tell)
    await done
