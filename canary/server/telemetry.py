"""One telling, several listeners."""

from __future__ import annotations

from canary.controller.telemetry import Telemetry
from canary.core.decision import Change, Decision
from canary.core.memory import Memory
from canary.core.observed import Observed
from canary.core.state import State
from canary.core.verdict import Verdict
from canary.kube.store import Key


class Told:
    """A `Telemetry` that passes everything on to each of `listeners`, in order."""

    def __init__(self, listeners: tuple[Telemetry, ...]) -> None:
        self._listeners = listeners

    def leads(self, leading: bool) -> None:
        for each in self._listeners:
            each.leads(leading)

    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None:
        for each in self._listeners:
            each.looked(key, observed, state, memory, decision)

    def judged(self, key: Key, verdict: Verdict) -> None:
        for each in self._listeners:
            each.judged(key, verdict)

    def wrote(
        self, key: Key, change: Change, *, before: State | None, after: State | None, since_breach: float | None
    ) -> None:
        for each in self._listeners:
            each.wrote(key, change, before=before, after=after, since_breach=since_breach)

    def refused(self, key: Key, change: Change, error: Exception) -> None:
        for each in self._listeners:
            each.refused(key, change, error)

    def dropped(self, key: Key) -> None:
        for each in self._listeners:
            each.dropped(key)

    def worked(self, key: Key, waited: float, worked: float) -> None:
        for each in self._listeners:
            each.worked(key, waited, worked)
