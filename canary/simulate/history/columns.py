"""The header of a CSV file with metrics: what each column means.

    time                                RFC 3339 with a zone, or Unix seconds
    canary_requests, canary_failures    since the row before; the same for stable
    canary_requests_total, …            counters instead: they grow, and begin again at 0 when they fall
    canary_p50, canary_p90, canary_p99  latency in seconds; canary_p99_ms in milliseconds
    canary_le_0.1, …, canary_le_inf     requests that took at most so many seconds, as counts or as counters (…_total);
                                        canary_le_100ms says the unit
    weight                              the canary's weight at that time, in percent

A file needs the time, and requests and failures of the canary.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Literal, TypeAlias

from canary.core.window import Quantile

SideName: TypeAlias = Literal["canary", "stable"]
SIDES: tuple[SideName, SideName] = ("canary", "stable")
TIME, WEIGHT = "time", "weight"

_COUNT = re.compile(r"(canary|stable)_(requests|failures)(_total)?")
_QUANTILE = re.compile(r"(canary|stable)_(p50|p90|p99)(?:_(s|ms))?")
_BUCKET = re.compile(r"(canary|stable)_le_(?:(inf)|(\d{1,9}(?:\.\d{1,9})?)(s|ms)?)(_total)?", re.ASCII)


class BadHeader(ValueError):
    """The columns of a file do not say what is needed; the message says which one, and why."""


@dataclass(frozen=True, slots=True)
class SideColumns:
    """The places of one side's columns, from 0. `counters` says that they grow, rather than count since the row before.

    `quantiles` have their factor to seconds, `buckets` their bound in seconds, ascending, the last one infinite.
    """

    name: SideName
    requests: int
    failures: int
    counters: bool
    quantiles: Mapping[Quantile, tuple[int, float]] = field(default_factory=dict)
    buckets: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    names: tuple[str, ...]
    time: int
    sides: Mapping[SideName, SideColumns]
    weight: int | None = None


def columns(header: Sequence[str]) -> Columns:
    """Reads a header; capitals and spaces around a name do not matter. Raises `BadHeader`."""
    names = tuple(name.strip().casefold() for name in header)
    for place, name in enumerate(names):
        if name in names[:place]:
            raise BadHeader(f"column {name} is there twice")
        if name not in (TIME, WEIGHT) and not any(form.fullmatch(name) for form in (_COUNT, _QUANTILE, _BUCKET)):
            raise BadHeader(f"column {name[:60]!r} is unknown; docs/replay.md lists those that there are")
    if TIME not in names:
        raise BadHeader("column time is missing")
    sides = {side: found for side in SIDES if (found := _side(side, names)) is not None}
    if "canary" not in sides:
        raise BadHeader("column canary_requests, or canary_requests_total, is missing")
    return Columns(names, names.index(TIME), sides, names.index(WEIGHT) if WEIGHT in names else None)


def _side(side: SideName, names: tuple[str, ...]) -> SideColumns | None:
    own = [name for name in names if name.startswith(f"{side}_")]
    if not own:
        return None
    counters = f"{side}_requests_total" in names
    suffix = "_total" if counters else ""
    for name in (f"{side}_requests{suffix}", f"{side}_failures{suffix}"):
        if name not in names:
            raise BadHeader(f"column {name} is missing")
    for name in own:
        # Without the other kind of counting: which of the two were meant?
        if not _QUANTILE.fullmatch(name) and name.endswith("_total") is not counters:
            raise BadHeader(f"column {name} counts in another way than {side}_requests{suffix}: give both the same end")
    quantiles: dict[Quantile, tuple[int, float]] = {}
    for name in own:
        for quantile in _quantile(name):
            if quantile in quantiles:
                raise BadHeader(f"column {name} says {quantile} of {side} again")
            quantiles[quantile] = (names.index(name), 1e-3 if name.endswith("_ms") else 1.0)
    return SideColumns(
        side, names.index(f"{side}_requests{suffix}"), names.index(f"{side}_failures{suffix}"), counters, quantiles,
        _buckets(side, own, names),
    )  # fmt: skip


def _quantile(name: str) -> tuple[Quantile, ...]:
    known: tuple[Quantile, ...] = ("p50", "p90", "p99")
    found = _QUANTILE.fullmatch(name)
    return tuple(quantile for quantile in known if found is not None and found[2] == quantile)


def _buckets(side: SideName, own: list[str], names: tuple[str, ...]) -> tuple[tuple[float, int], ...]:
    found: dict[float, int] = {}
    for name in own:
        match = _BUCKET.fullmatch(name)
        if match is None:
            continue
        le = inf if match[2] else float(match[3]) * (1e-3 if match[4] == "ms" else 1.0)
        if le in found:
            raise BadHeader(f"column {name} has the bound of another column")
        found[le] = names.index(name)
    if found and (inf not in found or len(found) < 2):
        raise BadHeader(f"the histogram of {side} needs {side}_le_inf and one bound more")
    return tuple(sorted(found.items()))
