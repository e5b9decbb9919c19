"""Keeps a store equal to what the server has: list once, watch for ever.

    Empty ──list──▶ Listing(pages) ──last page──▶ Listed(rv) ──watch──▶ Watching(rv)
      ▲                                              ▲                      │
      └── 410, an ERROR event, doubt ────────────────┼──────────────────────┤
                                                     └── stream ended ──────┘

- A resourceVersion is opaque: it is kept and sent back, never compared (Kubernetes API concepts, "Resource versions").
  Every event moves it on, bookmarks too.
- The store changes in one step at the end of a list; what the new list lacks is told as removed.
- Nothing but cancellation ends a reflector. A resource that is not there yet (404) or not allowed (403) is tried again
  like any other fault, and `last_error` tells of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias

import msgspec

from canary.kube.backoff import Backoff, jittered
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.codec import Undecodable, decode
from canary.kube.errors import ApiError, BadRequest, Gone, KubeError, NotFound, error_for
from canary.kube.resources import Resource
from canary.kube.retry import asked_for
from canary.kube.store import Store, T, key_of

PAGE = 500
LIFETIME = 290.0
"""Seconds after which a server is asked to end a watch, on average: less than what proxies on the way allow."""
IDLE = 65.0
"""Seconds of silence after which a watch counts as dead; servers send a bookmark about once a minute."""
SHORT = 1.0
"""Seconds that a watch must last to be opened again without a pause."""
HEALTHY = 10.0
"""Seconds that a watch must last for the failures before it to be forgotten."""
PAUSE = Backoff(base=0.8, cap=30.0)


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing is known from which a watch could go on."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A list is being read; `pages` of it are here."""

    pages: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The store is as of `resource_version`; no stream is open."""

    resource_version: str


@dataclass(frozen=True, slots=True)
class Watching:
    """The store is as of `resource_version`, and a stream is open."""

    resource_version: str


State: TypeAlias = Empty | Listing | Listed | Watching


class _PartialMeta(msgspec.Struct, frozen=True, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""


class _Partial(msgspec.Struct, frozen=True):
    """What is left to know of an object that cannot be read."""

    metadata: _PartialMeta


class _Event(msgspec.Struct, Generic[T], frozen=True):
    type: str
    object: T


class _RawEvent(msgspec.Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Code(msgspec.Struct, frozen=True):
    code: int = 500


class Reflector(Generic[T]):
    """Feeds one source of `store` with the objects of `resource`, in `namespace` (`None`: in all) and by label.

    `kind` is the frozen Struct that each object is decoded into. An object that does not fit is reported and skipped;
    the last version of it that did fit stays. `on_error` is told of each fault, `on_sync` of the first complete list.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        kind: type[T],
        store: Store[T],
        *,
        clock: Clock,
        rng: random.Random,
        namespace: str | None = None,
        label_selector: str = "",
        on_sync: Callable[[], None] | None = None,
        on_error: Callable[[KubeError], None] | None = None,
    ) -> None:
        self.resource = resource
        self.namespace = namespace
        self.label_selector = label_selector
        self.state: State = Empty()
        self.last_error: KubeError | None = None
        """The last fault; `None` again as soon as a watch is open."""
        self.heard_at: float | None = None
        """When the server last said anything on a watch, on the monotonic clock."""
        self.source = store.source()
        self._store = store
        self._client = client
        self._clock = clock
        self._rng = rng
        self._kind = kind
        event: Any = _Event[kind]  # type: ignore[valid-type]  # the element type is a value here
        self._events: msgspec.json.Decoder[_Event[T]] = msgspec.json.Decoder(event)
        self._on_sync = on_sync
        self._on_error = on_error
        self._opened_at: float | None = None
        self._paged = True

    @property
    def watching(self) -> bool:
        """Whether a stream is open."""
        return isinstance(self.state, Watching)

    async def run(self) -> None:
        """List and watch until cancelled. May be run again afterwards; goes on where it was."""
        failures = 0
        while True:
            self._opened_at = None
            error: KubeError | None = None
            try:
                await self._cycle()
            except KubeError as caught:
                error = caught
                self._report(caught)
            lived = 0.0 if self._opened_at is None else self._clock.monotonic() - self._opened_at
            if lived >= HEALTHY:
                failures = 0
            if error is None and lived >= SHORT:
                continue
            failures += 1
            await self._clock.sleep(max(PAUSE.delay(failures, self._rng), asked_for(error)))

    async def _cycle(self) -> None:
        if isinstance(self.state, (Empty, Listing)):
            self.state = Listed(await self._list())
        await self._watch(self.state.resource_version)

    async def _list(self) -> str:
        """Bring the store up to date and return its resourceVersion."""
        objects: list[T] = []
        unread: list[_PartialMeta] = []
        version = ""
        self.state = Listing(0)
        pages = self._client.pages(
            self.resource,
            self.namespace,
            type=msgspec.Raw,
            label_selector=self.label_selector,
            limit=PAGE if self._paged else None,
        )
        try:
            async with aclosing(pages):
                async for page in pages:
                    for raw in page.items or ():
                        self._collect(raw, objects, unread)
                    version = page.metadata.resource_version
                    self.state = Listing(self.state.pages + 1)
            self._paged = True
        except Gone:
            # Pages expired faster than they were read: take the next list in one piece.
            self._paged = False
            raise
        finally:
            self.state = Empty()
        first = not self.source.synced
        # Only now is it a list: one that breaks off after its first pages says nothing.
        for meta in unread:
            self._outlived(meta)
        self.source.replace(objects, [(meta.namespace, meta.name) for meta in unread])
        if first and self._on_sync is not None:
            self._on_sync()
        return version

    def _collect(self, raw: msgspec.Raw, objects: list[T], unread: list[_PartialMeta]) -> None:
        try:
            objects.append(decode(raw, self._kind))
        except Undecodable as error:
            meta = self._unreadable(raw, error)
            if meta is not None:
                unread.append(meta)

    def _unreadable(self, raw: msgspec.Raw, error: Undecodable) -> _PartialMeta | None:
        """Report an object that cannot be read; what is left to know of it, if it has a name."""
        try:
            meta = decode(raw, _Partial).metadata
        except Undecodable:
            self._report(error)
            return None
        self._report(Undecodable(f"{self.resource.plural} {meta.namespace}/{meta.name}: {error}"))
        return meta

    def _outlived(self, meta: _PartialMeta) -> None:
        """What the store has by the name of another object goes, though that one cannot be read."""
        key = (meta.namespace, meta.name)
        stored = self._store.get(*key)
        if stored is not None and stored.metadata.uid != meta.uid:
            self.source.remove(key, stored.metadata.uid)

    async def _watch(self, version: str) -> None:
        """Follow one stream to its end; leaves `state` Listed, or Empty when only a new list helps."""
        stream = self._client.watch(
            self.resource,
            self.namespace,
            resource_version=version,
            label_selector=self.label_selector,
            lifetime=round(jittered(LIFETIME, self._rng, 0.07)),
            idle_timeout=IDLE,
        )
        try:
            async with stream as lines:
                self.state = Watching(version)
                self.last_error = None
                self._opened_at = self.heard_at = self._clock.monotonic()
                async for line in lines:
                    self.heard_at = self._clock.monotonic()
                    self._receive(line)
        except ApiError as error:
            if _needs_list(error):
                self.state = Empty()
            raise
        finally:
            if isinstance(self.state, Watching):
                self.state = Listed(self.state.resource_version)

    def _receive(self, line: bytes) -> None:
        try:
            event = self._events.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            self._receive_odd(line, error)
            return
        match event.type:
            case "ADDED" | "MODIFIED":
                self.source.put(event.object)
            case "DELETED":
                self.source.remove(key_of(event.object), event.object.metadata.uid)
            case "BOOKMARK":
                pass
            case _:
                self._receive_odd(line, None)
                return
        self._advance(event.object.metadata.resource_version)

    def _receive_odd(self, line: bytes, cause: Exception | None) -> None:
        """Errors, bookmarks without a whole object, objects that do not fit, and what is no event at all."""
        doubt: State = Empty()
        state, self.state = self.state, doubt
        event = decode(line, _RawEvent)
        if event.type == "ERROR":
            raise error_for(decode(event.object, _Code).code, bytes(event.object))
        meta = decode(event.object, _Partial).metadata
        self.state = state
        match event.type:
            case "ADDED" | "MODIFIED":
                self._unreadable(event.object, Undecodable(str(cause)))
                self._outlived(meta)
            case "DELETED":
                self.source.remove((meta.namespace, meta.name), meta.uid)
            case "BOOKMARK":
                pass
            case _:
                return
        self._advance(meta.resource_version)

    def _advance(self, version: str) -> None:
        if version:  # without one, a new watch would start anywhere
            self.state = Watching(version)

    def _report(self, error: KubeError) -> None:
        self.last_error = error
        if self._on_error is not None:
            self._on_error(error)


def _needs_list(error: ApiError) -> bool:
    """Whether a watch cannot go on from where it was.

    Besides 410: a resource that vanished may come back with other objects, and a server that was restored from a backup
    does not know our resourceVersion (400, or a timeout with the cause ResourceVersionTooLarge).
    """
    if isinstance(error, (Gone, BadRequest, NotFound)):
        return True
    causes = error.details.get("causes") or ()
    return any(isinstance(cause, dict) and cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)
