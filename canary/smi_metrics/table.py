"""Numbers as a Table, the form in which kubectl shows a list.

Source: Kubernetes API concepts, "Receiving resources as Tables".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from canary.api.duration import go_duration
from canary.core.window import Quantile
from canary.metrics.prometheus.question import Measured, Workload
from canary.smi_metrics.wire import Entry, rfc3339

UNKNOWN = "-"
_QUANTILES: tuple[Quantile, ...] = ("p50", "p90", "p99")
_NUMBERS = (
    ("Success", "Requests in the window that succeeded."),
    ("Failure", "Requests in the window that failed."),
    ("P50", "Latency that half of the requests did not exceed."),
    ("P90", "Latency that 90 % of the requests did not exceed."),
    ("P99", "Latency that 99 % of the requests did not exceed."),
    ("Window", "The time that the numbers are of, up to the last scrape."),
)


def table(measured: Sequence[Measured], seconds: int) -> dict[str, Any]:
    """A row for each workload."""
    rows = [_row(each.workload, each, [], seconds) for each in measured]
    return _table([_column("Name", "Name of the object."), *_numbers()], rows)


def edge_table(edges: Sequence[Entry], seconds: int) -> dict[str, Any]:
    """A row for each edge, with its direction and its other end."""
    rows = []
    for direction, each in edges:
        source = each.source or each.workload
        owner, other = (each.workload, source) if direction == "from" else (source, each.workload)
        peer = f"{other.namespace}/{other.name}" if other.namespace else other.name
        rows.append(_row(owner, each, [direction, peer], seconds))
    ends = [
        _column("Name", "Name of the object."),
        _column("Direction", "Whether requests come from the peer or go to it."),
        _column("Peer", "The other end."),
    ]
    return _table([*ends, *_numbers()], rows)


def _table(columns: list[dict[str, Any]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns,
        "rows": rows,
    }


def _column(name: str, description: str) -> dict[str, Any]:
    form = "name" if name == "Name" else ""
    return {"name": name, "type": "string", "format": form, "description": description, "priority": 0}


def _numbers() -> list[dict[str, Any]]:
    return [_column(name, description) for name, description in _NUMBERS]


def _row(owner: Workload, measured: Measured, ends: list[str], seconds: int) -> dict[str, Any]:
    metadata = {"name": owner.name, "creationTimestamp": rfc3339(measured.at)}
    if owner.namespace:
        metadata["namespace"] = owner.namespace
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    latencies = [latency(measured.latency.get(name)) for name in _QUANTILES]
    counts = [count(measured.success), count(measured.failure)]
    return {"cells": [owner.name, *ends, *counts, *latencies, go_duration(seconds)], "object": partial}


def count(requests: float) -> str:
    """Requests with one decimal at most."""
    return f"{requests:.1f}".removesuffix(".0")


def latency(seconds: float | None) -> str:
    """Milliseconds, with decimals below ten of them."""
    if seconds is None or not seconds >= 0:
        return UNKNOWN
    milliseconds = seconds * 1000
    return f"{milliseconds:.0f}ms" if milliseconds >= 10 else f"{milliseconds:.2g}ms"
