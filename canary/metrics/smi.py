"""Reads answers of the SMI Traffic Metrics API: bytes to readings, without any I/O.

Source: https://github.com/servicemeshinterface/smi-spec/blob/main/apis/traffic-metrics/v1alpha1/traffic-metrics.md,
and where servers differ from it, https://github.com/servicemeshinterface/smi-metrics. An object key that occurs twice
has its last value, as for every Go client.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Literal, TypeAlias

import msgspec

from canary.api.duration import parse_duration
from canary.api.quantity import parse_quantity
from canary.core.window import Missing, Quantile, Sample, SideReading
from canary.metrics.source import NO_REQUESTS, Series, SourceError, combined, series_of

LatencyUnit: TypeAlias = Literal["Auto", "Seconds", "Milliseconds"]
_Bytes: TypeAlias = msgspec.Raw | bytes

MAX_COUNT = 1e12
"""Requests of one window beyond which a count is taken for nonsense."""
MAX_LATENCY = 1e6
"""Seconds beyond which a latency is taken for nonsense."""
STALE_AFTER = 60.0
"""Seconds beyond two windows that an answer may be old, clock skew included, before it counts as stale."""

_PLAIN = 15
"""So many digits are far from every limit of a quantity."""
_SECONDS_PER = {"s": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "millisecond": 1e-3, "milliseconds": 1e-3}
_LATENCIES: dict[str, Quantile] = {
    "p50_response_latency": "p50",
    "p90_response_latency": "p90",
    "p99_response_latency": "p99",
}


class _Reference(msgspec.Struct, frozen=True, gc=False):
    kind: str = ""
    namespace: str = ""
    name: str = ""


_ANYONE = _Reference()


class _Edge(msgspec.Struct, frozen=True):
    direction: str = ""
    side: str = ""
    resource: _Reference | None = None


class _Metric(msgspec.Struct, frozen=True, gc=False):
    name: str
    unit: str = ""
    value: str | int | float | None = None


class _Scope(msgspec.Struct, frozen=True):
    """What is left of an item that is malformed otherwise: whose it is."""

    resource: _Reference


class _Item(_Scope, frozen=True):
    edge: _Edge | None = None
    timestamp: str | None = None
    window: str = ""
    metrics: tuple[_Metric, ...] | None = None


class _Answer(msgspec.Struct, frozen=True):
    """A TrafficMetricsList, or a Status in its place."""

    kind: str = ""
    items: tuple[msgspec.Raw, ...] | None = None
    message: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)
_ITEM = msgspec.json.Decoder(_Item)
_SCOPE = msgspec.json.Decoder(_Scope)


def parse(
    body: bytes, *, window: float, now: float | None = None, latency_unit: LatencyUnit = "Auto"
) -> Mapping[Series, SideReading]:
    """The readings in an answer to a request for the last `window` seconds, by whom they are of.

    `now` are unix seconds and detect a stale answer; `latency_unit` overrides the unit that the answer claims, for a
    server that labels seconds as ms. Raises `SourceError` when the whole answer cannot be read; a single item that
    cannot is a `Missing`.
    """
    found: dict[Series, list[_Bytes]] = {}
    for raw in _items(body):
        owner = _owner(raw)
        found.setdefault(series_of(owner.kind, owner.namespace, owner.name), []).append(raw)
    return _Readings(found, _Reader(window, now, latency_unit))


def parse_edges(
    body: bytes, *, window: float, now: float | None = None, latency_unit: LatencyUnit = "Auto"
) -> Mapping[Series, SideReading]:
    """The readings in the edges of one workload, by whom it has sent requests to; see `parse`.

    What an item says of requests that the workload itself received is left out.
    """
    found: dict[Series, list[_Item | None]] = {}
    for raw in _items(body):
        item = _item(raw)
        edge = item.edge if item else None
        if edge is None or edge.resource is None:
            raise SourceError("the metrics API answered an edge that names nobody")
        if edge.direction == "to":
            other = edge.resource
            found.setdefault(series_of(other.kind, other.namespace, other.name), []).append(item)
    reader = _Reader(window, now, latency_unit)
    return {series: reader.series(items) for series, items in found.items()}


class _Readings(Mapping[Series, SideReading]):
    """Items are read when somebody asks for them: a namespace may have many workloads and one Canary."""

    def __init__(self, found: dict[Series, list[_Bytes]], reader: _Reader) -> None:
        self._found = found
        self._reader = reader

    def __getitem__(self, series: Series) -> SideReading:
        items = [item for item in map(_item, self._found[series]) if item is None or _received(item)]
        if not items:
            raise KeyError(series)
        return self._reader.series(items)

    def __iter__(self) -> Iterator[Series]:
        return (series for series in self._found if series in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _received(item: _Item) -> bool:
    """The item is about requests that its resource was sent, from whomever."""
    return item.edge is None or item.edge.direction == "from"


def _item(raw: _Bytes) -> _Item | None:
    try:
        return _ITEM.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _items(body: bytes) -> Iterable[_Bytes]:
    if body.lstrip()[:1] == b"<":
        raise SourceError("the metrics API answered HTML, not JSON")
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SourceError(f"the metrics API answered no TrafficMetricsList: {error}") from error
    if answer.kind == "TrafficMetricsList":
        return answer.items or ()
    if answer.kind == "TrafficMetrics":
        return (body,)
    said = f": {answer.message[:200]}" if answer.message else ""
    raise SourceError(f"the metrics API answered a {answer.kind[:64] or 'nameless kind'}, no TrafficMetricsList{said}")


def _owner(raw: _Bytes) -> _Reference:
    try:
        return _SCOPE.decode(raw).resource
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _ANYONE


class _Reader:
    """What was asked for, with which every item is compared."""

    def __init__(self, window: float, now: float | None, latency_unit: LatencyUnit) -> None:
        self._window = window
        self._now = now
        self._seconds_per = None if latency_unit == "Auto" else _SECONDS_PER[latency_unit.lower()]

    def series(self, items: list[_Item | None]) -> SideReading:
        """One workload: its plain item, or the sum of its edges where there is none."""
        usable = [item for item in items if item is not None]
        if len(usable) < len(items):
            return Missing("malformed item")
        edges: dict[_Reference, list[_Item]] = {}
        for item in _served(usable):
            edges.setdefault(item.edge.resource or _ANYONE if item.edge else _ANYONE, []).append(item)
        if _ANYONE in edges:
            return self._only(edges[_ANYONE])
        return combined(self._only(group) for group in edges.values())

    def _only(self, items: list[_Item]) -> SideReading:
        labelled = [item for item in items if item.edge is not None] or items
        if len(labelled) > 1:
            return Missing(f"listed {len(labelled)} times")
        return self._item(labelled[0])

    def _item(self, item: _Item) -> SideReading:
        if not math.isclose(_seconds(item.window), self._window, abs_tol=1e-3):
            return Missing(f"wrong window: {item.window[:32] or 'none'} instead of {self._window:g}s")
        age = self._age(item.timestamp)
        if age > 2 * self._window + STALE_AFTER:
            return Missing(f"stale: {age:.0f} s old")
        return self._sample(item.metrics or ())

    def _age(self, timestamp: str | None) -> float:
        """Seconds since the server measured; 0 when either clock is unknown."""
        if not timestamp or self._now is None:
            return 0.0
        try:
            measured = datetime.fromisoformat(timestamp)
            return self._now - measured.timestamp() if measured.tzinfo else 0.0
        except (ValueError, OverflowError):
            return 0.0

    def _sample(self, metrics: tuple[_Metric, ...]) -> SideReading:
        by_name = {metric.name: metric for metric in metrics}
        if len(by_name) < len(metrics):
            return Missing("a metric is listed twice")
        success, failure = _count(by_name, "success_count"), _count(by_name, "failure_count")
        if isinstance(success, Missing):
            return success
        if isinstance(failure, Missing):
            return failure
        if success + failure <= 0:
            return NO_REQUESTS
        latency: dict[Quantile, float] = {}
        for name, quantile in _LATENCIES.items():
            seconds = self._latency(by_name.get(name))
            if seconds is not None:
                latency[quantile] = seconds
        return Sample(success, failure, latency)

    def _latency(self, metric: _Metric | None) -> float | None:
        """Seconds, or `None`: servers write 0 where they have no latency, and a huge negative number for NaN."""
        if metric is None:
            return None
        factor = self._seconds_per or _SECONDS_PER.get(metric.unit.lower())
        number = _number(metric)
        if factor is None or number is None:
            return None
        return number * factor if 0 < number * factor <= MAX_LATENCY else None


def _served(items: list[_Item]) -> list[_Item]:
    """Without what clients measured, where the server side measured the same requests."""
    measured = [item for item in items if item.edge is None or item.edge.side != "client"]
    return measured or items


def _count(metrics: dict[str, _Metric], name: str) -> float | Missing:
    if name not in metrics:
        return Missing(f"{name} is absent")
    number = _number(metrics[name])
    if number is None:
        return Missing(f"{name} is not a number")
    if number < 0:
        return Missing(f"{name} is negative")
    if number > MAX_COUNT:
        return Missing(f"{name} is beyond belief")
    return number


@lru_cache(maxsize=64)
def _seconds(window: str) -> float:
    """All items of an answer say the same; NaN for what is no duration."""
    try:
        return parse_duration(window)
    except ValueError:
        return math.nan


def _number(metric: _Metric) -> float | None:
    value = metric.value
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and len(value) <= _PLAIN:
        # Servers write integers and thousandths. As quotients of integers they are as exact, and ten times as fast.
        if value.isdigit():
            return float(value)
        if value.endswith("m") and value[:-1].isdigit():
            return int(value[:-1]) / 1000
    try:
        return float(parse_quantity(value))
    except (ValueError, OverflowError):
        return None
