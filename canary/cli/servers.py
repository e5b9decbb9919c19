"""The commands that run in a cluster: the controller, and the server of the SMI metrics API."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from canary.cli.flags import Flags
from canary.cli.registry import command

PACK_HELP = (
    "What the mesh calls its metrics: consul, envoy, generic, istio, linkerd, nginx, traefik, or a YAML file with "
    "one of these names and what is different, or with a pack of its own."
)


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    JSON = "json"
    CONSOLE = "console"


class LatencyUnit(StrEnum):
    AUTO = "auto"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


Level = Annotated[LogLevel, typer.Option("--log-level", case_sensitive=False, help="The least that is logged.")]
Format = Annotated[LogFormat, typer.Option("--log-format", case_sensitive=False, help="For machines, or for people.")]
PackName = Annotated[str, typer.Option("--pack", metavar="NAME|FILE", help=PACK_HELP)]
CaFile = Annotated[
    str, typer.Option("--prometheus-ca-file", metavar="FILE", help="Whom to trust instead of the system's CAs.")
]
TokenFile = Annotated[
    str, typer.Option("--prometheus-token-file", metavar="FILE", help="Bearer token; read anew every minute.")
]


@command("run", without=("namespace",))
def run(
    flags: Flags,
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", metavar="NAME", help="Repeatable; all without it.")
    ] = None,
    leader_elect: Annotated[
        bool, typer.Option("--leader-elect/--no-leader-elect", help="Work only while holding the Lease.")
    ] = True,
    lease_namespace: Annotated[
        str, typer.Option("--lease-namespace", metavar="NAME", help="Where the Lease is (the pod's own namespace).")
    ] = "",
    lease_name: Annotated[
        str, typer.Option("--lease-name", metavar="NAME", help="Name of the Lease.")
    ] = "canary-controller",
    identity: Annotated[
        str, typer.Option("--identity", metavar="TEXT", help="Unique name of this process (HOSTNAME_UUID).")
    ] = "",
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Serves /livez, /readyz and /metrics.")
    ] = "0.0.0.0:8080",
    workers: Annotated[
        int, typer.Option("--workers", min=1, max=256, help="Canaries that are worked on at once.")
    ] = 16,
    track_secrets: Annotated[
        bool,
        typer.Option(
            "--track-secrets", help="Secrets that opt in are configuration, too; takes the right to read them."
        ),
    ] = False,
    log_level: Level = LogLevel.INFO,
    log_format: Format = LogFormat.JSON,
    metrics_latency_unit: Annotated[
        LatencyUnit,
        typer.Option("--metrics-latency-unit", case_sensitive=False, help="Unit of the metrics API's latencies."),
    ] = LatencyUnit.AUTO,
    prometheus_url: Annotated[
        str, typer.Option("--prometheus-url", metavar="URL", help="The Prometheus behind source Prometheus.")
    ] = "",
    pack: PackName = "",
    prometheus_ca_file: CaFile = "",
    prometheus_token_file: TokenFile = "",
    scrape_interval: Annotated[
        str, typer.Option("--scrape-interval", metavar="DURATION", help="How often Prometheus scrapes the mesh.")
    ] = "15s",
    proxies: Annotated[
        str,
        typer.Option(
            "--proxies",
            metavar="NAME|FILE",
            help="The proxies behind source Proxies: envoy, istio, linkerd, or a YAML file that describes another.",
        ),
    ] = "",
) -> int:
    """Runs the controller until SIGTERM.

    In a pod it uses the pod's service account. Requests that run are let finish and the Lease is given back.
    """
    from canary.cli import run as command
    from canary.cli.packs import PrometheusOptions

    # Given before the command's name it is one namespace, and meant the same.
    namespaces = tuple(namespace or ()) or ((flags.namespace,) if flags.namespace else ())
    options = command.Options(
        namespaces=namespaces,
        leader_elect=leader_elect,
        lease_namespace=lease_namespace,
        lease_name=lease_name,
        identity=identity,
        listen=listen,
        workers=workers,
        track_secrets=track_secrets,
        log_level=log_level.value,
        log_format=log_format.value,
        latency_unit=metrics_latency_unit.value,
        prometheus=PrometheusOptions(prometheus_url, pack, prometheus_ca_file, prometheus_token_file, scrape_interval),
        proxies=proxies,
    )
    return command.run(flags, options)


@command("smi-metrics", without=("namespace",))
def smi_metrics(
    flags: Flags,
    prometheus_url: Annotated[str, typer.Option("--prometheus-url", metavar="URL", help="The Prometheus to ask.")],
    pack: PackName,
    tls_cert_file: Annotated[
        str,
        typer.Option("--tls-cert-file", metavar="FILE", help="Serving certificate; a new one is used by itself."),
    ],
    tls_private_key_file: Annotated[str, typer.Option("--tls-private-key-file", metavar="FILE", help="Its key.")],
    prometheus_ca_file: CaFile = "",
    prometheus_token_file: TokenFile = "",
    listen: Annotated[
        str, typer.Option("--listen", metavar="HOST:PORT", help="Serves the API, /livez and /readyz over TLS.")
    ] = "0.0.0.0:8443",
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="DURATION", help="How long Prometheus is waited for.")
    ] = "5s",
    log_level: Level = LogLevel.INFO,
    log_format: Format = LogFormat.JSON,
) -> int:
    """Serves the SMI metrics API from Prometheus until SIGTERM.

    It is an aggregated API, metrics.smi-spec.io/v1alpha1: register it with an APIService, as the chart does. In a pod
    it uses the pod's service account, to learn who the aggregator of the API server is and to follow label selectors.
    """
    from canary.cli import smi_metrics as command

    options = command.Options(
        prometheus_url=prometheus_url,
        pack=pack,
        tls_cert_file=tls_cert_file,
        tls_private_key_file=tls_private_key_file,
        prometheus_ca_file=prometheus_ca_file,
        prometheus_token_file=prometheus_token_file,
        listen=listen,
        timeout=timeout,
        log_level=log_level.value,
        log_format=log_format.value,
    )
    return command.run(flags, options)
