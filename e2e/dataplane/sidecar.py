"""A real Envoy before a Pod's process: what `source: Proxies` reads, on the Pod's own address.

The cluster of the Pod's own process is named as Istio names it, `inbound|<port>||`. Addresses of Pods are those of this
machine only in a network namespace that has been prepared for it: see `e2e.dataplane.network`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from canary.metrics.proxies.flavour import shipped
from e2e.dataplane import envoy_config, statistics
from e2e.dataplane.addresses import HOST, admin_port, inner_port

CLUSTER = "inbound|80||"
STATISTICS_PORT = shipped("envoy").port


def command(envoy: str | Path, address: str, port: int, routes: Path) -> list[str]:
    """For the Pod with this address that callers reach on `port`; `routes` is the file of `statistics`.

    Ends with its standard input.
    """
    config = json.dumps(bootstrap(address, port, routes))
    flags = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "warning", "--config-yaml", config]
    return [sys.executable, "-m", "e2e.plane.tether", str(envoy), *flags]


def ready_url(port: int) -> str:
    """Answers with 200 when the sidecar of the Pod at `port` works."""
    return f"http://{HOST}:{admin_port(port)}/ready"


def bootstrap(address: str, port: int, routes: Path) -> dict[str, Any]:
    """Requests on the Pod's port go to the process behind it, and are counted."""
    shown = statistics.listener(address, STATISTICS_PORT, routes)
    clusters = [_cluster(CLUSTER, inner_port(port)), _cluster(statistics.CLUSTER, admin_port(port))]
    return {
        "node": {"id": f"sidecar-{port}", "cluster": "e2e"},
        "admin": {"address": envoy_config.address(admin_port(port))},
        "static_resources": {"listeners": [_listener(port), shown], "clusters": clusters},
        **envoy_config.STATISTICS,
    }


def _listener(port: int) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "route": {"cluster": CLUSTER, "timeout": envoy_config.REQUEST_TIMEOUT}}
    table = {"name": "inbound", "virtual_hosts": [{"name": "inbound", "domains": ["*"], "routes": [route]}]}
    return envoy_config.listener("inbound", port, {"route_config": table})


def _cluster(name: str, port: int) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": envoy_config.address(port)}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": envoy_config.CONNECT_TIMEOUT,
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
        **envoy_config.CONNECTIONS,
    }
