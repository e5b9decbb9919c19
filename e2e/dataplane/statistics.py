"""How the sidecars of a version show their statistics: a file that a test replaces and Envoy reads again.

Sources: envoyproxy.io, "HTTP route components" (`direct_response`) and "Fault injection" of the v3 API.
"""

from __future__ import annotations

import json
import time
from enum import Enum
from pathlib import Path
from typing import Any

from e2e.dataplane import envoy_config

ROUTES = "statistics"
PATH = "/stats/prometheus"
CLUSTER = "statistics"
FAULT = "envoy.filters.http.fault"
_FAULT = f"{envoy_config.TYPE}.extensions.filters.http.fault.v3.HTTPFault"


class Shown(Enum):
    """What a reader gets: the statistics, a page of HTML with status 200, or nothing for a minute."""

    TRULY = "truly"
    AS_A_PAGE = "as a page"
    NEVER = "never"


def write(path: Path, how: Shown) -> None:
    """Puts the route in the file's place in one step."""
    table = {"name": ROUTES, "virtual_hosts": [{"name": ROUTES, "domains": ["*"], "routes": [_route(how)]}]}
    document = envoy_config.document("config.route.v3.RouteConfiguration", [table], time.time_ns())
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(document))
    unfinished.rename(path)


def listener(address: str, port: int, path: Path) -> dict[str, Any]:
    """Shows the statistics, and nothing else that the port of administration has, on the Pod's own address."""
    routes = {"rds": {"route_config_name": ROUTES, "config_source": envoy_config.file_source(path)}}
    fault = {"name": FAULT, "typed_config": {"@type": f"{_FAULT}"}}
    return envoy_config.listener("statistics", port, routes, host=address, filters=[fault])


def _route(how: Shown) -> dict[str, Any]:
    match: dict[str, Any] = {"match": {"path": PATH}}
    if how is Shown.AS_A_PAGE:
        page = "<html><body>upstream connect error</body></html>"
        return {**match, "direct_response": {"status": 200, "body": {"inline_string": page}}}
    route: dict[str, Any] = {**match, "route": {"cluster": CLUSTER}}
    if how is Shown.NEVER:
        delay = {"fixed_delay": "60s", "percentage": {"numerator": 100}}
        route["typed_per_filter_config"] = {FAULT: {"@type": _FAULT, "delay": delay}}
    return route
