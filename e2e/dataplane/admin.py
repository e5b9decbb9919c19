"""What Envoy says of itself: its administration interface.

Source: envoyproxy.io, "Administration interface": `/ready`, `/config_dump`, `/stats/prometheus`.
"""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import quote

from e2e.dataplane.addresses import HOST
from e2e.dataplane.envoy_config import weights_in
from e2e.dataplane.routes import Weights
from e2e.dataplane.stats import NEEDED, Stats, parse

TIMEOUT = 5.0


class AdminError(Exception):
    """The interface answered with an error, or not at all."""


class Admin:
    """One Envoy's interface. Every request is a connection of its own; all methods may be called from any thread."""

    def __init__(self, port: int) -> None:
        self.port = port

    def ready(self) -> bool:
        """Whether Envoy has started and has its first configuration."""
        try:
            return self._get("/ready").strip() == "LIVE"
        except AdminError:
            return False

    def routes(self) -> tuple[str, dict[str, Weights]]:
        """The version of the routes that are in use, and their weights by Service; an empty version before the first.

        Raises `AdminError`.
        """
        for config in self._dump("dynamic_route_configs"):
            return config.get("version_info", ""), weights_in(config["route_config"])
        return "", {}

    def clusters(self) -> frozenset[str]:
        """The clusters that are in use. Raises `AdminError`."""
        return frozenset(config["cluster"]["name"] for config in self._dump("dynamic_active_clusters"))

    def stats(self) -> Stats:
        """The statistics of requests as of now, of histograms as of the last flush. Raises `AdminError`."""
        return parse(self._get(f"/stats/prometheus?filter={quote(NEEDED)}"))

    def _dump(self, resource: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._get(f"/config_dump?resource={resource}")).get("configs", [])
        return found

    def _get(self, path: str) -> str:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=TIMEOUT)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise AdminError(f"Envoy's administration interface on port {self.port}: {error!r}") from error
        finally:
            connection.close()
        if answer.status != 200:
            raise AdminError(f"Envoy answers GET {path} with {answer.status}: {text[:500]}")
        return text
