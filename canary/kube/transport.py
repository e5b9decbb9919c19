"""The port to an API server: bytes in, bytes out.

`canary.kube.http.HttpTransport` speaks HTTP; the embedded cluster has one without sockets. A transport never retries
and never interprets a body.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

MAX_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer, whatever its status. Header names are lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Transport(Protocol):
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
        """One request within `timeout` seconds.

        Raises `Unreachable` when it was certainly not executed, `Ambiguous` when a connection broke, timed out, or
        answered more than `max_body` bytes.
        """
        ...

    def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """A GET whose answer is read line by line (a watch); whole lines only, a torn last line is dropped.

        Entering raises `ApiError` for an error status. Iterating raises `Unreachable` when no byte came for
        `idle_timeout` seconds or the connection broke, and ends when the server closes the stream.
        """
        ...

    async def close(self) -> None: ...
