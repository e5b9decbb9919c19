"""The queries that answer a question about one mesh: at most five, however many workloads there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from canary.core.window import Quantile
from canary.metrics.prometheus import promql
from canary.metrics.prometheus.ends import Narrowed, Selection, selection
from canary.metrics.prometheus.pack import Pack, View
from canary.metrics.prometheus.promql import NoLabelValue, PromQL
from canary.metrics.prometheus.question import Question, Unanswerable, Workload

QUANTILES: Mapping[Quantile, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Queries:
    """`counts` has a series for each pair of ends and outcome, the others one for each pair.

    `latency` is in the unit of the pack's histogram, and empty without one; `newest` is in unix seconds.
    """

    counts: PromQL
    latency: Mapping[Quantile, PromQL]
    newest: PromQL
    destination: Selection
    source: Selection | None

    def pair(self, labels: Mapping[str, str]) -> tuple[Workload, Workload | None] | None:
        """Whose numbers a series has: of the destination, and sent by the source where edges are asked for."""
        destination = self.destination.workload(labels)
        if destination is None:
            return None
        if self.source is None:
            return destination, None
        source = self.source.workload(labels)
        return None if source is None else (destination, source)


def queries(pack: Pack, question: Question) -> Queries:
    """Raises `Unanswerable`."""
    if question.seconds < 1:
        raise Unanswerable(f"a window of {question.seconds} s has no numbers: ask for at least one second")
    view = _view(pack, question)
    try:
        destination = selection(
            view.destination, Narrowed(question.kind, question.namespace, question.names), "destination"
        )
        return _written(pack, view, question.seconds, destination, _source(pack, view, question))
    except NoLabelValue as error:
        raise Unanswerable(f"nothing has such a name: {error}") from error


def _view(pack: Pack, question: Question) -> View:
    if not question.edges:
        if question.peers or question.peer_namespace or question.peer_kind:
            raise Unanswerable("who sends the requests is a question about edges")
        view = pack.view(question.kind)
        if view is None:
            raise Unanswerable(
                f"{pack.title} does not measure what a {question.kind} receives; it does for {', '.join(pack.kinds)}"
            )
        return view
    if pack.edges is None:
        raise Unanswerable(f"{pack.title} does not say who sends the requests")
    if question.kind not in pack.edges.destination.names:
        known = ", ".join(sorted(pack.edges.destination.names))
        raise Unanswerable(f"{pack.title} does not measure what is sent to a {question.kind}; it does for {known}")
    return pack.edges


def _source(pack: Pack, view: View, question: Question) -> Selection | None:
    if not question.edges or view.source is None:
        return None
    kind = question.peer_kind or question.kind
    if kind not in view.source.names:
        known = ", ".join(sorted(view.source.names))
        raise Unanswerable(f"{pack.title} does not measure what a {kind} sends; it does for {known}")
    return selection(view.source, Narrowed(kind, question.peer_namespace, question.peers), "source")


def _written(pack: Pack, view: View, seconds: int, destination: Selection, source: Selection | None) -> Queries:
    ends = [destination] if source is None else [destination, source]
    matchers = [promql.matching(label, regex) for label, regex in view.where.items()]
    matchers += [matcher for end in ends for matcher in end.matchers]
    matchers = list(dict.fromkeys(matchers))
    by = [label for end in ends for label in end.by]

    def grown(metric: str) -> PromQL:
        return prepared(promql.increase(promql.selector(metric, matchers, seconds)))

    def prepared(vector: PromQL) -> PromQL:
        for end in ends:
            vector = end.prepared(vector)
        return vector

    latency: dict[Quantile, PromQL] = {}
    if pack.latency is not None:
        buckets = promql.sum_by(_distinct(["le", *by]), grown(pack.latency.metric))
        latency = {name: promql.histogram_quantile(value, buckets) for name, value in QUANTILES.items()}
    newest = prepared(promql.timestamp(promql.selector(pack.requests.metric, matchers)))
    return Queries(
        counts=promql.sum_by(_distinct([*by, *pack.requests.labels]), grown(pack.requests.metric)),
        latency=latency,
        newest=promql.max_by(_distinct(by), newest),
        destination=destination,
        source=source,
    )


def _distinct(labels: list[str]) -> list[str]:
    return list(dict.fromkeys(labels))
