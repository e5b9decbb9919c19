"""What a reader of raw samples asks of Prometheus: two queries for all workloads of one kind in a namespace."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from canary.core.window import Peer
from canary.metrics.prometheus import pattern, promql
from canary.metrics.prometheus.counters import LOOKBACK
from canary.metrics.prometheus.ends import Narrowed, selection
from canary.metrics.prometheus.pack import End, Kind, Pack, View
from canary.metrics.prometheus.promql import Matcher, NoLabelValue, PromQL
from canary.metrics.prometheus.question import Unanswerable
from canary.metrics.source import Asked, SourceError

MAX_NAMES = 100
"""So many names are asked for one by one; of more, all that the namespace has are read."""
DATE = 1.0
"""The `Date` of an answer has whole seconds: it may have been sent so much later."""


class Samples(NamedTuple):
    """`counts` answers samples as they were scraped, longer ago than the window; `buckets`, empty for a pack without
    latency, how much each bucket of a workload's histogram grew. `name` reads in the labels of both whose they are, and
    `matchers` chose the series.
    """

    counts: PromQL
    buckets: PromQL | None
    name: Callable[[Mapping[str, str]], str]
    matchers: tuple[Matcher, ...] = ()


def samples(pack: Pack, asked: Asked, scrape: float) -> Samples:
    """With a scrape each `scrape` seconds. Raises `SourceError` when the pack has no such numbers."""
    view = _sent(pack, asked.kind, asked.peer) if asked.peer else _received(pack, asked.kind)
    kind = _known(asked.kind, view.destination.names, f"{pack.title} does not measure what a", "receives")
    wanted = Narrowed(kind, asked.namespace, tuple(sorted(asked.names)) if len(asked.names) <= MAX_NAMES else ())
    try:
        found = [selection(view.destination, wanted, "destination")]
        if asked.peer and view.source:
            found.append(selection(view.source, _peer(pack, view.source, asked.namespace, asked.peer), "source"))
        matchers = [promql.matching(label, regex) for label, regex in view.where.items()]
        matchers = list(dict.fromkeys([*matchers, *(matcher for end in found for matcher in end.matchers)]))
    except (NoLabelValue, Unanswerable) as error:
        raise SourceError(f"nothing can be asked of Prometheus: {error}") from error
    seconds = math.ceil(asked.seconds + LOOKBACK * scrape + DATE)
    counts = promql.selector(pack.requests.metric, matchers, seconds)
    buckets = None
    if pack.latency is not None:
        grown = promql.increase(promql.selector(pack.latency.metric, matchers, asked.seconds))
        buckets = promql.sum_by(["le", view.destination.names[kind].label], grown)
    return Samples(counts, buckets, _name(view.destination, wanted), tuple(matchers))


def _received(pack: Pack, kind: str) -> View:
    """What servers measured, else what clients did."""
    views = [view for view in (pack.received, pack.edges) if view is not None]
    known = sorted({name for view in views for name in view.destination.names})
    wanted = _known(kind, dict.fromkeys(known), f"{pack.title} does not measure what a", "receives")
    return next(view for view in views if wanted in view.destination.names)


def _sent(pack: Pack, kind: str, peer: Peer) -> View:
    if pack.edges is None or pack.edges.source is None:
        raise SourceError(f"{pack.title} does not say who sends requests, so not what {peer.kind} {peer.name} sees")
    return pack.edges


def _peer(pack: Pack, source: End, namespace: str, peer: Peer) -> Narrowed:
    return Narrowed(
        _known(peer.kind, source.names, f"{pack.title} does not measure what a", "sends"), namespace, (peer.name,)
    )


def _known(kind: str, names: Mapping[Kind, object], words: str, verb: str) -> Kind:
    """The pack's own word for a kind. Raises `SourceError`."""
    found = next((name for name in names if name == kind.casefold()), None)
    if found is None:
        raise SourceError(f"{words} {kind} {verb}; it knows {', '.join(sorted(names))}")
    return found


def _name(end: End, wanted: Narrowed) -> Callable[[Mapping[str, str]], str]:
    """Reads the name of a workload in labels; empty when they name none of those that are wanted."""
    name = end.names[wanted.kind]
    if name.pattern == pattern.WHOLE:
        return lambda labels: labels.get(name.label, "")
    longest_first = sorted(wanted.names, key=len, reverse=True)
    regex = re.compile(pattern.regex(name.pattern, namespace=wanted.namespace, names=longest_first), re.ASCII)
    group = pattern.groups(name.pattern)["name"]

    def read(labels: Mapping[str, str]) -> str:
        match = regex.fullmatch(labels.get(name.label, ""))
        return match[group] if match else ""

    return read
