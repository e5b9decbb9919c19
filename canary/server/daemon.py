"""The process behind `canary run`: everything put together, from settings to exit code."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

import structlog

from canary import __version__
from canary.api.names import CONTROLLER_MANAGER
from canary.controller import app
from canary.controller.app import Controller, LeadershipLost
from canary.controller.telemetry import Telemetry
from canary.kube.client import Client
from canary.kube.clock import Clock, SystemClock
from canary.kube.credentials import BadConfig
from canary.kube.http import connect
from canary.kube.observed_transport import ObservedTransport
from canary.kube.transport import Transport
from canary.metrics.prometheus.http import BadAddress
from canary.metrics.proxies.source import ProxyPod
from canary.server import health, logs
from canary.server.health import Heartbeat
from canary.server.http import CannotListen, application, listening
from canary.server.journal import Journal
from canary.server.metrics import Metrics
from canary.server.process import readings
from canary.server.settings import Settings
from canary.server.sources import Installed
from canary.server.telemetry import Told

PATIENCE = 9.0
"""Seconds from the first signal to the end, whatever hangs: a Lease that was not released runs out by itself."""
USER_AGENT = f"canary-controller/{__version__}"
_log = structlog.get_logger("canary.server")


async def run(settings: Settings) -> int:
    """Run until SIGINT or SIGTERM; the exit code.

    0 after a clean stop; 1 when the process cannot start, when the Lease is lost and after an unexpected error: a new
    process starts with a clean memory. The reason is the last line of the log. A second signal ends it at once.
    """
    writer = logs.LineWriter(sys.stderr.fileno())
    logs.configure(writer, level=settings.log_level, form=settings.log_format, color=sys.stderr.isatty())
    try:
        await _run(settings, writer)
    except (BadAddress, BadConfig, CannotListen) as error:
        _log.error("cannot start", error=str(error))
        return 1
    except DrainTimeout as error:
        _log.error("stopped without draining", error=str(error))
        return 1
    except LeadershipLost as error:
        _log.error("leadership lost", error=str(error))
        return 1
    except Exception:
        _log.exception("failed")
        return 1
    finally:
        writer.close()
    return 0


class DrainTimeout(Exception):
    """Something hung until the time to stop was over."""


async def _run(settings: Settings, writer: logs.LineWriter) -> None:
    clock = SystemClock()
    transport = await connect(settings.kubeconfig, settings.context, settings.in_cluster, USER_AGENT, clock=clock)
    try:
        process = Process(settings, transport, clock=clock, rng=random.Random(), writer=writer)
        try:
            await process.run()
        finally:
            await process.close()
    finally:
        await transport.close()


class Process:
    """The controller with its probes, metrics and logs, over any transport."""

    def __init__(
        self, settings: Settings, transport: Transport, *, clock: Clock, rng: random.Random, writer: logs.LineWriter
    ) -> None:
        self._settings = settings
        self.metrics = Metrics(
            lambda: readings(
                self.controller, self.transport, self.heartbeat, clock=clock, log_dropped=lambda: writer.dropped
            )
        )
        self.transport = ObservedTransport(transport, clock=clock, observe=self.metrics.called)
        client = Client(self.transport, clock=clock, rng=rng, field_manager=CONTROLLER_MANAGER)
        self._installed = Installed(settings.sources, client, self._pods, clock=clock, user_agent=USER_AGENT)
        self.controller = Controller(
            _for_controller(settings),
            client,
            self._installed.sources,
            clock=clock,
            rng=rng,
            telemetry=telemetry(self.metrics),
        )
        self.heartbeat = Heartbeat(clock, self._blocked)
        self.url = ""
        self.application = application(live=self.live, ready=self.ready, metrics=self.metrics)
        self._stopping = asyncio.Event()

    async def close(self) -> None:
        """Close the connections to metrics sources; the transport is whoever's who gave it."""
        await self._installed.close()

    def _pods(self, namespace: str, kind: str, names: frozenset[str]) -> Mapping[str, tuple[ProxyPod, ...]]:
        return self.controller.world.proxies(namespace, kind, names)

    def stop(self) -> None:
        """Let running reconciles finish, release the Lease, end."""
        self.controller.stop()
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop` or a signal. Raises `CannotListen`, `LeadershipLost`, `DrainTimeout`, or what broke."""
        async with AsyncExitStack() as stack:
            listen = listening(self.application, self._settings.host, self._settings.port)
            self.url = await stack.enter_async_context(listen)
            stack.callback(_on_first_signal(self.stop))
            self._say_hello()
            beating = asyncio.create_task(self.heartbeat.run(), name="heartbeat")
            try:
                await self.work()
            finally:
                beating.cancel()
        _log.info("stopped")

    async def work(self) -> None:
        """The controller alone, until `stop`: without signals and without a port."""
        working = asyncio.create_task(self.controller.run(), name="controller")
        stopping = asyncio.create_task(self._stopping.wait(), name="stopping")
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                _log.info("stopping")
                await asyncio.wait((working,), timeout=PATIENCE)
            if not working.done():
                raise DrainTimeout(f"requests still ran after {PATIENCE:g} s")
            _outcome(working)
        finally:
            stopping.cancel()
            working.cancel()
            await asyncio.wait((stopping, working), timeout=0.5)

    def _say_hello(self) -> None:
        settings = self._settings
        _log.info(
            "started", url=self.url, version=__version__, identity=settings.identity,
            namespaces=settings.namespaces or ("*",), workers=settings.workers,
            lease=f"{settings.lease_namespace}/{settings.lease_name}" if settings.leader_elect else None,
        )  # fmt: skip

    def _blocked(self, seconds: float) -> None:
        self.controller.step_down(f"the event loop was blocked for {seconds:.0f} s")
        self._stopping.set()

    def live(self) -> tuple[health.Check, ...]:
        """What /livez asks."""
        return health.alive(self.heartbeat)

    def ready(self) -> tuple[health.Check, ...]:
        """What /readyz asks."""
        errors = (each.last_error for each in self.controller.watches.reflectors)
        return health.ready(
            self.heartbeat,
            synced=self.controller.ready,
            error=next((str(error) for error in errors if error is not None), ""),
            silent_for=self.transport.silent_for,
        )


def telemetry(metrics: Metrics) -> Telemetry:
    """Metrics first: they cannot fail for want of a reader."""
    return Told((metrics, Journal()))


def _for_controller(settings: Settings) -> app.Settings:
    return app.Settings(
        identity=settings.identity,
        namespaces=settings.namespaces,
        workers=settings.workers,
        leader_elect=settings.leader_elect,
        lease_namespace=settings.lease_namespace,
        lease_name=settings.lease_name,
        lease_timing=settings.lease_timing,
        track_secrets=settings.track_secrets,
    )


def _outcome(ended: asyncio.Task[None]) -> None:
    """Raise what a controller ended of: a lost Lease alone, whatever the groups around it."""
    try:
        ended.result()
    except BaseExceptionGroup as group:
        lost, others = group.split(LeadershipLost)
        if others is not None:
            raise
        assert lost is not None  # the group has one or the other
        raise _first(lost) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _on_first_signal(stop: Callable[[], None]) -> Callable[[], None]:
    """Call `stop` on the first SIGINT or SIGTERM; a second one ends the process as if nobody had listened.

    Returns what takes the handlers off.
    """
    loop = asyncio.get_running_loop()

    def forget() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    def first() -> None:
        forget()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, first)
    return forget
