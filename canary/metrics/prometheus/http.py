"""Asks a Prometheus over HTTP.

Requests go over the transport that also reaches the API server: it follows no redirect, sends nothing twice, caps the
body, and reads a rotated token anew.
"""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from canary.kube.clock import Clock, SystemClock
from canary.kube.credentials import TokenFile
from canary.kube.errors import KubeError, Unreachable
from canary.kube.http import HttpTransport
from canary.kube.transport import MAX_BODY
from canary.metrics.prometheus.answer import parse, refusal
from canary.metrics.prometheus.prometheus import PrometheusError, Result

QUERY = "/api/v1/query"


class BadAddress(ValueError):
    """No Prometheus can be reached with such settings; the message says why."""


class HttpPrometheus:
    """A `Prometheus` at a URL, which may have a path in front of the API's.

    Build it inside a running event loop. `ca_file` holds the certificates that are trusted instead of the system's,
    `token_file` a bearer token that somebody rotates. Raises `BadAddress`.
    """

    def __init__(
        self,
        url: str,
        *,
        ca_file: str | None = None,
        token_file: str | None = None,
        max_body: int = MAX_BODY,
        user_agent: str = "canary",
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        try:
            self._transport = HttpTransport(
                _checked(url),
                token=TokenFile(token_file, clock) if token_file else "",
                ca_file=ca_file,
                user_agent=user_agent,
                clock=clock,
            )
        except OSError as error:
            raise BadAddress(f"the CA file {ca_file} cannot be read: {error.strerror or error}") from error
        self._max_body = max_body

    async def query(self, promql: str, *, timeout: float, time: float | None = None) -> Result:
        """See `Prometheus.query`. Prometheus is told the timeout, so that it works for nobody no longer than that."""
        form = {"query": promql, "timeout": f"{timeout:.3f}"}
        if time is not None:
            form["time"] = f"{time:.3f}"
        try:
            answer = await self._transport.request(
                "POST",
                QUERY,
                # A query is a read: it may be long, and must not end up in the access log of a proxy.
                body=urlencode(form).encode(),
                content_type="application/x-www-form-urlencoded",
                timeout=timeout,
                max_body=self._max_body,
            )
        except Unreachable as error:
            raise PrometheusError(f"Prometheus cannot be reached: {_without_path(error)}") from error
        except KubeError as error:
            raise PrometheusError(f"Prometheus did not answer in full: {_without_path(error)}") from error
        if answer.status != 200:
            raise refusal(answer.status, answer.body)
        series, warnings = parse(answer.body)
        return Result(series, answer.served_at, warnings)

    async def close(self) -> None:
        """Close every connection; queries that still run fail."""
        await self._transport.close()


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError as error:
        raise BadAddress(f"the address of Prometheus is none: {error}") from error
    if not usable:
        raise BadAddress("the address of Prometheus begins with http:// or https:// and a host")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise BadAddress("the address of Prometheus has no query, no fragment and no password: use a token file")
    return url


def _without_path(error: KubeError) -> str:
    return str(error).removeprefix(f"POST {QUERY}: ")
