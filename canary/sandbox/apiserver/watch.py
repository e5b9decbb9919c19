"""Watches: an endless answer, one change a line.

A watch keeps a place in the history and no queue of its own, so a slow reader costs nothing; when its place is
compacted it is told to list again. Source: Kubernetes API concepts, "Efficient detection of changes", "Watch
bookmarks" and "Streaming lists".
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass

from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.content import Form, View, encode, negotiated, one, table
from canary.sandbox.apiserver.conversion import seen
from canary.sandbox.apiserver.objects import Object, meta, with_meta
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.selectors import Predicate
from canary.sandbox.apiserver.status import Refused, bad_request, expired
from canary.sandbox.apiserver.storage import Compacted, Event
from canary.sandbox.apiserver.verbs.reading import predicate_of, version_asked

BOOKMARK_SECONDS = 60.0
# A last bookmark goes out this long before the end, so that the next watch starts from a fresh version.
_BEFORE_END = 2.0
_MIN_TIMEOUT = 1800.0
_INITIAL_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a watch is about. `start` is the version after which changes are told; `initial` sends what is there."""

    kind: ResourceType
    namespace: str
    predicate: Predicate | None
    view: View
    start: int
    initial: bool
    marks_initial_end: bool
    bookmarks: bool
    timeout: float


def _timeout(cluster: Cluster, call: Call) -> float:
    text = call.request.query.get("timeoutSeconds", "")
    if text and not text.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return float(text) if text and text != "0" else _MIN_TIMEOUT * (1 + cluster.rng.random())


def terms_of(cluster: Cluster, call: Call) -> Terms:
    """Raises `Refused` for parameters that are wrong."""
    query = call.request.query
    streaming = call.request.flag("sendInitialEvents")
    asked = version_asked(cluster, call)
    bookmarks = call.request.flag("allowWatchBookmarks")
    current = cluster.storage.version
    initial = streaming if "sendInitialEvents" in query else not asked
    return Terms(
        kind=call.kind,
        namespace=call.target.namespace,
        predicate=predicate_of(call),
        view=negotiated(call.request, cluster.clock),
        start=current if initial or not asked else asked,
        initial=initial,
        marks_initial_end=streaming and bookmarks,
        bookmarks=bookmarks,
        timeout=_timeout(cluster, call),
    )


class WatchBroken(Exception):
    """The connection of a watch was reset."""


class WatchStream:
    """Lines of JSON, each with its newline; ends by itself after the timeout, or by `close`."""

    def __init__(self, cluster: Cluster, terms: Terms) -> None:
        self._cluster, self._terms = cluster, terms
        self._version = terms.start
        self._ready: deque[bytes] = deque()
        self._headers_sent = False
        self._closed = False
        self._broken = False
        self._waiting: asyncio.Future[None] | None = None
        self._failed = False
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._end = now + terms.timeout
        self._next_bookmark = min(now + BOOKMARK_SECONDS, max(now, self._end - _BEFORE_END))
        if terms.initial:
            self._send_initial()

    def close(self) -> None:
        """End the stream; a reader that waits is woken."""
        self._closed = True
        self._wake_reader()

    def break_off(self) -> None:
        """Reset the connection: the reader gets `WatchBroken`."""
        self._broken = True
        self._wake_reader()

    @property
    def open(self) -> bool:
        return not (self._closed or self._broken or self._failed) and self._loop.time() < self._end

    def _wake_reader(self) -> None:
        if self._waiting is not None:
            _wake(self._waiting)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while not self._closed:
            if self._broken:
                raise WatchBroken
            if not self._ready and not self._failed:
                self._read()
            if self._ready:
                return self._ready.popleft()
            if self._failed or self._loop.time() >= self._end:
                break
            await self._wait()
        raise StopAsyncIteration

    async def _wait(self) -> None:
        storage = self._cluster.storage
        future = self._waiting = storage.changed(self._terms.kind.storage)
        until = min(self._end, self._next_bookmark) if self._terms.bookmarks else self._end
        timer = self._loop.call_at(until, _wake, future)
        try:
            await future
        finally:
            self._waiting = None
            timer.cancel()
            storage.forget_waiter(self._terms.kind.storage, future)

    def _read(self) -> None:
        """Turn what is new in the history into lines, and add a bookmark when one is due."""
        try:
            events = self._cluster.storage.after(self._terms.kind.storage, self._version)
        except Compacted as gone:
            self._fail(expired(f"too old resource version: {self._version} ({gone.oldest})"))
            return
        for event in events:
            self._version = event.version
            line = self._line_for(event)
            if line is not None:
                self._ready.append(line)
        now = self._loop.time()
        if self._terms.bookmarks and not self._ready and self._next_bookmark <= now < self._end:
            self._next_bookmark = self._bookmark_after(now)
            self._version = max(self._version, self._cluster.storage.version)
            self._ready.append(self._bookmark({}))

    def _bookmark_after(self, now: float) -> float:
        last = self._end - _BEFORE_END
        return min(now + BOOKMARK_SECONDS, last) if now < last else self._end + 1

    def _fail(self, refusal: Refused) -> None:
        self._ready.append(encode({"type": "ERROR", "object": refusal.status()}) + b"\n")
        self._failed = True

    def _send_initial(self) -> None:
        objects = self._cluster.storage.snapshot(self._terms.kind.storage, self._version)
        for _, obj in sorted(objects.items()):
            if self._selects(obj):
                self._ready.append(self._encoded("ADDED", obj))
        if self._terms.marks_initial_end:
            self._ready.append(self._bookmark({_INITIAL_END: "true"}))

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        kind = self._terms.kind
        metadata: Object = {"resourceVersion": str(self._version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        obj = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": metadata}
        if self._terms.view.form is Form.METADATA:
            obj.update(kind="PartialObjectMetadata", apiVersion="meta.k8s.io/v1")
        return self._line("BOOKMARK", obj)

    def _selects(self, obj: Object | None) -> bool:
        terms = self._terms
        if obj is None or (terms.namespace and meta(obj).get("namespace") != terms.namespace):
            return False
        return terms.predicate is None or terms.predicate(obj)

    def _line_for(self, event: Event) -> bytes | None:
        """The line of a change as it looks through the selector; `None` when it cannot be seen."""
        before, after = self._selects(event.old), self._selects(event.new)
        if after:
            sort, obj = ("MODIFIED" if before else "ADDED"), event.new
        elif before:
            # What is told last of an object is its former state, under the version of its disappearance.
            sort, obj = "DELETED", with_meta(event.old or {}, resourceVersion=str(event.version))
        else:
            return None
        if obj is None:
            return None
        if self._terms.view.form is not Form.FULL:
            return self._encoded(sort, obj)
        key = (sort, self._terms.kind.group, self._terms.kind.version)
        line = event.lines.get(key)
        if line is None:
            line = event.lines[key] = self._encoded(sort, obj)
        return line

    def _encoded(self, sort: str, stored: Object) -> bytes:
        return self._line(sort, seen(self._terms.kind, stored))

    def _line(self, sort: str, obj: Object) -> bytes:
        view, kind = self._terms.view, self._terms.kind
        if view.form is Form.TABLE:
            metadata = {"resourceVersion": meta(obj).get("resourceVersion", "")}
            shown = table(kind, [obj], view, metadata, headers=not self._headers_sent)
            self._headers_sent = True
        else:
            shown = one(kind, obj, view)
        return encode({"type": sort, "object": shown}) + b"\n"


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def watch(cluster: Cluster, call: Call) -> WatchStream:
    return WatchStream(cluster, terms_of(cluster, call))
