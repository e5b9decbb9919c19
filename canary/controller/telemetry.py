"""What the controller tells about itself: a port, so that nothing here knows of Prometheus."""

from __future__ import annotations

from typing import Protocol

from canary.core.decision import Change, Decision
from canary.core.memory import Memory
from canary.core.observed import Observed
from canary.core.state import State
from canary.kube.store import Key


class Telemetry(Protocol):
    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None:
        """A Canary was looked at and this was decided."""
        ...

    def wrote(self, key: Key, change: Change, *, since_breach: float | None) -> None:
        """A write of the split was accepted; `since_breach` are seconds from the breached window to safety."""
        ...

    def refused(self, key: Key, change: Change, error: Exception) -> None:
        """A write of the split did not happen."""
        ...

    def dropped(self, key: Key) -> None:
        """The Canary is gone: nothing of it may stay."""
        ...


class Silent:
    """Tells nobody."""

    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None: ...

    def wrote(self, key: Key, change: Change, *, since_breach: float | None) -> None: ...

    def refused(self, key: Key, change: Change, error: Exception) -> None: ...

    def dropped(self, key: Key) -> None: ...
