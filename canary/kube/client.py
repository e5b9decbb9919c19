"""The API of Kubernetes as a controller uses it: typed objects and typed errors over any transport.

Reads are sent again while their error may pass; writes are sent once, since only the caller can tell whether a write
that failed is still wanted.
"""
# ruff: noqa: A002 -- `type` is the word for it, and the builtin is not needed beside it.

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic

import msgspec

from canary.kube import retry
from canary.kube.clock import Clock
from canary.kube.codec import decode, encode
from canary.kube.errors import Gone, error_for
from canary.kube.resources import Resource
from canary.kube.transport import MAX_BODY, Response, Transport

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T = TypeVar("T", default=dict[str, Any])
else:
    from typing import TypeVar

    T = TypeVar("T")

JSON: Any = dict
"""The type to ask for when the object is wanted as a plain dict."""


class PatchKind(Enum):
    """How a patch is applied, by its media type (Kubernetes API concepts, "Patches and updates")."""

    MERGE = "application/merge-patch+json"
    JSON = "application/json-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """All objects of a list, and the resourceVersion from which a watch continues it."""

    items: tuple[T, ...]
    resource_version: str


class _ListMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One answer to a list request."""

    metadata: _ListMeta
    items: tuple[T, ...] | None = None


class _Deleted(msgspec.Struct):
    """A Status, or the object as it was last."""

    kind: str


