"""An event loop whose clock jumps to the next timer: hours of rollout in milliseconds, the same way every time.

There is no selector: code that runs here may use timers, tasks and queues, but no sockets, threads or subprocesses.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Every task waits for something that no timer will bring."""


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's loop with `time()` standing still while code runs and jumping while everything waits."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual_now = 0.0
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._virtual_now

    def _process_events(self, event_list: object) -> None:
        """There are no file descriptors, hence no events."""

    def _write_to_self(self) -> None:
        """There is no selector to wake."""

    def _run_once(self) -> None:
        # The names are those of asyncio.BaseEventLoop: it keeps timers in a heap and ready handles in a deque.
        scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        ready = self._ready  # type: ignore[attr-defined]
        while scheduled and scheduled[0].cancelled():
            heapq.heappop(scheduled)._scheduled = False  # type: ignore[attr-defined]
        if not ready:
            if not scheduled:
                if self._stopping:  # type: ignore[attr-defined]
                    return
                raise Deadlock("all tasks wait and no timer is set")
            self._virtual_now = max(self._virtual_now, scheduled[0].when())
        while scheduled and scheduled[0].when() <= self._virtual_now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # type: ignore[attr-defined]
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
