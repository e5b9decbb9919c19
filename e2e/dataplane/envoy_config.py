"""Envoy's configuration for routes: documents as Envoy reads them, and nothing else.

The bootstrap stays; clusters (CDS), the endpoints of each cluster (EDS) and the routes (RDS) are files that Envoy reads
again when another file is moved to their place. Requests come in on one listener and name the Service by `Host`:
`web.shop`, with or without `.svc.cluster.local`.

Sources: envoyproxy.io, "Configuration: Dynamic from filesystem", and the v3 API reference of Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from e2e.dataplane.addresses import HOST
from e2e.dataplane.routes import Routes, Target, Weights

ROUTES = "outbound"
REQUEST_TIMEOUT = "5s"
CONNECT_TIMEOUT = "1s"
UPSTREAM_IDLE = "30s"
"""Less than the servers keep a connection: else a request may meet one that is being closed."""
STATS_EVERY = "0.5s"
"""Envoy shows what histograms have got as of the last flush; counters are always up to date."""
BUCKETS = (
    *(0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 125, 150, 200, 250, 300, 400, 500, 750),
    *(1000, 1500, 2000, 3000, 5000, 10000),
)
"""Upper bounds of `upstream_rq_time`, in milliseconds."""
TYPE = "type.googleapis.com/envoy"
"""The beginning of the names of all that is typed."""
STATISTICS: dict[str, Any] = {
    "stats_flush_interval": STATS_EVERY,
    "stats_config": {
        "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": list(BUCKETS)}]
    },
}
"""What a bootstrap says of them."""
CONNECTIONS: dict[str, Any] = {
    "typed_extension_protocol_options": {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{TYPE}.extensions.upstreams.http.v3.HttpProtocolOptions",
            "common_http_protocol_options": {"idle_timeout": UPSTREAM_IDLE},
            "explicit_http_config": {"http_protocol_options": {}},
        }
    }
}
"""What a cluster says of its connections: HTTP/1.1."""


def cds_file(directory: Path) -> Path:
    return directory / "cds.json"


def rds_file(directory: Path) -> Path:
    return directory / "rds.json"


def eds_file(directory: Path, cluster: str) -> Path:
    """One file per cluster: Envoy takes the first thing it finds in one for the cluster that asked."""
    return directory / f"eds.{cluster.replace('/', '.')}.json"


def bootstrap(directory: Path, listen: int, admin: int) -> dict[str, Any]:
    """Requests on port `listen`, statistics and dumps on port `admin`, both of 127.0.0.1 only."""
    routes = {"rds": {"route_config_name": ROUTES, "config_source": file_source(rds_file(directory))}}
    return {
        "node": {"id": "caller", "cluster": "e2e"},
        "admin": {"address": address(admin)},
        "dynamic_resources": {"cds_config": file_source(cds_file(directory))},
        "static_resources": {"listeners": [listener(ROUTES, listen, routes)]},
        **STATISTICS,
    }


def clusters(directory: Path, names: Iterable[str], version: int) -> dict[str, Any]:
    """The document of all clusters."""
    return document("config.cluster.v3.Cluster", [_cluster(directory, name) for name in sorted(names)], version)


def endpoints(cluster: str, targets: Iterable[Target], version: int) -> dict[str, Any]:
    """The document of one cluster's endpoints; the host name of each is that of its Pod."""
    found = [{"endpoint": {"address": address(target.port), "hostname": target.pod}} for target in targets]
    load = {"cluster_name": cluster, "endpoints": [{"lb_endpoints": found}] if found else []}
    return document("config.endpoint.v3.ClusterLoadAssignment", [load], version)


def route_table(routes: Routes, version: int) -> dict[str, Any]:
    """The document of all routes. `weights_in` reads them back from Envoy."""
    hosts = [_virtual_host(name, weights) for name, weights in sorted(routes.weights.items())]
    table = {"name": ROUTES, "virtual_hosts": hosts, "validate_clusters": False}
    return document("config.route.v3.RouteConfiguration", [table], version)


def weights_in(table: dict[str, Any]) -> dict[str, Weights]:
    """The weights in a route table as Envoy dumps it, by Service."""
    found: dict[str, Weights] = {}
    for host in table.get("virtual_hosts", ()):
        action = host["routes"][0].get("route", {})
        listed = action.get("weighted_clusters", {}).get("clusters", ())
        # What is zero is not written.
        found[host["name"]] = {entry["name"]: int(entry.get("weight", 0)) for entry in listed}
    return found


def listener(
    name: str, port: int, routes: dict[str, Any], *, host: str = HOST, filters: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    """HTTP on `port`; `routes` is where its routes come from. `filters` stand before the router."""
    manager = {
        "@type": f"{TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "strip_any_host_port": True,
        "generate_request_id": False,
        **routes,
        "http_filters": [
            *filters,
            {"name": "router", "typed_config": {"@type": f"{TYPE}.extensions.filters.http.router.v3.Router"}},
        ],
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": name, "address": address(port, host), "filter_chains": [chain]}


def _cluster(directory: Path, name: str) -> dict[str, Any]:
    """Neither retries nor outlier detection: what a Pod answers is what the caller gets."""
    return {
        "name": name,
        "type": "EDS",
        "eds_cluster_config": {"service_name": name, "eds_config": file_source(eds_file(directory, name))},
        "connect_timeout": CONNECT_TIMEOUT,
        "lb_policy": "ROUND_ROBIN",
        "track_cluster_stats": {"per_endpoint_stats": True},
        **CONNECTIONS,
    }


def _virtual_host(root: str, weights: Weights) -> dict[str, Any]:
    namespace, service = root.split("/")
    short = f"{service}.{namespace}"
    return {
        "name": root,
        "domains": [short, f"{short}.svc", f"{short}.svc.cluster.local"],
        "routes": [{"match": {"prefix": "/"}, **_action(weights)}],
    }


def _action(weights: Weights) -> dict[str, Any]:
    if not sum(weights.values()):
        # Envoy refuses a table with such a route, and with it all other routes.
        return {"direct_response": {"status": 503, "body": {"inline_string": "all weights are 0"}}}
    listed = [{"name": name, "weight": weight} for name, weight in weights.items()]
    return {"route": {"weighted_clusters": {"clusters": listed}, "timeout": REQUEST_TIMEOUT}}


def document(kind: str, resources: list[dict[str, Any]], version: int) -> dict[str, Any]:
    """A file of resources, as Envoy reads it."""
    return {"version_info": str(version), "resources": [{"@type": f"{TYPE}.{kind}", **part} for part in resources]}


def file_source(path: Path) -> dict[str, Any]:
    """Where something of Envoy's is read, and read again when another file is moved there."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def address(port: int, host: str = HOST) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}
