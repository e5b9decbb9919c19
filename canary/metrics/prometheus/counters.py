"""What counters grew by between two scrapes, from raw samples.

PromQL's `increase()` extrapolates to the ends of its range, and what a series already had when it was born is lost to
it: the first errors of a release, often. So samples are fetched as they were scraped and differenced here.

A *target* is what one scrape reads, so that all its series have the same scrape times. A window of a target begins at
one scrape, which it does not count, and ends at the newest; when the next window begins at that one, windows tile:
nothing is counted twice, and nothing is left out, however late a scrape was stored.
Source: https://prometheus.io/docs/concepts/jobs_instances/ and
https://prometheus.io/docs/prometheus/latest/querying/functions/#increase.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf
from typing import NamedTuple, TypeAlias

from canary.core.window import Missing
from canary.metrics.prometheus.prometheus import Point

SCRAPES = 4
"""A window has at least so many scrapes: with fewer, the share that its ends cut off decides."""
MISSED = 2.5
"""So many scrape intervals without a scrape are a gap: one lost scrape is none, two are."""
LOOKBACK = 3.0
"""So many scrape intervals before a window its first scrape is looked for."""
MAX_COUNT = 1e12
"""Requests of one window beyond which a count is taken for nonsense."""

_TARGET = ("cluster", "prometheus", "job", "instance", "namespace", "pod")

Target: TypeAlias = frozenset[tuple[str, str]]


class Span(NamedTuple):
    """The scrapes of one target that a window counts: after `since`, up to `until`, unix seconds.

    `widest` is the longest time between two of them. `fresh` are the scrapes that show none of the series of the scrape
    before: what was new then need not have begun at 0.
    """

    since: float
    until: float
    widest: float
    fresh: frozenset[float] = frozenset()


def target_of(labels: Mapping[str, str], counted: frozenset[str]) -> Target:
    """What a series was scraped from: its job and instance, told apart by pod and server where it names them.

    A series without an instance was made by a rule or a relay; its target is all its labels but the `counted` ones, by
    which a pack tells success from failure.
    """
    if "instance" in labels:
        return frozenset([(name, labels[name]) for name in _TARGET if name in labels])
    return frozenset([label for label in labels.items() if label[0] not in counted])


def spans(
    scraped: Iterable[tuple[Target, Sequence[Point]]], start: float, scrape: float, counted: Mapping[Target, float]
) -> dict[Target, Span]:
    """Which scrapes of each target belong to a window that begins at unix seconds `start`.

    It begins with the scrape up to which an earlier window has `counted`, when that one is near `start`, else with the
    last scrape at or before `start`. A target that had none by then begins with its first.
    """
    by_target: dict[Target, list[Sequence[Point]]] = {}
    for target, points in scraped:
        if points:
            by_target.setdefault(target, []).append(points)
    found = {}
    for target, series in by_target.items():
        ordered = sorted({point[0] for points in series for point in points})
        mark = counted.get(target, start)
        near = start - LOOKBACK * scrape <= mark <= start + scrape
        first = max(0, bisect_right(ordered, mark if near else start) - 1)
        widest = max([later - earlier for earlier, later in pairwise(ordered[first:])], default=0.0)
        found[target] = Span(ordered[first], ordered[-1], widest, _fresh(series))
    return found


def _fresh(series: Iterable[Sequence[Point]]) -> frozenset[float]:
    """Where a target begins, or begins anew under other labels, as when somebody changes the relabelling."""
    found, reached = [], -inf
    for begin, end in sorted((points[0][0], points[-1][0]) for points in series):
        if begin > reached:
            found.append(begin)
        reached = max(reached, end)
    return frozenset(found)


def growth(metric: str, points: Sequence[Point], span: Span) -> float | Missing:
    """What one series, oldest sample first, grew by in the span of its target.

    A fall is a reset: the counter began again at 0. So did a series that was born in the span, for its target had been
    scraped without it before, unless nothing of the target is older. What cannot be a counter is a `Missing` that names
    `metric`.
    """
    before = points[0][1] if points[0][0] in span.fresh else 0.0
    grown, last = 0.0, -inf
    for time, value in points:
        if not 0.0 <= value < inf or time <= last:
            return _nonsense(metric, value)
        if time > span.since:
            grown += value - before if value >= before else value
        before, last = value, time
    return grown if grown <= MAX_COUNT else Missing(f"{metric} grew beyond belief")


def _nonsense(metric: str, value: float) -> Missing:
    if value != value:
        return Missing(f"{metric} is NaN")
    if value < 0:
        return Missing(f"{metric} is negative")
    if value == inf:
        return Missing(f"{metric} is infinite")
    return Missing(f"the samples of {metric} are not in order")


def unusable(newest: float, widest: float, now: float, scrape: float) -> Missing | None:
    """Why the scrapes of one workload cannot be trusted at unix seconds `now`; `None` when they can."""
    if now - newest > MISSED * scrape:
        return Missing(f"stale: the newest sample is {now - newest:.0f} s old, with a scrape each {scrape:g} s")
    if widest > MISSED * scrape:
        return Missing(f"gap: no scrape for {widest:.0f} s, instead of one each {scrape:g} s")
    return None
