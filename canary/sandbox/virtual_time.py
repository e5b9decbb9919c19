"""An event loop whose clock jumps to the next timer: hours of rollout in milliseconds, the same way every time.

There is no selector: code that runs here may use timers, tasks and queues, but no sockets, threads or subprocesses.
Equal programs take equal steps: timers of one moment fire in the order in which they were set.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Deadlock(RuntimeError):
    """Every task waits for something that no timer will bring."""


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's loop with `time()` standing still while code runs and jumping while everything waits."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_now = 0.0
        self._clock_resolution = 1e-9
        # Tuples, so that comparing them costs no call into Python, and ties keep their order.
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = itertools.count()

    def time(self) -> float:
        return self._virtual_now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        self._check_closed()  # type: ignore[attr-defined]
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self.host_timer(when, timer)
        return timer

    def host(self, handle: asyncio.Handle) -> None:
        """Run a handle in its turn, also one that another loop has made."""
        self._ready.append(handle)  # type: ignore[attr-defined]

    def host_timer(self, when: float, timer: asyncio.TimerHandle) -> None:
        """Run a timer at `when` by this loop's clock, also one that another loop has made."""
        heapq.heappush(self._timers, (when, next(self._numbers), timer))

    def _process_events(self, event_list: object) -> None:
        """There are no file descriptors, hence no events."""

    def _write_to_self(self) -> None:
        """There is no selector to wake."""

    def _run_once(self) -> None:
        # asyncio.BaseEventLoop keeps the handles that are ready in a deque of this name.
        timers, ready = self._timers, self._ready  # type: ignore[attr-defined]
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not ready:
            if not timers:
                if self._stopping:  # type: ignore[attr-defined]
                    return
                raise Deadlock("all tasks wait and no timer is set")
            self._virtual_now = max(self._virtual_now, timers[0][0])
        while timers and timers[0][0] <= self._virtual_now:
            handle = heapq.heappop(timers)[2]
            if not handle.cancelled():
                ready.append(handle)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """No executor is ever started here."""


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time, starting at 0; leftover tasks are cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