class Client:
    """Every method raises the errors of `canary.kube.errors`; timeouts are seconds per attempt."""

    def __init__(
        self, transport: Transport, *, clock: Clock, rng: random.Random, field_manager: str = "canary-controller"
    ) -> None:
        self.transport = transport
        self._clock = clock
        self._rng = rng
        self._manager = field_manager

    async def get(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        type: type[T] = JSON,
        subresource: str | None = None,
        timeout: float = 5.0,
        attempts: int = 3,
    ) -> T:
        """The object as the server has it now (a quorum read)."""
        path = resource.path(namespace, name, subresource)
        return decode((await self._read(path, None, timeout, attempts)).body, type)

    async def fetch(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        timeout: float = 5.0,
        max_body: int = MAX_BODY,
        attempts: int = 1,
    ) -> Response:
        """What any `path` answers with, as it came."""
        return await self._read(path, query, timeout, attempts, max_body)

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        type: type[T] = JSON,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 500,
        timeout: float = 30.0,
        attempts: int = 3,
    ) -> Listing[T]:
        """All objects of `namespace` (`None`: of all), read consistently in pages of `limit`.

        When the pages expire on the way, the list is read once more in one piece (Kubernetes API concepts, "Retrieving
        large results sets in chunks").
        """

        def read(size: int | None) -> Awaitable[Listing[T]]:
            return _collected(
                self.pages(
                    resource,
                    namespace,
                    type=type,
                    label_selector=label_selector,
                    field_selector=field_selector,
                    limit=size,
                    timeout=timeout,
                    attempts=attempts,
                )
            )

        try:
            return await read(limit)
        except Gone:
            return await read(None)

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        type: type[T] = JSON,
        label_selector: str = "",
        field_selector: str = "",
        limit: int | None = 500,
        timeout: float = 30.0,
        attempts: int = 3,
    ) -> AsyncGenerator[Page[T], None]:
        """A consistent list page by page, each of at most `limit` items (`None`: everything in one page).

        Raises `Gone` when the list has expired on the way.
        """
        kind: Any = Page[type]  # type: ignore[valid-type]  # the element type is a value here
        query = {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": str(limit or "")}
        query = {key: value for key, value in query.items() if value}
        while True:
            answer = await self._read(resource.path(namespace), query, timeout, attempts)
            page: Page[T] = decode(answer.body, kind)
            yield page
            if not page.metadata.continue_:
                return
            query = query | {"continue": page.metadata.continue_}

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str = "",
        field_selector: str = "",
        lifetime: int = 290,
        idle_timeout: float = 65.0,
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The events after `resource_version`, bookmarks among them, each as one line of JSON; see `Transport.stream`.

        The server ends the stream after `lifetime` seconds. Servers send a bookmark about once a minute, so that a
        longer silence means a dead connection.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(lifetime),
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        query = {key: value for key, value in query.items() if value}
        return self.transport.stream(resource.path(namespace), query=query, idle_timeout=idle_timeout)

    async def create(
        self,
        resource: Resource,
        obj: Any,
        namespace: str | None = None,
        *,
        type: type[T] = JSON,
        timeout: float = 10.0,
    ) -> T:
        """POST `obj` (a Struct, a dict, or JSON as bytes) and return what was stored."""
        answer = await self._write("POST", resource.path(namespace), encode(obj), timeout=timeout)
        return decode(answer.body, type)

    async def replace(
        self,
        resource: Resource,
        name: str,
        obj: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        type: type[T] = JSON,
        timeout: float = 10.0,
    ) -> T:
        """PUT `obj`; with a resourceVersion in it this is a compare-and-swap that raises `Conflict`."""
        path = resource.path(namespace, name, subresource)
        return decode((await self._write("PUT", path, encode(obj), timeout=timeout)).body, type)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Any,
        namespace: str | None = None,
        *,
        kind: PatchKind = PatchKind.MERGE,
        subresource: str | None = None,
        force: bool = False,
        dry_run: bool = False,
        type: type[T] = JSON,
        timeout: float = 10.0,
    ) -> T:
        """PATCH; `force` takes over fields that other managers own (server-side apply only).

        With `dry_run` nothing is stored, and the answer is what would have been.
        """
        query = ({"force": "true"} if force else {}) | ({"dryRun": "All"} if dry_run else {})
        path = resource.path(namespace, name, subresource)
        answer = await self._write("PATCH", path, encode(patch), query, content_type=kind.value, timeout=timeout)
        return decode(answer.body, type)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        """DELETE, only if the object still has `uid` and `resource_version` where given (else `Conflict`).

        `propagation` is Foreground, Background or Orphan. Raises `Undecodable` for an answer that no API server gives:
        something in between may say 200 to anything.
        """
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        preconditions = {key: value for key, value in preconditions.items() if value is not None}
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if preconditions:
            options["preconditions"] = preconditions
        if propagation is not None:
            options["propagationPolicy"] = propagation
        path = resource.path(namespace, name)
        answer = await self._write("DELETE", path, encode(options), timeout=timeout, managed=False)
        decode(answer.body, _Deleted)

    async def close(self) -> None:
        """Close the transport."""
        await self.transport.close()

    async def _read(
        self, path: str, query: Mapping[str, str] | None, timeout: float, attempts: int, max_body: int = MAX_BODY
    ) -> Response:
        async def once() -> Response:
            answer = await self.transport.request("GET", path, query=query, timeout=timeout, max_body=max_body)
            return self._checked(answer)

        return await retry.read(once, attempts=attempts, clock=self._clock, rng=self._rng)

    async def _write(
        self,
        method: str,
        path: str,
        body: bytes,
        query: Mapping[str, str] | None = None,
        *,
        content_type: str = "application/json",
        timeout: float,
        managed: bool = True,
    ) -> Response:
        query = dict(query or {}) | ({"fieldManager": self._manager} if managed else {})
        answer = await self.transport.request(
            method, path, query=query, body=body, content_type=content_type, timeout=timeout
        )
        return self._checked(answer)

    def _checked(self, answer: Response) -> Response:
        """An API server never redirects, so that every status from 300 on is an error."""
        if answer.status >= 300:
            wait = retry.retry_after(answer.headers, self._clock.now())
            raise error_for(answer.status, answer.body, wait)
        return answer


async def _collected(pages: AsyncGenerator[Page[T], None]) -> Listing[T]:
    items: list[T] = []
    version = ""
    async with aclosing(pages):
        async for page in pages:
            items.extend(page.items or ())
            version = page.metadata.resource_version
    return Listing(tuple(items), version)
