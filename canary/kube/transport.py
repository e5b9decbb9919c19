"""The port to an API server: bytes in, bytes out.

`canary.kube.http.HttpTransport` speaks HTTP; the embedded cluster has one without sockets. A transport never retries
and never interprets a body.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol

MAX_BODY = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer, whatever its status. Header names are lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def served_at(self) -> datetime | None:
        """The time by the clock of whoever answered (RFC 9110, 6.6.1), and of caches since then (RFC 9111, 5.1)."""
        said = http_date(self.headers.get("date", ""))
        age = self.headers.get("age", "")
        return said + timedelta(seconds=int(age)) if said and age.isdecimal() and len(age) < 10 else said


def http_date(value: str) -> datetime | None:
    """The moment that a header names, or `None` for what is no date."""
    try:
        parsed = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


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
