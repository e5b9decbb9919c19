"""Writes events (events.k8s.io/v1) without ever making its caller wait or fail.

`record` puts an event into a bounded queue; `run` posts them one by one, in order. What keeps events useful:

- an event with a dedupe id has a name made of it, so that the same event recorded again, after a restart too, meets
  itself in the API server (409) instead of doubling;
- an event without one that is recorded again, note included, becomes a series: one object with a count;
- each reason has a token bucket; terminal events are exempt from it, and are the last that a full queue drops;
- a refusal (422, ...) is counted and left, a fault is retried a bounded number of times, and so is a first 403.

Sources: Kubernetes API reference, Event v1 events.k8s.io; KEP-383 (new event API).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from canary.kube.backoff import Backoff
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import (
    AlreadyExists,
    Ambiguous,
    ApiError,
    Forbidden,
    NotFound,
    ServerError,
    Throttled,
    Unreachable,
)
from canary.kube.lease import micro_time
from canary.kube.resources import EVENTS
from canary.kube.token_bucket import Rate, TokenBucket

# Limits of the API's validation: bytes of a note; characters of reason, action and instance; of an object's name.
_NOTE = 1024
_WORD = 128
_NAME = 253
# A repeat within this many seconds continues a series.
_SERIES = 360.0
# How many events are remembered to know a repeat.
_REMEMBERED = 4096
_TIMEOUT = 10.0
# How often an event is refused for want of rights before it is given up.
_DENIALS = 3
RATE = Rate(burst=100.0, per_second=1.0)
"""How often events of one reason are recorded."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an event is about."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""

    def body(self) -> dict[str, str]:
        """The ObjectReference of the API."""
        fields = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "name": self.name,
            "namespace": self.namespace,
            "uid": self.uid,
            "resourceVersion": self.resource_version,
        }
        return {key: value for key, value in fields.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to `regarding`.

    `dedupe_id` makes it one event for ever, whoever records it and however often; without it repeats are counted.
    `terminal` is for the end of something: never limited, dropped last.
    """

    regarding: Reference
    reason: str
    action: str
    note: str
    type: Literal["Normal", "Warning"] = "Normal"
    related: Reference | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    dedupe_id: str = ""
    terminal: bool = False


@dataclass(slots=True)
class Counters:
    """How many events ended how, for metrics."""

    posted: int = 0
    existed: int = 0
    repeated: int = 0
    limited: int = 0
    dropped: int = 0
    forbidden: int = 0
    failed: int = 0


@dataclass(slots=True, eq=False)
class _Entry:
    """An event and what is known of its object in the API server, which has counted `posted` of `count`."""

    key: tuple[Any, ...]
    namespace: str
    name: str
    body: dict[str, Any]
    terminal: bool
    unique: bool
    last: float
    last_text: str
    count: int = 1
    posted: int = 0
    queued: bool = False


def cut(note: str, limit: int = _NOTE) -> str:
    """`note` in at most `limit` bytes of UTF-8, ending in an ellipsis where it was cut, never inside a character."""
    data = note.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - len("…".encode())].decode("utf-8", "ignore") + "…"


def event_name(event: Event) -> str:
    """The name of an event with a dedupe id: the same for the same object, reason and id."""
    about = event.regarding
    identity = "\0".join((about.api_version, about.kind, about.namespace, about.name, event.reason, event.dedupe_id))
    return _name(about.name, hashlib.sha256(identity.encode("utf-8", "replace")).hexdigest()[:20])


def _name(object_name: str, suffix: str) -> str:
    return f"{object_name[: _NAME - 1 - len(suffix)].rstrip('.-')}.{suffix}"


def _ignore(event_name: str, error: Exception) -> None: ...


class EventRecorder:
    """Records events in the name of `controller` (such as `example.com/controller`) and `instance` (its pod).

    At most `capacity` events wait. A post is tried `attempts` times. `on_error(event name, error)` hears of every event
    that was given up.
    """

    def __init__(
        self,
        client: Client,
        *,
        controller: str,
        instance: str,
        clock: Clock,
        rng: random.Random,
        capacity: int = 1000,
        rate: Rate = RATE,
        attempts: int = 8,
        backoff: Backoff | None = None,
        on_error: Callable[[str, Exception], None] = _ignore,
    ) -> None:
        self.counters = Counters()
        self._client = client
        self._controller = controller
        self._instance = instance[:_WORD]
        self._clock = clock
        self._rng = rng
        self._capacity = capacity
        self._rate = rate
        self._attempts = attempts
        self._backoff = backoff or Backoff(base=1.0, cap=30.0)
        self._on_error = on_error
        self._queue: deque[_Entry] = deque()
        self._posting: _Entry | None = None
        self._denied = False
        self._known: OrderedDict[tuple[Any, ...], _Entry] = OrderedDict()
        self._buckets: dict[str, TokenBucket] = {}
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def depth(self) -> int:
        """How many events wait to be posted."""
        return len(self._queue) + (self._posting is not None)

    def record(self, event: Event) -> None:
        """Take `event`; never waits, never raises for what the API server would refuse."""
        now = self._clock.monotonic()
        entry = self._known_entry(event, now)
        if entry is not None:
            self.counters.repeated += 1
            if entry.unique:
                return
            entry.count += 1
            entry.last, entry.last_text = now, micro_time(self._clock.now())
            if entry.queued:
                return
        if not event.terminal and not self._take_token(event.reason, now):
            self.counters.limited += 1
            return
        self._enqueue(entry or self._new_entry(event, now))

    async def run(self) -> None:
        """Post what is recorded, until cancelled."""
        while True:
            while not self._queue:
                self._work.clear()
                await self._work.wait()
            entry = self._posting = self._queue.popleft()
            entry.queued = False
            try:
                await self._deliver(entry)
            except asyncio.CancelledError:
                # Another run may post it.
                if not entry.queued:
                    entry.queued = True
                    self._queue.appendleft(entry)
                raise
            finally:
                self._posting = None
            if not self._queue:
                self._idle.set()

    async def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds for `run` to post everything; whether it did."""
        try:
            async with asyncio.timeout(timeout):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _known_entry(self, event: Event, now: float) -> _Entry | None:
        entry = self._known.get(_key(event))
        if entry is None or (not entry.unique and now - entry.last > _SERIES):
            return None
        self._known.move_to_end(entry.key)
        return entry

    def _new_entry(self, event: Event, now: float) -> _Entry:
        unique = bool(event.dedupe_id)
        suffix = f"{self._rng.getrandbits(80):020x}"
        name = event_name(event) if unique else _name(event.regarding.name, suffix)
        # Events about objects without a namespace live in `default` (client-go, tools/events).
        namespace = event.regarding.namespace or "default"
        text = micro_time(self._clock.now())
        body: dict[str, Any] = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": name, "namespace": namespace, "annotations": dict(event.annotations)},
            "eventTime": text,
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "type": event.type,
            "reason": event.reason[:_WORD],
            "action": (event.action or event.reason)[:_WORD],
            "note": cut(event.note),
            "regarding": event.regarding.body(),
        }
        if event.related is not None:
            body["related"] = event.related.body()
        return _Entry(_key(event), namespace, name, body, event.terminal, unique, now, text)

    def _take_token(self, reason: str, now: float) -> bool:
        bucket = self._buckets.get(reason, TokenBucket(self._rate))
        if bucket.wait(now):
            return False
        self._buckets[reason] = bucket.take(now)
        return True

    def _enqueue(self, entry: _Entry) -> None:
        if len(self._queue) >= self._capacity and not self._make_room(entry):
            return
        entry.queued = True
        self._queue.append(entry)
        self._known[entry.key] = entry
        # A series that begins anew takes the place of its forerunner, which may be next to be forgotten.
        self._known.move_to_end(entry.key)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        self._idle.clear()
        self._work.set()

    def _make_room(self, entry: _Entry) -> bool:
        """Drop the oldest event that is not terminal for a terminal one, else `entry` itself; whether there is room."""
        self.counters.dropped += 1
        if not entry.terminal:
            return False
        victim = next((waiting for waiting in self._queue if not waiting.terminal), None)
        if victim is None:
            return False
        self._queue.remove(victim)
        self._forget(victim)
        return True

    def _forget(self, entry: _Entry) -> None:
        """Let the event be recorded anew."""
        entry.queued = False
        if self._known.get(entry.key) is entry:
            del self._known[entry.key]

    async def _deliver(self, entry: _Entry) -> None:
        denials = 0
        for failures in range(1, self._attempts + 1):
            try:
                await self._post(entry)
                self._denied = False
                return
            except Forbidden as error:
                # A server that has just started refuses everybody until it knows the roles; one that goes on refusing
                # is asked once for each event.
                denials += 1
                if _ending(error):
                    self._give_up(entry, error)
                    return
                if self._denied or denials >= _DENIALS or failures == self._attempts:
                    self._denied = True
                    self._give_up(entry, error)
                    return
                await self._clock.sleep(self._backoff.delay(failures, self._rng))
            except (Unreachable, Ambiguous, Throttled, ServerError, TimeoutError) as error:
                if failures == self._attempts:
                    self._give_up(entry, error)
                    return
                hint = error.retry_after if isinstance(error, ApiError) else None
                await self._clock.sleep(max(self._backoff.delay(failures, self._rng), min(hint or 0.0, 30.0)))
            except Exception as error:
                self._give_up(entry, error)
                return

    def _give_up(self, entry: _Entry, error: Exception) -> None:
        if isinstance(error, ApiError) and error.code == 403:
            self.counters.forbidden += 1
        else:
            self.counters.failed += 1
        self._forget(entry)
        self._on_error(entry.name, error)

    async def _post(self, entry: _Entry) -> None:
        count = entry.count
        series = {"count": count, "lastObservedTime": entry.last_text}
        async with asyncio.timeout(_TIMEOUT):
            if entry.posted:
                try:
                    await self._client.patch(EVENTS, entry.name, {"series": series}, entry.namespace, timeout=_TIMEOUT)
                except NotFound:
                    # Events live for an hour; what is left of the series is in the new one.
                    entry.posted = 0
            if not entry.posted:
                await self._create(entry, series if count > 1 else None)
        entry.posted = count
        self.counters.posted += 1

    async def _create(self, entry: _Entry, series: dict[str, Any] | None) -> None:
        body = entry.body if series is None else {**entry.body, "series": series}
        try:
            await self._client.create(EVENTS, body, entry.namespace, timeout=_TIMEOUT)
        except AlreadyExists:
            # Its name says that it is the same event: recorded before a restart, or by an attempt that seemed to fail.
            self.counters.existed += 1


def _ending(error: Forbidden) -> bool:
    """Whether the namespace is being deleted, in which nothing can be created any more."""
    causes = error.details.get("causes") or ()
    return any(isinstance(cause, dict) and cause.get("reason") == "NamespaceTerminating" for cause in causes)


def _key(event: Event) -> tuple[Any, ...]:
    """What makes two events the same."""
    about = event.regarding
    base = (about.api_version, about.kind, about.namespace, about.name, event.reason)
    if event.dedupe_id:
        return (*base, event.dedupe_id)
    return (*base, about.uid, event.type, event.action, event.note, event.related)
