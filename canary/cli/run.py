"""`canary run`: from options and surroundings to the settings of the controller's process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import get_args

from canary.cli.exits import Failure
from canary.cli.flags import Flags
from canary.cli.kubeconfig import place
from canary.cli.packs import PrometheusOptions, flavour_of, prometheus_for
from canary.metrics.smi import LatencyUnit
from canary.server.daemon import run as run_daemon
from canary.server.settings import LogFormat, LogLevel, Settings, new_identity, parse_listen
from canary.server.sources import SourceSettings

LATENCY_UNITS: Mapping[str, LatencyUnit] = {unit.lower(): unit for unit in get_args(LatencyUnit)}
LOG_LEVELS: Mapping[str, LogLevel] = {level: level for level in get_args(LogLevel)}
LOG_FORMATS: Mapping[str, LogFormat] = {form: form for form in get_args(LogFormat)}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `canary run` as they were typed. Empty texts stand for what only the surroundings can tell."""

    namespaces: tuple[str, ...] = ()
    leader_elect: bool = True
    lease_namespace: str = ""
    lease_name: str = "canary-controller"
    identity: str = ""
    listen: str = "0.0.0.0:8080"
    workers: int = 16
    track_secrets: bool = False
    log_level: str = "info"
    log_format: str = "json"
    latency_unit: str = "auto"
    prometheus: PrometheusOptions = field(default_factory=PrometheusOptions)
    proxies: str = ""


def settings_for(flags: Flags, options: Options, environ: Mapping[str, str]) -> Settings:
    """The settings; the Lease is in the own namespace unless the options name another.

    Raises `ValueError` for an address that is none, `Failure` for any other option.
    """
    host, port = parse_listen(options.listen)
    where = place(flags.kubeconfig, flags.context, environ)
    return Settings(
        kubeconfig=where.kubeconfig,
        context=flags.context,
        in_cluster=where.in_cluster,
        namespaces=tuple(dict.fromkeys(options.namespaces)),
        leader_elect=options.leader_elect,
        lease_namespace=options.lease_namespace or where.namespace,
        lease_name=options.lease_name,
        identity=options.identity or new_identity(),
        host=host,
        port=port,
        workers=options.workers,
        track_secrets=options.track_secrets,
        log_level=LOG_LEVELS[options.log_level],
        log_format=LOG_FORMATS[options.log_format],
        sources=SourceSettings(
            latency_unit=LATENCY_UNITS[options.latency_unit],
            prometheus=prometheus_for(options.prometheus),
            proxies=flavour_of(options.proxies),
        ),
    )


def run(flags: Flags, options: Options) -> int:
    """Run until SIGINT or SIGTERM; returns the exit code. Raises `Failure` for an address that is none."""
    try:
        settings = settings_for(flags, options, os.environ)
    except ValueError as error:
        raise Failure(f"--listen: {error}") from None
    return asyncio.run(run_daemon(settings))
