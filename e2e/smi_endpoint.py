"""A scripted SMI metrics server: it answers whatever numbers a test has set, and fails when told to.

It is an aggregated API: the API server forwards requests to it over TLS and shows a front-proxy client certificate.
It runs in a thread of its own, so that it answers whatever the test is doing; all its methods are safe from any thread.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from aiohttp import web

from canary.api.duration import parse_duration
from e2e import smi_wire
from e2e.plane.certificates import KeyPair
from e2e.smi_wire import Numbers

DEFAULT_WINDOW = 30.0
HANG = 3600.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_START_TIMEOUT = 10.0


class Failure(Enum):
    """How requests for a namespace fail."""

    ERROR = "500 with a JSON string, as when the metrics store is down"
    UNAVAILABLE = "503"
    HTML = "200 with a web page"
    TRUNCATED = "200 with half a list"
    HANG = "no answer"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it arrived. `window` is the raw `t` parameter; `answered` what the server knew per workload."""

    at: datetime
    namespace: str
    plural: str
    window: str
    user: str
    groups: tuple[str, ...]
    answered: dict[str, Numbers]


@dataclass(frozen=True, slots=True)
class Answer:
    """A list that was sent, as `canary.sandbox.evidence` reads it; who asked is not told to an aggregated API."""

    monotonic: float
    path: str
    query: dict[str, str]
    body: bytes
    user_agent: str = ""


