"""The process behind `canary smi-metrics`: everything put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from canary import __version__
from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.errors import KubeError
from canary.metrics.prometheus.question import Measured, Question
from canary.smi_metrics.cache import Flights
from canary.smi_metrics.front_proxy import BadTrust, Trust, read_trust
from canary.smi_metrics.handler import Handler
from canary.smi_metrics.ports import Measurer
from canary.smi_metrics.selection import ObjectLabels
from canary.smi_metrics.server import Server
from canary.smi_metrics.settings import Settings
from canary.smi_metrics.tls import BadCertificate, Certificate, Switching, context_for

REREAD_TRUST = 60.0
"""Seconds after which the API server is asked again whom to trust."""
RETRY_TRUST = 5.0
"""The same while nobody is known."""
LOOK_AT_FILES = 10.0
"""Seconds between two looks at the files of the serving certificate; the kubelet takes a minute to bring new ones."""
KEEP_MOST = 10_000
"""Numbers of so many workloads are kept for the next who asks, some 7 MB."""
AT_ONCE = 8
"""Questions that are asked at once, of five queries at most each; others wait, and their time runs."""
MOST = 1000
"""Different questions that may be asked or wait."""
_log = structlog.get_logger("canary.smi_metrics")


def keep_for(question: Question) -> float:
    """Seconds for which an answer is as good as a new one: a tenth of its window, at least 1, at most 15."""
    return min(15.0, max(1.0, question.seconds / 10))


class Cached:
    """A `Measurer` that asks another one once for everybody, and gives up on it after `timeout` seconds."""

    def __init__(self, measurer: Measurer, *, clock: Clock, timeout: float) -> None:
        self._measurer = measurer
        self._timeout = timeout
        self.flights: Flights[Question, Sequence[Measured]] = Flights(
            self._ask, clock=clock, keep=keep_for, weigh=len, capacity=KEEP_MOST, most=MOST
        )
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def measure(self, question: Question) -> Sequence[Measured]:
        """See `Measurer.measure`. Raises `TimeoutError` and `Busy`, too."""
        return await self.flights.get(question)

    async def _ask(self, question: Question) -> Sequence[Measured]:
        async with asyncio.timeout(self._timeout), self._at_once:
            return await self._measurer.measure(question)


class Process:
    """The server with its certificate, and with what the API server says about its aggregator."""

    def __init__(self, settings: Settings, client: Client, measurer: Measurer, *, clock: Clock) -> None:
        """Raises `BadCertificate`."""
        self._settings = settings
        self._client = client
        self._clock = clock
        self._trust: Trust | None = None
        self._certificate = Certificate(settings.certificate, settings.key)
        self._tls = Switching()
        self._tls.current = context_for(self._certificate, None)
        self._cached = Cached(measurer, clock=clock, timeout=settings.timeout)
        labels = ObjectLabels(client.transport, timeout=settings.timeout)
        self.handler = Handler(self._cached, labels, ready=self._problem)
        self.server = Server(self.handler, lambda: self._trust)
        self.port = 0
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let requests that run finish, then end."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop`. Raises `CannotListen`."""
        async with self.serving():
            keepers = [
                asyncio.create_task(self._keep_trust(), name="front-proxy"),
                asyncio.create_task(self._keep_certificate(), name="certificate"),
            ]
            try:
                await self._until_stopped(keepers)
            finally:
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.gather(*keepers, return_exceptions=True)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen on `port` during the block, and let requests finish at its end. Raises `CannotListen`."""
        settings = self._settings
        async with self.server.listening(settings.host, settings.port, self._tls) as self.port:
            _log.info("started", port=self.port, version=__version__, pack=settings.pack.name, timeout=settings.timeout)
            yield
        await self._cached.flights.close()
        _log.info("stopped")

    async def _until_stopped(self, keepers: list[asyncio.Task[None]]) -> None:
        """Wait; a keeper that breaks takes the process along, which then starts anew."""
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        try:
            done, _ = await asyncio.wait((stopping, *keepers), return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
            _log.info("stopping")
        finally:
            stopping.cancel()

    def _problem(self) -> str:
        """What /readyz says."""
        if self._stopping.is_set():
            return "stopping"
        return "" if self._trust is not None else "the aggregator of the API server is not known yet"

    async def _keep_trust(self) -> None:
        while True:
            await self.refresh_trust()
            await self._clock.sleep(REREAD_TRUST if self._trust is not None else RETRY_TRUST)

    async def refresh_trust(self) -> None:
        """Ask whom to trust. When that cannot be told, what was known goes on."""
        try:
            trust = await read_trust(self._client)
            if trust == self._trust:
                return
            self._tls.current = context_for(self._certificate, trust)
        except (KubeError, BadTrust) as error:
            _log.warning("the aggregator of the API server is not known", error=str(error))
            return
        except BadCertificate as error:
            _log.warning("the serving certificate cannot be read", error=str(error))
            return
        self._trust = trust
        self.server.drop_connections()
        _log.info("the aggregator of the API server is known", names=sorted(trust.names))

    async def _keep_certificate(self) -> None:
        while True:
            await self._clock.sleep(LOOK_AT_FILES)
            self.refresh_certificate()

    def refresh_certificate(self) -> None:
        """Serve what is in the files now. What cannot be used is looked at again later; the old one goes on."""
        if not self._certificate.changed:
            return
        try:
            self._tls.current = context_for(self._certificate, self._trust)
        except (BadCertificate, BadTrust) as error:
            _log.warning("the serving certificate cannot be renewed", error=str(error))
            return
        _log.info("the serving certificate was renewed")
