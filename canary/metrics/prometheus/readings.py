"""From the series of one answer to what each workload answered in a window."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from canary.core.window import Bucket, Missing, Sample, SideReading
from canary.metrics.prometheus.counters import Span, Target, growth, unusable
from canary.metrics.prometheus.histogram import buckets, quantiles
from canary.metrics.prometheus.pack import Latency, Outcome, Requests
from canary.metrics.prometheus.prometheus import Series
from canary.metrics.source import NO_REQUESTS, SourceError

Named = Callable[[Mapping[str, str]], str]


@dataclass(slots=True)
class Tally:
    """The sum of the series of one workload. Times are unix seconds; see `Span`."""

    count: dict[Outcome, float] = field(default_factory=lambda: {"success": 0.0, "failure": 0.0})
    newest: float = 0.0
    widest: float = 0.0
    since: float = inf
    missing: Missing | None = None

    def saw(self, newest: float, span: Span) -> None:
        self.newest, self.widest = max(self.newest, newest), max(self.widest, span.widest)
        self.since = min(self.since, span.since)

    def add(self, outcome: Outcome, grown: float | Missing) -> None:
        if isinstance(grown, Missing):
            self.missing = grown
        else:
            self.count[outcome] += grown

    def reading(self, histogram: tuple[Bucket, ...], now: float, scrape: float) -> SideReading:
        """At unix seconds `now`, with a scrape each `scrape` seconds."""
        missing = self.missing or unusable(self.newest, self.widest, now, scrape)
        if missing is not None:
            return missing
        success, failure = self.count["success"], self.count["failure"]
        return Sample(success, failure, quantiles(histogram), histogram) if success + failure > 0 else NO_REQUESTS


def tallies(
    scraped: Iterable[tuple[Target, Series]], spans: Mapping[Target, Span], requests: Requests, named: Named
) -> dict[str, Tally]:
    """By name, for every workload that has a series, whether or not it counts requests."""
    found: dict[str, Tally] = {}
    for target, (labels, points) in scraped:
        name = named(labels)
        if not name or not points:
            continue
        tally = found.setdefault(name, Tally())
        span = spans[target]
        tally.saw(points[-1].time, span)
        outcome = requests.outcome(labels)
        if outcome is not None:
            tally.add(outcome, growth(requests.metric, points, span))
    return found


def histograms(timed: Iterable[Series], latency: Latency, named: Named) -> dict[str, tuple[Bucket, ...]]:
    """By name. Raises `SourceError` for samples over time, where one of each bucket was asked for."""
    counts: dict[str, list[tuple[str, float]]] = {}
    for labels, points in timed:
        if len(points) != 1:
            raise SourceError(f"Prometheus answered {len(points)} samples of a bucket, where one was asked for")
        name = named(labels)
        if name:
            counts.setdefault(name, []).append((labels.get("le", ""), points[0].value))
    return {name: buckets(found, latency.unit) for name, found in counts.items()}
