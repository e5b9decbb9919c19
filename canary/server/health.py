"""Whether this process is alive and ready, and what makes it stop by itself.

Alive means that the event loop turns: an API server that is down is no reason to be restarted. Ready means that the
Canaries are known and that the API server has been heard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from canary.kube.clock import Clock

BEAT = 1.0
"""Seconds between two beats."""
BLOCKED = 30.0
"""Seconds of lag after which the process counts as stuck: what it believes of the world and of its Lease is old."""
SILENT = 60.0
"""Seconds without any word from the API server after which the process is no longer ready."""


class Check(NamedTuple):
    """One thing that must hold; `problem` says in words why it does not, and is empty when it does."""

    name: str
    problem: str


class Heartbeat:
    """Measures how late the event loop wakes up; calls `on_blocked(seconds)` when that is more than `BLOCKED`."""

    def __init__(self, clock: Clock, on_blocked: Callable[[float], None]) -> None:
        self.lag = 0.0
        self.worst = 0.0
        self._clock = clock
        self._on_blocked = on_blocked
        self._due = clock.monotonic() + BEAT

    @property
    def overdue(self) -> float:
        """Seconds by which the last or the current beat is late, whichever is more."""
        return max(self.lag, self._clock.monotonic() - self._due)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._due = self._clock.monotonic() + BEAT
            await self._clock.sleep(BEAT)
            self.lag = max(0.0, self._clock.monotonic() - self._due)
            self.worst = max(self.worst, self.lag)
            if self.lag > BLOCKED:
                self._on_blocked(self.lag)


def alive(heartbeat: Heartbeat) -> tuple[Check, ...]:
    """The checks of /livez."""
    late = heartbeat.overdue
    return (Check("event-loop", f"blocked for {late:.0f} s" if late > BLOCKED else ""),)


def ready(heartbeat: Heartbeat, *, synced: bool, error: str, silent_for: float) -> tuple[Check, ...]:
    """The checks of /readyz. `silent_for` are seconds since the API server was heard while requests fail.

    `error` is what stands between the process and its caches, if anything is known.
    """
    return (
        *alive(heartbeat),
        Check("caches", "" if synced else f"the Canaries have not been listed yet{error and f': {error}'}"),
        Check("api-server", f"no word for {silent_for:.0f} s" if silent_for > SILENT else ""),
    )
