"""Numbers of a window as Prometheus aggregates them: counts by `increase`, latencies by `histogram_quantile`."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from typing import TypeAlias

from canary.core.window import Quantile
from canary.metrics.prometheus.pack import Outcome, Pack
from canary.metrics.prometheus.prometheus import Prometheus, PrometheusError, Result, Series
from canary.metrics.prometheus.promql import PromQL
from canary.metrics.prometheus.queries import Queries, queries
from canary.metrics.prometheus.question import Measured, Question, Workload

_Pair: TypeAlias = tuple[Workload, Workload | None]
_Counts: TypeAlias = dict[_Pair, dict[Outcome, float]]


async def measure(prometheus: Prometheus, pack: Pack, question: Question, *, timeout: float) -> list[Measured]:
    """What each workload (or, for edges, each pair) answered in the window that ends now, by Prometheus' clock.

    At most five queries, all evaluated at the same moment. A workload without requests is left out, as is one whose
    counts are no numbers; a latency that is none is unknown. Where no scrape is fresh enough to tell when it was, `at`
    is the window's start. Raises `PrometheusError`, after `timeout` seconds at the latest, and `Unanswerable`.
    """
    asked = queries(pack, question)
    try:
        async with asyncio.timeout(timeout):
            counted = await prometheus.query(asked.counts, timeout=timeout)
            counts, at = _counts(asked, pack, counted), _evaluated(counted)
            if not counts:
                return []
            more = [asked.newest, *asked.latency.values()]
            newest, *latency = await _together(prometheus, more, timeout=timeout, at=at)
    except TimeoutError as error:
        raise PrometheusError(f"Prometheus did not answer within {timeout:g} s") from error
    seconds = 1.0 if pack.latency is None else pack.latency.seconds
    quantiles = {name: _values(asked, result) for name, result in zip(asked.latency, latency, strict=True)}
    scraped = _values(asked, newest)
    return [
        Measured(
            pair[0],
            count["success"],
            count["failure"],
            _latency(pair, quantiles, seconds),
            scraped.get(pair, at - question.seconds),
            pair[1],
        )
        for pair, count in counts.items()
    ]


async def _together(prometheus: Prometheus, asked: list[PromQL], *, timeout: float, at: float) -> list[Result]:
    """The first failure ends all."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(prometheus.query(query, timeout=timeout, time=at)) for query in asked]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def _only(series: Series) -> float:
    if len(series.points) != 1:
        raise PrometheusError("Prometheus answered many samples of a series where one was asked for")
    return series.points[0].value


def _evaluated(result: Result) -> float:
    """When an instant query was evaluated: each of its samples says so. 0 for an empty answer."""
    return next((point.time for series in result.series for point in series.points), 0.0)


def _counts(asked: Queries, pack: Pack, result: Result) -> _Counts:
    """The counts of those who received requests."""
    counts: _Counts = {}
    for series in result.series:
        pair, outcome = asked.pair(series.labels), pack.requests.outcome(series.labels)
        if pair is not None and outcome is not None:
            count = counts.setdefault(pair, {"success": 0.0, "failure": 0.0})
            count[outcome] += _only(series)
    return {pair: count for pair, count in counts.items() if _is_usable(count)}


def _is_usable(count: Mapping[Outcome, float]) -> bool:
    """One that cannot be used makes both useless: the other would be taken for all."""
    return all(math.isfinite(value) and value >= 0 for value in count.values()) and sum(count.values()) > 0


def _values(asked: Queries, result: Result) -> dict[_Pair, float]:
    return dict(_usable(asked, result))


def _usable(asked: Queries, result: Result) -> Iterator[tuple[_Pair, float]]:
    for series in result.series:
        pair, value = asked.pair(series.labels), _only(series)
        if pair is not None and math.isfinite(value) and value >= 0:
            yield pair, value


def _latency(pair: _Pair, quantiles: Mapping[Quantile, Mapping[_Pair, float]], seconds: float) -> dict[Quantile, float]:
    return {name: values[pair] * seconds for name, values in quantiles.items() if pair in values}
