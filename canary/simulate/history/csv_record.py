"""From the rows of a CSV file to the record of a release."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import isnan

from canary.core.window import Bucket, Missing, Quantile, Sample, SideReading
from canary.metrics.prometheus.counters import Span, growth
from canary.metrics.prometheus.histogram import buckets
from canary.metrics.prometheus.prometheus import Point
from canary.metrics.source import NO_REQUESTS
from canary.simulate.history.cells import Row, Table, table
from canary.simulate.history.columns import SIDES, SideColumns
from canary.simulate.history.record import Record, Stretch, Track, Tracks, rfc3339, usual_step

_ROUNDING = 1e-9


def read_csv(text: str, where: str) -> Record:
    """The record in the text of a CSV file; `where` is its name. Raises `BadFile`."""
    return record(table(text, where))


def record(rows: Table) -> Record:
    """The record of a table. Raises `BadFile`."""
    step = usual_step(row.time for row in rows.rows)
    canary, stable = (
        Track(side, tuple(_stretches(rows, rows.columns.sides[side], step)) if side in rows.columns.sides else (), step)
        for side in SIDES
    )
    place = rows.columns.weight
    weights = [(row.time, row.cells[place]) for row in rows.rows] if place is not None else []
    first, last = rows.rows[0].time, rows.rows[-1].time
    title = f"{rows.where}: {len(rows.rows)} rows from {rfc3339(first)} to {rfc3339(last)}, one each {step:g} s"
    notes = rows.notes if stable.stretches else (*rows.notes, "the file says nothing of stable")
    known = tuple((time, weight) for time, weight in weights if weight is not None and not isnan(weight))
    return Record(title, Tracks(canary, stable), weights=known, notes=notes)


def _stretches(rows: Table, side: SideColumns, step: float) -> Iterator[Stretch]:
    if not side.counters:
        since = rows.rows[0].time - step
        for row in rows.rows:
            yield Stretch(since, row.time, _counted(rows, side, row))
            since = row.time
        return
    # A row without the counters is a look that was missed: the next one shows what they grew by meanwhile.
    known = [row for row in rows.rows if row.cells[side.requests] is not None and row.cells[side.failures] is not None]
    for before, row in pairwise(known):
        yield Stretch(before.time, row.time, _grown(rows, side, before, row))


def _counted(rows: Table, side: SideColumns, row: Row) -> SideReading:
    for column in (side.requests, side.failures):
        value = row.cells[column]
        if value is None or isnan(value):
            said = "is empty" if value is None else "is NaN"
            return Missing(f"{rows.columns.names[column]} {said} in line {row.line}")
    requests, failures = row.cells[side.requests] or 0.0, row.cells[side.failures] or 0.0
    if failures > requests * (1 + _ROUNDING):
        raise rows.error(row, side.failures, f"{failures:g} failures are more than {requests:g} requests")
    return _sample(rows, side, row, requests, failures, _buckets_counted(rows, side, row))


def _buckets_counted(rows: Table, side: SideColumns, row: Row) -> tuple[Bucket, ...]:
    """The histogram of a row; empty when a cell of it is."""
    found = [(le, column, row.cells[column]) for le, column in side.buckets]
    for (_, _, below), (_, column, count) in pairwise(found):
        if below is not None and count is not None and count < below:
            raise rows.error(row, column, f"{count:g} is less than the bound before it has, {below:g}")
    return _histogram([(le, count) for le, _, count in found])


def _grown(rows: Table, side: SideColumns, before: Row, row: Row) -> SideReading:
    grown = {column: _growth(rows, column, before, row) for column in (side.requests, side.failures)}
    for value in grown.values():
        if isinstance(value, Missing):
            return value
    requests, failures = (value for value in grown.values() if not isinstance(value, Missing))
    if failures > requests * (1 + _ROUNDING):
        # A reset that hides in one of the two: nobody knows what was counted.
        return Missing(f"more failures than requests in line {row.line}")
    counts = [(le, _growth(rows, column, before, row)) for le, column in side.buckets]
    histogram = _histogram([(le, None if isinstance(count, Missing) else count) for le, count in counts])
    return _sample(rows, side, row, requests, failures, histogram)


def _growth(rows: Table, column: int, before: Row, row: Row) -> float | Missing:
    points = [Point(each.time, value) for each in (before, row) if (value := each.cells[column]) is not None]
    name = f"{rows.columns.names[column]} in line {row.line}"
    if len(points) < 2:
        return Missing(f"{name} is empty")
    return growth(name, points, Span(before.time, row.time, 0.0))


def _histogram(counts: list[tuple[float, float | None]]) -> tuple[Bucket, ...]:
    known = [(le, count) for le, count in counts if count is not None and not isnan(count)]
    if len(known) < len(counts) or not known:
        return ()
    # Without requests it still has its bounds, so that it can be added to those of other rows.
    return buckets([(repr(le), count) for le, count in known], "s") or tuple(Bucket(le, 0.0) for le, _ in known)


def _sample(
    rows: Table, side: SideColumns, row: Row, requests: float, failures: float, histogram: tuple[Bucket, ...]
) -> SideReading:
    if requests <= 0:
        return NO_REQUESTS
    latency: dict[Quantile, float] = {}
    for quantile, (column, factor) in side.quantiles.items():
        value = row.cells[column]
        if value is not None and not isnan(value) and value > 0:
            latency[quantile] = value * factor
    failures = min(failures, requests)
    return Sample(requests - failures, failures, latency, histogram)
