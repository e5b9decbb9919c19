"""`canary smi-metrics`: from options and surroundings to a running server."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from canary import __version__
from canary.cli.exits import Failure
from canary.cli.flags import Flags
from canary.cli.kubeconfig import Place, place
from canary.cli.packs import pack_of, seconds_of
from canary.cli.run import LOG_FORMATS, LOG_LEVELS
from canary.cli.signals import stop_on_signals
from canary.kube.client import Client
from canary.kube.clock import Clock, SystemClock
from canary.kube.credentials import BadConfig
from canary.kube.http import connect
from canary.metrics.prometheus import aggregates
from canary.metrics.prometheus.http import BadAddress, HttpPrometheus
from canary.metrics.prometheus.pack import Pack
from canary.metrics.prometheus.prometheus import Prometheus
from canary.metrics.prometheus.question import Measured, Question
from canary.server import logs
from canary.server.settings import parse_listen
from canary.smi_metrics.process import Process
from canary.smi_metrics.server import CannotListen
from canary.smi_metrics.settings import Settings
from canary.smi_metrics.tls import BadCertificate

MANAGER = "canary-smi-metrics"
_log = structlog.get_logger("canary.smi_metrics")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `canary smi-metrics` as they were typed; an empty text stands for none."""

    prometheus_url: str
    pack: str
    tls_cert_file: str
    tls_private_key_file: str
    prometheus_ca_file: str = ""
    prometheus_token_file: str = ""
    listen: str = "0.0.0.0:8443"
    timeout: str = "5s"
    log_level: str = "info"
    log_format: str = "json"


class Measuring:
    """A `Measurer` that asks Prometheus in the words of a pack."""

    def __init__(self, prometheus: Prometheus, pack: Pack, *, timeout: float) -> None:
        self._prometheus = prometheus
        self._pack = pack
        self._timeout = timeout

    async def measure(self, question: Question) -> Sequence[Measured]:
        """See `Measurer.measure`."""
        return await aggregates.measure(self._prometheus, self._pack, question, timeout=self._timeout)


def settings_for(options: Options) -> Settings:
    """The settings. Raises `Failure` with the option that is wrong."""
    try:
        host, port = parse_listen(options.listen)
    except ValueError as error:
        raise Failure(f"--listen: {error}") from None
    timeout = seconds_of("--timeout", options.timeout, 0.1, 60)
    return Settings(
        pack=pack_of(options.pack),
        certificate=Path(options.tls_cert_file),
        key=Path(options.tls_private_key_file),
        host=host,
        port=port,
        timeout=timeout,
    )


def run(flags: Flags, options: Options) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code. Raises `Failure` for options that cannot be used.

    0 after a clean stop, 1 when the server cannot start and after an unexpected error; the reason is the last line of
    the log.
    """
    settings = settings_for(options)
    where = place(flags.kubeconfig, flags.context, os.environ)
    writer = logs.LineWriter(sys.stderr.fileno())
    logs.configure(
        writer, level=LOG_LEVELS[options.log_level], form=LOG_FORMATS[options.log_format], color=sys.stderr.isatty()
    )
    try:
        asyncio.run(_serve(flags, where, options, settings))
    except (BadAddress, BadCertificate, BadConfig, CannotListen) as error:
        _log.error("cannot start", error=str(error))
        return 1
    except Exception:
        _log.exception("failed")
        return 1
    finally:
        writer.close()
    return 0


async def _serve(flags: Flags, where: Place, options: Options, settings: Settings) -> None:
    clock: Clock = SystemClock()
    agent = f"{MANAGER}/{__version__}"
    async with AsyncExitStack() as stack:
        transport = await connect(where.kubeconfig, flags.context, where.in_cluster, agent, clock=clock)
        stack.push_async_callback(transport.close)
        prometheus = HttpPrometheus(
            options.prometheus_url,
            ca_file=options.prometheus_ca_file or None,
            token_file=options.prometheus_token_file or None,
            user_agent=agent,
            clock=clock,
        )
        stack.push_async_callback(prometheus.close)
        client = Client(transport, clock=clock, rng=random.Random(), field_manager=MANAGER)
        measuring = Measuring(prometheus, settings.pack, timeout=settings.timeout)
        process = Process(settings, client, measuring, clock=clock)
        stop_on_signals(process.stop)
        await process.run()
