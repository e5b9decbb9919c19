"""Envoy's statistics of requests, by cluster and by Pod, from its Prometheus exposition.

Names: envoyproxy.io, "Cluster manager statistics" (`upstream_rq_<code>`, `upstream_rq_time`), and
`track_cluster_stats.per_endpoint_stats` of the v3 API for those of endpoints.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

NEEDED = r"^cluster\..*\.(upstream_rq_(\d\d\d|time)|endpoint\..*\.rq_(total|success|error))$"
"""The names, as Envoy has them itself, of what is read here."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Requests that one Pod of a cluster has got. Failed ones were answered with 5xx, or not at all."""

    total: int = 0
    success: int = 0
    error: int = 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """Requests to one cluster since Envoy started: by status, and by milliseconds up to which they took (cumulated)."""

    codes: dict[int, int] = field(default_factory=dict)
    buckets: dict[float, int] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.codes.values())

    @property
    def failed(self) -> int:
        return sum(count for code, count in self.codes.items() if code >= 500)


_SAMPLE = re.compile(r"^(envoy_cluster_\w+)\{(.*)\} (\d+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_ENDPOINT = {f"envoy_cluster_endpoint_rq_{kind}": kind for kind in ("total", "success", "error")}
Stats = dict[str, Cluster]
"""By the name of the cluster."""


def parse(text: str) -> Stats:
    """Reads an exposition."""
    found: dict[str, Cluster] = defaultdict(Cluster)
    endpoints: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    # Not the parser of prometheus-client: it gives counters that do not end in `_total`, as Envoy's, that end.
    for name, listed, value in _SAMPLE.findall(text):
        labels = dict(_LABEL.findall(listed))
        cluster, count = labels.get("envoy_cluster_name", ""), int(value)
        if name == "envoy_cluster_upstream_rq":
            found[cluster].codes[int(labels["envoy_response_code"])] = count
        elif name == "envoy_cluster_upstream_rq_time_bucket":
            found[cluster].buckets[float(labels["le"])] = count
        elif name in _ENDPOINT:
            endpoints[cluster, labels["envoy_endpoint_hostname"]][_ENDPOINT[name]] = count
    for (cluster, pod), counts in endpoints.items():
        found[cluster].endpoints[pod] = Endpoint(**counts)
    return dict(found)


def quantile(buckets: dict[float, int], q: float) -> float:
    """The milliseconds within which the share `q` of requests was answered: the bound of its bucket; 0 for none.

    `inf` when the last finite bound was not enough.
    """
    total = max(buckets.values(), default=0)
    if total == 0:
        return 0.0
    return min(bound for bound, count in buckets.items() if count >= q * total)
