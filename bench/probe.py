"""Looks over the controller's shoulder: when an answer came, when it was judged, when traffic was safe."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from canary.controller.telemetry import Silent
from canary.core.decision import Change, Decision, Direction
from canary.core.memory import Memory
from canary.core.observed import Observed
from canary.core.state import State
from canary.kube.store import Key
from canary.kube.transport import Response, Transport

_METRICS = "/apis/metrics.smi-spec.io/"


class StampedTransport:
    """Passes everything on; keeps when the last answers of the metrics API were complete, by namespace."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.answered: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=4))

    async def request(self, method: str, path: str, **options: Any) -> Response:
        answer = await self._transport.request(method, path, **options)
        if path.startswith(_METRICS):
            self.answered[path.split("/")[5]].append(time.monotonic())
        return answer

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._transport.stream(path, query=query, idle_timeout=idle_timeout)

    async def close(self) -> None:
        await self._transport.close()


@dataclass(slots=True)
class Probe(Silent):
    """`lateness`: from an answer's last byte to the decision; `safe`: from a parsed answer to the accepted lowering.

    `first` and `whole` are when one Canary, and all `count`, had been decided on views that had synced. All in seconds
    of the machine's monotonic clock.
    """

    transport: StampedTransport
    count: int
    lateness: list[float] = field(default_factory=list)
    safe: list[float] = field(default_factory=list)
    first: float = 0.0
    whole: float = 0.0
    _decided: set[Key] = field(default_factory=set)
    _judged: dict[Key, float] = field(default_factory=dict)

    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None:
        """See `Telemetry`."""
        now = time.monotonic()
        if len(self._decided) < self.count:
            self._begin(key, observed, now)
        window = memory.latest
        if window is not None and window.end != self._judged.get(key):
            self._judged[key] = window.end
            answers = [at for at in self.transport.answered[key[0]] if at <= window.end]
            self.lateness.append(now - max(answers))

    def wrote(
        self, key: Key, change: Change, *, before: State | None, after: State | None, since_breach: float | None
    ) -> None:
        """See `Telemetry`."""
        if since_breach is not None and change.direction is Direction.DOWN:
            self.safe.append(since_breach)

    def _begin(self, key: Key, observed: Observed, now: float) -> None:
        sides = observed.sides.values()
        if not observed.split_known or not sides or not all(s.known and (s.hashes is not None) for s in sides):
            return
        self.first = self.first or now
        self._decided.add(key)
        if len(self._decided) == self.count:
            self.whole = now
