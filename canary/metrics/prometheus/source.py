"""Prometheus as the source of a Canary's numbers."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from canary.api.duration import format_duration
from canary.core.window import Peer, Sample, SideReading
from canary.kube.clock import Clock
from canary.metrics.prometheus.counters import SCRAPES, Target, spans, target_of
from canary.metrics.prometheus.pack import Pack
from canary.metrics.prometheus.prometheus import Prometheus, PrometheusError, Result
from canary.metrics.prometheus.readings import histograms, tallies
from canary.metrics.prometheus.samples import DATE, Samples, samples
from canary.metrics.source import Answer, Asked, Series, SourceError, series_of

SKEW = 2.0
"""Seconds by which a sample may be younger than the answer that it came in."""


class _Key(NamedTuple):
    """Which windows follow each other: those of the same question, whatever the names."""

    namespace: str
    kind: str
    seconds: int
    peer: Peer | None


class _Marks(NamedTuple):
    """Up to which scrape of each target the window that was read at `now` has counted; all unix seconds."""

    now: float
    counted: dict[Target, float]


class PrometheusSource:
    """Reads the metrics of the mesh that `pack` describes, which Prometheus scrapes each `scrape` seconds.

    Time is Prometheus' own: the `Date` of its answer, or, where a proxy in between drops that, the time of `clock`.

    *Windows tile.* A window ends at the newest scrape of each target. The next one that this source reads for the same
    namespace, kind, seconds and peer begins there, if that is near where it was asked to begin: at most three scrapes
    before, or one after. So when reads follow each other at the length of their window, each increase between two
    scrapes is in exactly one window. It is in none when it was never scraped (what a pod counted between its last
    scrape and its end, or before its first), or when the read that would have had it failed. Replicas of Prometheus
    behind one address scrape at different moments: where their answers alternate, one scrape interval may count twice.
    """

    def __init__(self, prometheus: Prometheus, pack: Pack, *, scrape: float, clock: Clock) -> None:
        self._prometheus = prometheus
        self._pack = pack
        self._scrape = scrape
        self._clock = clock
        self._marks: dict[_Key, _Marks] = {}

    async def read(self, asked: Asked, *, timeout: float) -> Answer:
        """At most two queries, none of them repeated. Raises `SourceError`, after `timeout` seconds at the latest.

        The answer's `reach` is how long before the asked window the scrape was with which the counting began: a scrape
        interval, two when one was missed, and the second that a `Date` may be late.
        """
        if asked.seconds < SCRAPES * self._scrape:
            raise SourceError(
                f"a window of {asked.seconds} s is shorter than {SCRAPES} scrapes of {self._scrape:g} s: "
                f"analysis.interval must be at least {format_duration(SCRAPES * self._scrape)}"
            )
        wanted = samples(self._pack, asked, self._scrape)
        try:
            # The client's timeout may start anew with each query; this one does not.
            async with asyncio.timeout(timeout):
                counts = _whole(await self._prometheus.query(wanted.counts, timeout=timeout))
                now = self._time(counts)
                timed = Result(())
                if wanted.buckets is not None and counts.series:
                    timed = _whole(await self._prometheus.query(wanted.buckets, timeout=timeout, time=now))
        except TimeoutError as error:
            raise SourceError(f"Prometheus did not answer within {format_duration(timeout)}") from error
        except PrometheusError as error:
            raise SourceError(str(error)) from error
        return self._answer(asked, wanted, counts, timed, now)

    def _time(self, counts: Result) -> float:
        now = (counts.served_at or self._clock.now()).timestamp()
        newest = max((series.points[-1].time for series in counts.series if series.points), default=now)
        if newest - now > SKEW:
            whose = "the Date of its answer" if counts.served_at else "the clock of this process"
            raise SourceError(
                f"{whose} is {newest - now:.0f} s behind the newest sample of Prometheus: one of the clocks is wrong"
            )
        return now

    def _answer(self, asked: Asked, wanted: Samples, counts: Result, timed: Result, now: float) -> Answer:
        key = _Key(asked.namespace, asked.kind.casefold(), asked.seconds, asked.peer)
        counted = frozenset(self._pack.requests.labels)
        scraped = [(target_of(series.labels, counted), series) for series in counts.series]
        start = now - asked.seconds
        before = self._marks[key].counted if key in self._marks else {}
        found = spans(((target, series.points) for target, series in scraped), start, self._scrape, before)
        latency = self._pack.latency
        by_name = histograms(timed.series, latency, wanted.name) if latency else {}

        readings: dict[Series, SideReading] = {}
        since = start
        for name, tally in tallies(scraped, found, self._pack.requests, wanted.name).items():
            reading = tally.reading(by_name.get(name, ()), now, self._scrape)
            readings[series_of(asked.kind, asked.namespace, name)] = reading
            if isinstance(reading, Sample):
                since = min(since, tally.since)
        self._remember(key, _Marks(now, {target: span.until for target, span in found.items()}))
        return Answer(readings, start - since + DATE)

    def _remember(self, key: _Key, marks: _Marks) -> None:
        self._marks[key] = marks
        for other in [k for k, m in self._marks.items() if marks.now - m.now > 2 * k.seconds]:
            del self._marks[other]


def _whole(result: Result) -> Result:
    """Raises `SourceError` for an answer that may lack a part, as with remote storage; a rule of style is no lack."""
    lacking = [words for words in result.warnings if not words.startswith("PromQL info")]
    if lacking:
        raise SourceError(f"Prometheus warns that its answer may not be whole: {lacking[0]}")
    return result
