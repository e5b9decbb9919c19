"""From raw samples of Prometheus to what each side answered between two scrapes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from statistics import median_low
from typing import NamedTuple

from canary.core.window import Bucket, Missing, Sample, SideReading
from canary.metrics.prometheus.counters import Span, Target, growth, spans, target_of
from canary.metrics.prometheus.histogram import buckets
from canary.metrics.prometheus.pack import Outcome, Pack
from canary.metrics.prometheus.prometheus import Point, Series
from canary.metrics.source import NO_REQUESTS
from canary.simulate.history.record import Stretch, Track, Tracks
from canary.simulate.history.whose import Whose

DEFAULT_STEP = 15.0
"""Seconds between two scrapes where the samples do not tell."""


class Scraped(NamedTuple):
    """Series with all their samples; `name` reads in labels whose they are, empty for nobody's."""

    counts: Sequence[Series]
    buckets: Sequence[Series]
    name: Callable[[Mapping[str, str]], str]


@dataclass
class _Look:
    """What one side of one target grew by between two scrapes."""

    count: dict[Outcome, float] = field(default_factory=lambda: {"success": 0.0, "failure": 0.0})
    slower: dict[str, float] = field(default_factory=dict)
    since: float = inf
    missing: Missing | None = None
    untimed: bool = False


@dataclass
class _Target:
    """One target: when it was scraped, and what each side showed at which scrape."""

    times: list[float]
    fresh: frozenset[float]
    looks: dict[str, dict[float, _Look]] = field(default_factory=dict)

    def before(self) -> dict[float, float]:
        """The scrape before each scrape."""
        return {later: earlier for earlier, later in pairwise(self.times)}


def tracks(scraped: Scraped, pack: Pack, whose: Whose) -> tuple[Tracks, float]:
    """Both sides, and how many seconds are usually between two scrapes."""
    counted = frozenset((*pack.requests.labels, "le", "__name__"))
    side_of = dict.fromkeys(whose.stable, "stable") | dict.fromkeys(whose.canary, "canary")
    targets = _targets(scraped.counts, counted)
    for labels, points in scraped.counts:
        side, outcome = side_of.get(scraped.name(labels)), pack.requests.outcome(labels)
        if side is not None and outcome is not None and points:
            _count(targets[_target(labels, counted)], side, outcome, pack.requests.metric, points)
    for labels, points in scraped.buckets:
        side, target = side_of.get(scraped.name(labels)), targets.get(_target(labels, counted))
        if side is not None and target is not None and points:
            _time(target, side, labels.get("le", ""), points)
    step = _step(targets.values())
    unit = pack.latency.unit if pack.latency else "s"
    canary, stable = (
        Track(side, tuple(sorted(_stretches(targets, side, unit), key=lambda found: found.until)), step)
        for side in ("canary", "stable")
    )
    return Tracks(canary, stable), step


def _target(labels: Mapping[str, str], counted: frozenset[str]) -> Target:
    return target_of({name: value for name, value in labels.items() if name not in ("le", "__name__")}, counted)


def _targets(series: Sequence[Series], counted: frozenset[str]) -> dict[Target, _Target]:
    scraped = [(_target(one.labels, counted), one.points) for one in series]
    found = spans(scraped, -inf, 0.0, {})
    times: dict[Target, set[float]] = {}
    for target, points in scraped:
        times.setdefault(target, set()).update(point.time for point in points)
    return {target: _Target(sorted(times[target]), span.fresh) for target, span in found.items()}


def _step(targets: Iterable[_Target]) -> float:
    gaps = [later - earlier for target in targets for earlier, later in pairwise(target.times)]
    return round(median_low(gaps), 1) if gaps else DEFAULT_STEP


def _grown(target: _Target, metric: str, points: Sequence[Point]) -> Iterator[tuple[float, float, float | Missing]]:
    """For each scrape but the target's first: since when, until when, and by how much a series grew."""
    before = target.before()
    first = points[0]
    if first.time in before:
        born = Span(before[first.time], first.time, 0.0, target.fresh)
        yield born.since, first.time, growth(metric, [first], born)
    for earlier, later in pairwise(points):
        yield earlier.time, later.time, growth(metric, [earlier, later], Span(earlier.time, later.time, 0.0))


def _count(target: _Target, side: str, outcome: Outcome, metric: str, points: Sequence[Point]) -> None:
    looks = target.looks.setdefault(side, {})
    for since, until, grown in _grown(target, metric, points):
        look = looks.setdefault(until, _Look())
        look.since = min(look.since, since)
        if isinstance(grown, Missing):
            look.missing = grown
        else:
            look.count[outcome] += grown


def _time(target: _Target, side: str, le: str, points: Sequence[Point]) -> None:
    looks = target.looks.get(side, {})
    for _, until, grown in _grown(target, "a bucket", points):
        look = looks.get(until)
        if look is None:
            continue
        if isinstance(grown, Missing):
            look.untimed = True
        else:
            look.slower[le] = look.slower.get(le, 0.0) + grown


def _stretches(targets: Mapping[Target, _Target], side: str, unit: str) -> Iterator[Stretch]:
    bounds = {le for target in targets.values() for look in target.looks.get(side, {}).values() for le in look.slower}
    for target in targets.values():
        for until, look in target.looks.get(side, {}).items():
            yield Stretch(look.since, until, _reading(look, bounds, unit))


def _reading(look: _Look, bounds: set[str], unit: str) -> SideReading:
    if look.missing is not None:
        return look.missing
    success, failure = look.count["success"], look.count["failure"]
    if success + failure <= 0:
        return NO_REQUESTS
    return Sample(success, failure, {}, () if look.untimed else _histogram(look.slower, bounds, unit))


def _histogram(slower: Mapping[str, float], bounds: set[str], unit: str) -> tuple[Bucket, ...]:
    """With every bound that the side has anywhere, so that the histograms of all its scrapes can be added."""
    if not bounds:
        return ()
    counts = [(le, slower.get(le, 0.0)) for le in bounds]
    if found := buckets(counts, "ms" if unit == "ms" else "s"):
        return found
    factor = 1e-3 if unit == "ms" else 1.0
    known = sorted(float(le) for le in bounds)
    return tuple(Bucket(le * factor, 0.0) for le in known)
