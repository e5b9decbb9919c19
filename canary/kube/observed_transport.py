"""A transport that tells about every request, and knows when the API server last gave a sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from typing import NamedTuple

from canary.kube.clock import Clock
from canary.kube.errors import Ambiguous, ApiError, Unreachable
from canary.kube.transport import MAX_BODY, Response, Transport

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_COLLECTION_VERBS = {"GET": "list", "DELETE": "deletecollection"}


class Call(NamedTuple):
    """One request that has ended; of a watch, its opening.

    `verb` is one of RBAC (Kubernetes API, "Request verbs"); `resource` is `plural[.group][/subresource]`, or
    `discovery`. `code` is the HTTP status, or `unreachable`, `ambiguous`, `timeout`, `cancelled`, `error`. `seconds` is
    its duration.
    """

    verb: str
    resource: str
    code: str
    seconds: float


class ObservedTransport:
    """Passes everything on to `transport` and calls `observe` at the end of each request; it must not raise."""

    def __init__(self, transport: Transport, *, clock: Clock, observe: Callable[[Call], None]) -> None:
        self._transport = transport
        self._clock = clock
        self._observe = observe
        self._heard_at = clock.monotonic()
        self._failing = False

    @property
    def silent_for(self) -> float:
        """Seconds without any word from the API server since a request failed for want of one; 0 without failure.

        An idle watch is silent for a minute and all is well: only a failure makes silence a bad sign.
        """
        return self._clock.monotonic() - self._heard_at if self._failing else 0.0

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 10.0,
        max_body: int = MAX_BODY,
    ) -> Response:
        """See `Transport.request`."""
        started = self._clock.monotonic()
        code = "cancelled"
        try:
            response = await self._transport.request(
                method,
                path,
                query=query,
                body=body,
                content_type=content_type,
                accept=accept,
                timeout=timeout,
                max_body=max_body,
            )
            code = str(response.status)
            self._heard()
            return response
        except BaseException as error:
            # A caller's own limit, which is reached a moment before this one, arrives as a cancellation.
            late = self._clock.monotonic() - started >= 0.99 * timeout
            code = self._failed(TimeoutError() if late and isinstance(error, asyncio.CancelledError) else error)
            raise
        finally:
            self._tell(method, path, code, started)

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Transport.stream`."""
        started = self._clock.monotonic()
        opened = False
        try:
            async with (
                self._transport.stream(path, query=query, idle_timeout=idle_timeout) as lines,
                aclosing(self._lines(lines)) as told,
            ):
                opened = True
                self._heard()
                self._tell("WATCH", path, "200", started)
                yield told
        except BaseException as error:
            code = self._failed(error)
            if not opened:
                self._tell("WATCH", path, code, started)
            raise

    async def close(self) -> None:
        await self._transport.close()

    async def _lines(self, lines: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        async for line in lines:
            self._heard()
            yield line

    def _heard(self) -> None:
        self._heard_at = self._clock.monotonic()
        self._failing = False

    def _failed(self, error: BaseException) -> str:
        match error:
            case ApiError():
                self._heard()
                return str(error.code)
            case Unreachable():
                self._failing = True
                return "unreachable"
            case Ambiguous():
                self._failing = True
                return "ambiguous"
            case TimeoutError():
                self._failing = True
                return "timeout"
            case asyncio.CancelledError():
                return "cancelled"
        return "error"

    def _tell(self, method: str, path: str, code: str, started: float) -> None:
        resource, named = _target(path)
        verb = "watch" if method == "WATCH" else _verb(method, named)
        self._observe(Call(verb, resource, code, self._clock.monotonic() - started))


def _verb(method: str, named: bool) -> str:
    if not named and method in _COLLECTION_VERBS:
        return _COLLECTION_VERBS[method]
    return _VERBS.get(method, "get")


@lru_cache(maxsize=4096)
def _target(path: str) -> tuple[str, bool]:
    """The resource of a path and whether one object is named; names of namespaces and objects are left out.

    A path that is none of the API (Kubernetes API concepts, "Resource URIs") is `discovery`.
    """
    root, _, rest = path.strip("/").partition("/")
    parts = rest.split("/") if rest else []
    group = ""
    if root == "apis" and parts:
        group = parts.pop(0)
    parts = parts[1:]  # the version
    if root not in ("api", "apis") or not parts:
        return "discovery", True
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    plural = f"{parts[0]}.{group}" if group else parts[0]
    subresource = f"/{parts[2]}" if len(parts) > 2 else ""
    return plural + subresource, len(parts) > 1
