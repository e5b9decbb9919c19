"""What the controller tells about itself: a port, so that nothing here knows of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from canary.core.decision import Change, Decision
from canary.core.memory import Memory
from canary.core.observed import Observed
from canary.core.state import State
from canary.core.verdict import Judged, Verdict
from canary.kube.store import Key


class Telemetry(Protocol):
    def leads(self, leading: bool) -> None:
        """This process begins or ceases to lead."""
        ...

    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None:
        """A Canary was looked at and this was decided."""
        ...

    def judged(self, key: Key, verdict: Verdict) -> None:
        """A metrics window, or a failure of the source, has this verdict. Told once for each."""
        ...

    def wrote(
        self, key: Key, change: Change, *, before: State | None, after: State | None, since_breach: float | None
    ) -> None:
        """A write of the split was accepted; `since_breach` are seconds from the breached window to safety.

        `before` is the state that was read, `after` the one that was stored; `None` without a readable one.
        """
        ...

    def refused(self, key: Key, change: Change, error: Exception) -> None:
        """A write of the split did not happen."""
        ...

    def dropped(self, key: Key) -> None:
        """The Canary is gone: nothing of it may stay."""
        ...

    def worked(self, key: Key, waited: float, worked: float) -> None:
        """A reconcile has ended: seconds from when it was due until it began, and seconds that it took."""
        ...


class Silent:
    """Tells nobody."""

    def leads(self, leading: bool) -> None: ...

    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None: ...

    def judged(self, key: Key, verdict: Verdict) -> None: ...

    def wrote(
        self, key: Key, change: Change, *, before: State | None, after: State | None, since_breach: float | None
    ) -> None: ...

    def refused(self, key: Key, change: Change, error: Exception) -> None: ...

    def dropped(self, key: Key) -> None: ...

    def worked(self, key: Key, waited: float, worked: float) -> None: ...


def newly_judged(before: Memory, after: Memory) -> Iterator[Judged]:
    """The windows that were judged between two memories, each once. Windows never overlap: a new one ends later."""
    last = max((window.end for window in _windows(before)), default=float("-inf"))
    yield from {window.end: window for window in _windows(after) if window.end > last}.values()


def _windows(memory: Memory) -> Iterator[Judged]:
    yield from memory.pending
    if memory.latest is not None:
        yield memory.latest