class SmiEndpoint:
    """The server and its script."""

    def __init__(self, certificate: KeyPair, client_ca: Path) -> None:
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca))
        self._tls.load_cert_chain(certificate.certificate, certificate.key)
        # Optional, so that a stranger gets the 401 of the real server rather than a broken handshake.
        self._tls.verify_mode = ssl.CERT_OPTIONAL
        self._numbers: dict[tuple[str, str], dict[str, Numbers | Callable[[], Numbers]]] = defaultdict(dict)
        self._edges: dict[tuple[str, str], dict[str, Numbers]] = defaultdict(dict)
        self._failures: dict[str, Failure] = {}
        self._asked: list[Asked] = []
        self._answers: dict[str, list[Answer]] = defaultdict(list)
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="smi-endpoint", daemon=True)
        self.port = 0

    def start(self) -> None:
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT):
            raise RuntimeError("the SMI endpoint did not start")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_TIMEOUT)

    def set(
        self,
        namespace: str,
        name: str,
        numbers: Numbers | Callable[[], Numbers] | None,
        *,
        plural: str = "deployments",
    ) -> None:
        """From now on the workload has these numbers, or those that the function gives; `None`: it has no series."""
        with self._lock:
            if numbers is None:
                self._numbers[namespace, plural].pop(name, None)
            else:
                self._numbers[namespace, plural][name] = numbers

    def see(self, namespace: str, caller: str, name: str, numbers: Numbers) -> None:
        """From now on a Deployment has these numbers by what another one, the caller, sees of it."""
        with self._lock:
            self._edges[namespace, caller][name] = numbers

    def fail(self, namespace: str, failure: Failure | None) -> None:
        """From now on requests for the namespace fail; with `None` they work again. A hung request stays hung."""
        with self._lock:
            if failure is None:
                self._failures.pop(namespace, None)
            else:
                self._failures[namespace] = failure

    def asked(self, namespace: str) -> list[Asked]:
        """Every request for the namespace so far, in the order of arrival."""
        with self._lock:
            return [request for request in self._asked if request.namespace == namespace]

    def answers(self, namespace: str) -> list[Answer]:
        """Every list that was sent for the namespace, in order."""
        with self._lock:
            return list(self._answers[namespace])

    def forget(self, namespace: str) -> None:
        """Drops all that was set and asked for a namespace."""
        with self._lock:
            for known in (self._numbers, self._edges):
                for key in [key for key in known if key[0] == namespace]:
                    del known[key]
            self._failures.pop(namespace, None)
            self._answers.pop(namespace, None)
            self._asked = [request for request in self._asked if request.namespace != namespace]

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        app = web.Application(middlewares=[_front_proxy_only])
        app.router.add_get(smi_wire.PREFIX, self._discover)
        app.router.add_get(f"{smi_wire.PREFIX}/", self._discover)
        app.router.add_get(smi_wire.PREFIX + "/namespaces/{namespace}/{plural}", self._list)
        app.router.add_get(smi_wire.PREFIX + "/namespaces/{namespace}/{plural}/{name}", self._get)
        app.router.add_get(smi_wire.PREFIX + "/namespaces/{namespace}/deployments/{name}/edges", self._list_edges)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._tls).start()
            self.port = runner.addresses[0][1]
            self._started.set()
            await self._stop.wait()
        finally:
            # Else each connection would wait for the other side's end of TLS, and outlive the event loop.
            for connection in runner.server.connections if runner.server is not None else ():
                if connection.transport is not None:
                    connection.transport.abort()
            await asyncio.sleep(0)
            await runner.cleanup()

    async def _discover(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(smi_wire.discovery())

    async def _list(self, request: web.Request) -> web.StreamResponse:
        namespace, plural = request.match_info["namespace"], request.match_info["plural"]
        if plural not in smi_wire.KINDS:
            return web.json_response({"error": f"Unsupported resource: {plural}"}, status=404)
        numbers, failure = self._note(request, namespace, plural)
        if failure is not None:
            return await _failed(failure)
        items = [_item(request, name, numbers[name]) for name in sorted(numbers)]
        body = json.dumps(smi_wire.traffic_metrics_list(plural, namespace, items)).encode()
        with self._lock:
            self._answers[namespace].append(Answer(time.monotonic(), request.path, dict(request.query), body))
        return web.Response(body=body, content_type="application/json")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        namespace, plural, name = (request.match_info[key] for key in ("namespace", "plural", "name"))
        numbers, failure = self._note(request, namespace, plural)
        if failure is not None:
            return await _failed(failure)
        if name not in numbers:
            return web.json_response({"error": "unable to lookup metrics"}, status=500)
        return web.json_response(_item(request, name, numbers[name]))

    async def _list_edges(self, request: web.Request) -> web.StreamResponse:
        namespace, caller = request.match_info["namespace"], request.match_info["name"]
        with self._lock:
            seen = dict(self._edges[namespace, caller])
        seconds, now = _window(request), _now()
        items = [
            smi_wire.traffic_edge("deployments", namespace, caller, name, numbers, seconds, now)
            for name, numbers in sorted(seen.items())
        ]
        return web.json_response(smi_wire.traffic_metrics_list("deployments", namespace, items))

    def _note(self, request: web.Request, namespace: str, plural: str) -> tuple[dict[str, Numbers], Failure | None]:
        with self._lock:
            failure = self._failures.get(namespace)
            known = dict(self._numbers[namespace, plural])
            numbers = {name: found() if callable(found) else found for name, found in known.items()}
            asked = Asked(
                at=datetime.now(UTC),
                namespace=namespace,
                plural=plural,
                window=request.query.get("t", ""),
                user=request.headers.get("X-Remote-User", ""),
                groups=tuple(request.headers.getall("X-Remote-Group", ())),
                answered={} if failure else numbers,
            )
            self._asked.append(asked)
        return numbers, failure


@web.middleware
async def _front_proxy_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    tls = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
    if tls is None or not tls.getpeercert():
        return web.Response(status=401, text="Unauthorized client certificate")
    return await handler(request)


def _item(request: web.Request, name: str, numbers: Numbers) -> dict[str, object]:
    namespace, plural = request.match_info["namespace"], request.match_info["plural"]
    return smi_wire.traffic_metrics(plural, namespace, name, numbers, _window(request), _now())


def _window(request: web.Request) -> float:
    """Seconds. The real server does the same: a window that it cannot read silently becomes the default."""
    try:
        return parse_duration(request.query.get("t", ""))
    except ValueError:
        return DEFAULT_WINDOW


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _failed(failure: Failure) -> web.StreamResponse:
    if failure is Failure.HANG:
        await asyncio.sleep(HANG)
    if failure is Failure.HTML:
        return web.Response(text="<html><body>Sign in</body></html>", content_type="text/html")
    if failure is Failure.TRUNCATED:
        return web.Response(text='{"kind":"TrafficMetricsList","items":[{"kind":', content_type="application/json")
    if failure is Failure.UNAVAILABLE:
        return web.Response(status=503, text="upstream connect error")
    return web.json_response("unable to query the metrics store", status=500)
