"""The way to an API server over HTTP, and the only module that knows kubernetes_asyncio.

kubernetes_asyncio reads kubeconfig and in-cluster settings, builds the TLS connector and fetches tokens. Requests go
over a session of our own, since its client loses error statuses when a body is wanted raw (fixed and lost again around
release 36) and sends without any timeout by default.

aiohttp would send a GET, PUT or DELETE a second time by itself when a kept-alive connection breaks
(aio-libs/aiohttp#10790). For a compare-and-swap that turns a success into a conflict, so `_send_once` forbids it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.connector import NEEDS_CLEANUP_CLOSED

from canary.kube.clock import Clock, SystemClock
from canary.kube.credentials import BadConfig, Credentials, Kubeconfig, Token, TokenFile
from canary.kube.errors import Ambiguous, KubeError, Unreachable, error_for
from canary.kube.generated import without_generated_classes
from canary.kube.lines import LineBuffer, LineTooLong
from canary.kube.retry import retry_after
from canary.kube.transport import MAX_BODY, Response

MAX_ERROR_BODY = 64 * 1024

_NOT_SENT = (
    aiohttp.ClientConnectorError,  # refused, no route, DNS, TLS, certificate, proxy
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


class HttpTransport:
    """A `Transport` over HTTP/1.1 with as many connections as there are requests and watches.

    Build it inside a running event loop. `connector` (with its TLS settings) is closed with the transport.
    """

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Credentials = "",
        ca_file: str | None = None,
        connector: aiohttp.BaseConnector | None = None,
        proxy: str | None = None,
        server_hostname: str | None = None,
        user_agent: str = "canary",
        clock: Clock | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = Token(token) if isinstance(token, str) else token
        self._clock = clock or SystemClock()
        self._options: dict[str, Any] = {"allow_redirects": False, "middlewares": (_send_once,)}
        if proxy is not None:
            self._options["proxy"] = proxy
        if server_hostname is not None:
            self._options["server_hostname"] = server_hostname
        self._session = aiohttp.ClientSession(
            connector=connector or _connector(ca_file),
            # Inside a cluster the network is cheaper than the two ends' work of compression, and an answer that is
            # not compressed cannot be a bomb.
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

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
        """See `Transport.request`. A 401 is sent once more with renewed credentials: it was not executed."""
        headers = {"Accept": accept} | ({"Content-Type": content_type} if body is not None else {})
        try:
            async with asyncio.timeout(timeout):
                answer = await self._open(method, path, query, body, headers, timeout)
                try:
                    return Response(answer.status, await _body(answer, max_body), _headers(answer))
                finally:
                    answer.close()  # after its last byte the connection is in the pool again already
        except TimeoutError as error:
            raise Ambiguous(f"{method} {path}: no answer within {timeout:g} s") from error
        except aiohttp.ClientError as error:
            raise Ambiguous(f"{method} {path}: the answer broke off: {_words(error)}") from error

    @asynccontextmanager
    async def stream(
        self, path: str, *, query: Mapping[str, str] | None = None, idle_timeout: float = 70.0
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """See `Transport.stream`. Entering, too, raises `Unreachable` after `idle_timeout` seconds of silence."""
        try:
            async with asyncio.timeout(idle_timeout):
                answer = await self._open("GET", path, query, None, {"Accept": "application/json"}, idle_timeout)
                if answer.status >= 300:
                    raise await self._error(answer)
        except TimeoutError as error:
            raise Unreachable(f"GET {path}: no answer within {idle_timeout:g} s") from error
        except Ambiguous as error:
            raise Unreachable(str(error)) from error
        try:
            async with aclosing(_lines(answer, path, idle_timeout)) as lines:
                yield lines
        finally:
            answer.close()

    async def close(self) -> None:
        """Close every connection; requests that still run fail."""
        await self._session.close()

    async def _open(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout: float,
    ) -> aiohttp.ClientResponse:
        """The answer up to its headers."""
        # Connecting gets less than the whole time, so that a timeout of it is known to be one.
        limits = aiohttp.ClientTimeout(total=None, connect=timeout * 0.8)
        answer = await self._send(method, path, query, body, headers, limits)
        if answer.status == 401 and await self._credentials.renew():
            answer.close()
            answer = await self._send(method, path, query, body, headers, limits)
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: bytes | None,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        if self._session.closed:
            raise Unreachable(f"{method} {path}: the transport is closed")
        try:
            identity = await self._credentials.headers()
        except OSError as error:
            raise Unreachable(f"{method} {path}: no credentials: {_words(error)}") from error
        try:
            return await self._session.request(
                method,
                self._base_url + path,
                params=query or None,
                data=body,
                headers={**headers, **identity},
                timeout=limits,
                **self._options,
            )
        except _NOT_SENT as error:
            raise Unreachable(f"{method} {path}: cannot connect: {_words(error)}") from error

    async def _error(self, answer: aiohttp.ClientResponse) -> KubeError:
        try:
            body = await _body(answer, MAX_ERROR_BODY)
        except (Ambiguous, aiohttp.ClientError):
            body = b""
        finally:
            answer.close()
        return error_for(answer.status, body, retry_after(_headers(answer), self._clock.now()))


async def _send_once(
    request: aiohttp.ClientRequest, handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except _NOT_SENT:
        raise
    except aiohttp.ClientError as error:
        raise Ambiguous(f"{request.method} {request.url.path}: the connection broke: {_words(error)}") from error


async def _body(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = answer.content_length or 0
    if size <= limit:
        size = 0
        async for chunk in answer.content.iter_any():
            size += len(chunk)
            if size > limit:
                break
            chunks.append(chunk)
    if size > limit:
        raise Ambiguous(f"{answer.method} {answer.url.path}: the answer is longer than {limit} bytes")
    return b"".join(chunks)


async def _lines(answer: aiohttp.ClientResponse, path: str, idle_timeout: float) -> AsyncGenerator[bytes, None]:
    buffer = LineBuffer(MAX_BODY)
    try:
        while True:
            async with asyncio.timeout(idle_timeout):
                chunk = await answer.content.readany()
            if not chunk:
                return
            for line in buffer.feed(chunk):
                yield line
    except TimeoutError as error:
        raise Unreachable(f"GET {path}: silent for {idle_timeout:g} s") from error
    except (aiohttp.ClientError, LineTooLong) as error:
        raise Unreachable(f"GET {path}: the stream broke: {_words(error)}") from error


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _connector(ca_file: str | None) -> aiohttp.TCPConnector:
    # Else a connection that was given up waits for its peer's goodbye, even when the transport is closed.
    return aiohttp.TCPConnector(limit=0, ssl=_tls(ca_file), enable_cleanup_closed=NEEDS_CLEANUP_CLOSED)


def _tls(ca_file: str | None) -> ssl.SSLContext | bool:
    return True if ca_file is None else relaxed(ssl.create_default_context(cafile=ca_file))


def relaxed(context: ssl.SSLContext) -> ssl.SSLContext:
    """Without OpenSSL's strict X.509 mode, the default from Python 3.13 on.

    It refuses the certificate authorities of many running clusters, which Go and therefore kubectl accept
    (tomplus/kubernetes_asyncio#349). Names, dates and the chain are verified as ever.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


async def connect(
    kubeconfig: str | None = None,
    context: str | None = None,
    in_cluster: bool = False,
    user_agent: str = "canary",
    *,
    clock: Clock | None = None,
) -> HttpTransport:
    """The transport that a kubeconfig describes, or the one of the pod that we run in.

    `kubeconfig` is a path (`None`: KUBECONFIG or ~/.kube/config), `context` one of its contexts (`None`: the current
    one). Raises `BadConfig`.
    """
    # A command that talks to no cluster should not pay for it.
    with without_generated_classes():
        from kubernetes_asyncio import client, config
        from kubernetes_asyncio.config.incluster_config import SERVICE_TOKEN_FILENAME

    clock = clock or SystemClock()

    async def load() -> Any:
        settings = client.Configuration()
        settings.connection_pool_maxsize = 0
        settings.disable_strict_ssl_verification = True  # see `relaxed`
        try:
            if in_cluster:
                config.load_incluster_config(settings, try_refresh_token=False)
            else:
                await config.load_kube_config(kubeconfig, context, client_configuration=settings)
        except Exception as error:
            # Exec plugins, YAML, base64 and missing files each raise something else.
            raise BadConfig(f"{'in-cluster settings' if in_cluster else 'kubeconfig'}: {_words(error)}") from error
        return settings

    settings = await load()
    api = client.ApiClient(settings)
    session = api.rest_client.pool_manager
    connector = session.connector
    session.detach()

    async def current() -> Mapping[str, str]:
        headers: dict[str, str] = {}
        await api.update_params_for_auth(headers, [], ["BearerToken"])
        return headers

    async def reload() -> None:
        settings.api_key = (await load()).api_key

    return HttpTransport(
        settings.host,
        token=TokenFile(SERVICE_TOKEN_FILENAME, clock) if in_cluster else Kubeconfig(current, reload, clock),
        connector=connector,
        proxy=settings.proxy or _proxy(settings.host),
        server_hostname=settings.tls_server_name,
        user_agent=user_agent,
        clock=clock,
    )


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for `url`, looked up once."""
    parts = urlsplit(url)
    if parts.hostname is None or proxy_bypass(parts.hostname):
        return None
    return getproxies().get(parts.scheme)
