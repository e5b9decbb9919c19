"""The HTTP side: one GET to one proxy, over a connection that is kept while it is read often."""

from __future__ import annotations

import asyncio
from typing import Protocol

import aiohttp

MAX_BODY = 4 * 1024 * 1024
"""Bytes of an answer at most. Envoy's whole page has tens of kilobytes per hundred clusters."""
IDLE = 30.0
"""Seconds after which a connection that is not used is closed: no pod that is gone keeps one for long."""

_HEADERS = {
    "User-Agent": "canary",
    "Accept": "text/plain;version=0.0.4",
    # Nothing that is compressed can be a bomb, and the network within a cluster is cheaper than our time.
    "Accept-Encoding": "identity",
}


class FetchError(Exception):
    """A proxy could not be read. The message is a part of a sentence, without a full stop."""


class Fetch(Protocol):
    async def get(self, address: str, port: int, target: str, *, timeout: float) -> bytes:
        """The body of an answer 200 to `GET target` (a path with its query, encoded), `MAX_BODY` bytes at most.

        `address` is an IP address. Raises `FetchError`, after `timeout` seconds at the latest.
        """
        ...


class HttpFetch:
    """A `Fetch` over plain HTTP/1.1: no TLS, no redirects, no proxy, no cookies. Build it in a running event loop."""

    def __init__(self, *, idle: float = IDLE) -> None:
        # Proxies are read by address: no names are resolved. How many are read at once is up to the caller.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=idle, use_dns_cache=False, ssl=False)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # each read has its own
        )

    async def get(self, address: str, port: int, target: str, *, timeout: float) -> bytes:
        """See `Fetch.get`."""
        host = f"[{address}]" if ":" in address else address
        try:
            async with asyncio.timeout(timeout):
                return await self._get(f"http://{host}:{port}{target}")
        except TimeoutError as error:
            raise FetchError(f"no answer within {timeout:g} s") from error
        except aiohttp.ClientConnectorError as error:
            raise FetchError(f"cannot connect to {host}:{port}: {error.strerror or error}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise FetchError(f"the answer broke off: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close every connection; reads that still run fail."""
        await self._session.close()

    async def _get(self, url: str) -> bytes:
        answer = await self._session.get(url, allow_redirects=False)
        try:
            if answer.status != 200:
                raise FetchError(f"the answer is {answer.status} {answer.reason or ''}".rstrip())
            return await _body(answer)
        finally:
            answer.close()  # after its last byte the connection is in the pool again already


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    chunked = answer.headers.get("Transfer-Encoding", "").lower() == "chunked"
    if answer.content_length is None and not chunked:
        # Half of it would look like all of it, and what comes back later would be counted again.
        raise FetchError("the answer does not say where it ends")
    size = answer.content_length or 0
    chunks: list[bytes] = []
    if size <= MAX_BODY:
        size = 0
        async for chunk in answer.content.iter_any():
            size += len(chunk)
            if size > MAX_BODY:
                break
            chunks.append(chunk)
    if size > MAX_BODY:
        raise FetchError(f"the answer is longer than {MAX_BODY} bytes")
    return b"".join(chunks)
