"""Fetches what Prometheus has stored of a time that is over: raw samples, in as many queries as it takes.

A range vector at a moment of the past has the samples as they were scraped. A range query would have values at its own
steps, each repeated until the next scrape, and at most 11,000 of them per series.
Source: https://prometheus.io/docs/prometheus/latest/querying/basics/#range-vector-selectors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from canary.core.window import Peer
from canary.kube.errors import Ambiguous
from canary.metrics.prometheus import promql
from canary.metrics.prometheus.counters import SCRAPES
from canary.metrics.prometheus.pack import Pack
from canary.metrics.prometheus.prometheus import Point, Prometheus, PrometheusError, Result, Series
from canary.metrics.prometheus.promql import Matcher
from canary.metrics.prometheus.samples import samples
from canary.metrics.source import Asked, SourceError
from canary.simulate.history.record import HistoryError, Record, Tracks, clock, rfc3339
from canary.simulate.history.scraped import Scraped, tracks
from canary.simulate.history.whose import Whose

CHUNK = 1800.0
"""Seconds of samples in one query; less where Prometheus cannot give so many at once."""
LEAST = 60.0
"""Seconds that one query asks for at least."""
BEFORE = 120.0
"""Seconds before a time in which a scrape is looked for, from which on its first requests are counted."""
LONGEST = 31 * 86400.0
"""Seconds that are read at most."""
TIMEOUT = 30.0


async def read_prometheus(
    prometheus: Prometheus, pack: Pack, whose: Whose, start: float, end: float, *, timed: bool, peers: Iterable[Peer]
) -> Record:
    """What both sides answered from `start` to `end`, Unix seconds; the histograms too where they are `timed`.

    Raises `HistoryError`.
    """
    if end - start > LONGEST:
        raise HistoryError(f"{(end - start) / 86400:.1f} days are too long: read at most {LONGEST / 86400:.0f} days")
    fetching = _Fetching(prometheus, pack, whose, start, end, timed)
    try:
        whole, step = tracks(await fetching.scraped(None), pack, whose)
        edges = {peer: tracks(await fetching.scraped(peer), pack, whose)[0] for peer in peers}
    except (PrometheusError, SourceError) as error:
        raise HistoryError(str(error)) from error
    _refuse_empty(whole, pack, whose, start, end)
    title = f"{pack.title} in Prometheus from {rfc3339(start)} to {rfc3339(end)}, scraped each {step:g} s"
    silent = [peer for peer, found in edges.items() if not found.canary.stretches]
    unseen = [f"no request of {peer.kind} {peer.name} was recorded" for peer in silent]
    if not whole.stable.stretches:
        unseen.append(f"nothing was recorded of stable: no {whose.kind} {', '.join(whose.stable)}")
    return Record(title, whole, edges, notes=tuple(unseen), looks=SCRAPES).cut(start, end)


def _refuse_empty(whole: Tracks, pack: Pack, whose: Whose, start: float, end: float) -> None:
    if not whole.canary.stretches:
        names = ", ".join(whose.canary)
        raise HistoryError(
            f"nothing was found for canary {whose.kind} {names} in namespace {whose.namespace} between "
            f"{rfc3339(start)} and {rfc3339(end)}: check --pack ({pack.name}), the names, and how long Prometheus "
            "keeps its samples"
        )


class _Fetching:
    def __init__(self, prometheus: Prometheus, pack: Pack, whose: Whose, start: float, end: float, timed: bool) -> None:
        self._prometheus = prometheus
        self._pack = pack
        self._whose = whose
        self._start, self._end = start, end
        self._timed = timed
        self._chunk = CHUNK

    async def scraped(self, peer: Peer | None) -> Scraped:
        whose = self._whose
        wanted = samples(self._pack, Asked(whose.namespace, whose.kind, 1, whose.names, peer), 0.0)
        latency = self._pack.latency if self._timed else None
        counts = await self._series(self._pack.requests.metric, wanted.matchers)
        buckets = await self._series(latency.metric, wanted.matchers) if latency is not None and counts else []
        return Scraped(counts, buckets, wanted.name)

    async def _series(self, metric: str, matchers: Sequence[Matcher]) -> list[Series]:
        """Every series of the metric, with all its samples of the whole time."""
        found: dict[frozenset[tuple[str, str]], list[Point]] = {}
        begin = self._start - BEFORE
        while begin < self._end:
            end = min(begin + self._chunk, self._end)
            answer = await self._query(metric, matchers, begin, end)
            if answer is None:
                self._chunk = (end - begin) / 2
                continue
            for labels, points in answer.series:
                kept = found.setdefault(frozenset(labels.items()), [])
                # The end of one query may be the begin of the next.
                kept += [point for point in points if point.time > (kept[-1].time if kept else -math.inf)]
            begin = end
        return [Series(dict(labels), points) for labels, points in found.items()]

    async def _query(self, metric: str, matchers: Sequence[Matcher], begin: float, end: float) -> Result | None:
        """The samples of a while; `None` when these are too many for one answer, and fewer may not be."""
        asked = promql.selector(metric, matchers, math.ceil(end - begin))
        try:
            answer = await self._prometheus.query(asked, timeout=TIMEOUT, time=end)
        except PrometheusError as error:
            # 422: more samples than the server loads for a query. Ambiguous: the answer was too long, or came too late.
            too_many = error.code == 422 or isinstance(error.__cause__, Ambiguous)
            if too_many and (end - begin) / 2 >= LEAST:
                return None
            raise HistoryError(f"{error} (asked for the samples up to {clock(end)})") from error
        lacking = [words for words in answer.warnings if not words.startswith("PromQL info")]
        if lacking:
            raise HistoryError(f"Prometheus warns that its answer may not be whole: {lacking[0]}")
        return answer
