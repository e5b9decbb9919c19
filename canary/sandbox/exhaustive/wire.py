"""The connection of one process: it keeps what was sent, and can make its owner die around one of its writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from canary.kube.transport import Response, Transport
from canary.sandbox.apiserver.request import Request, parse_target, verb_of

WRITING = frozenset({"create", "update", "patch", "delete"})
METRICS = "metrics.smi-spec.io"
LATE = 1.0
"""Seconds for which a late request is on its way: its sender's successor has begun by then."""
LINGER = 0.01
"""Seconds for which a process that sends nothing more outlives the answer to its last write."""


class When(StrEnum):
    """The moment of death, seen from one write."""

    BEFORE = "before"  # it is never sent
    UNANSWERED = "unanswered"  # it has taken effect, the answer has not arrived
    AFTER = "after"  # the answer has arrived, and what follows from it is done up to the next request
    LATE = "late"  # it is on its way, and takes effect, if at all, when the successor has begun


@dataclass(frozen=True, slots=True)
class Call:
    """What a request is about: `update trafficsplits`, `patch canaries/status`; `metrics` tells apart whose lists."""

    verb: str
    resource: str
    metrics: bool = False

    @property
    def writes(self) -> bool:
        return self.verb in WRITING

    def __str__(self) -> str:
        return f"{self.verb} {'metrics of ' if self.metrics else ''}{self.resource}"


def call_of(method: str, path: str, query: Mapping[str, str] | None) -> Call:
    """The call behind a request; of a path that names no resource, the path itself."""
    target = parse_target(path)
    if target is None:
        return Call(method.lower(), path)
    verb = verb_of(Request(method, path, dict(query or {})), target)
    resource = f"{target.plural}/{target.subresource}" if target.subresource else target.plural
    return Call(verb, resource, target.group == METRICS)


@dataclass(slots=True, eq=False)
class Wire:
    """A `canary.kube.transport.Transport` over another.

    At write number `doomed`, counted from 1, `strike` is called once at the moment `when`; it must kill the process.
    `writes` are all writes so far, `calls` how often each call was made; `notice` hears of each before it leaves.
    """

    inner: Transport
    host: asyncio.AbstractEventLoop
    doomed: int = 0
    when: When = When.BEFORE
    strike: Callable[[], None] = lambda: None
    notice: Callable[[Call, int], None] = lambda call, number: None
    writes: list[Call] = field(default_factory=list)
    calls: dict[Call, int] = field(default_factory=dict)
    _armed: bool = False
    _struck: bool = False

    async def request(self, method: str, path: str, **options: Any) -> Response:
        """See `canary.kube.transport.Transport.request`."""
        if self._armed:
            await self._die()
        call = call_of(method, path, options.get("query"))
        self._note(call)
        if call.writes:
            self.writes.append(call)
        if not call.writes or len(self.writes) != self.doomed:
            return await self.inner.request(method, path, **options)
        return await self._around(method, path, options)

    async def _around(self, method: str, path: str, options: dict[str, Any]) -> Response:
        if self.when is When.LATE:
            self.host.call_later(LATE, self._send_late, method, path, options)
        if self.when in (When.BEFORE, When.LATE):
            await self._die()
        answer = await self.inner.request(method, path, **options)
        if self.when is When.UNANSWERED:
            await self._die()
        self._armed = True
        self.host.call_later(LINGER, self._strike_once)
        return answer

    def _send_late(self, method: str, path: str, options: dict[str, Any]) -> None:
        task = self.host.create_task(self.inner.request(method, path, **options))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _die(self) -> None:
        self._armed = True
        self._strike_once()
        await asyncio.get_running_loop().create_future()

    def _strike_once(self) -> None:
        if not self._struck:
            self._struck = True
            self.strike()

    def _note(self, call: Call) -> None:
        number = self.calls[call] = self.calls.get(call, 0) + 1
        self.notice(call, number)

    def stream(self, path: str, **options: Any) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """See `canary.kube.transport.Transport.stream`."""
        self._note(call_of("GET", path, options.get("query")))
        return self.inner.stream(path, **options)

    async def close(self) -> None:
        await self.inner.close()
