"""What the types of a pack cannot say: whether its patterns and expressions make sense, and whether they suffice."""

from __future__ import annotations

from collections.abc import Iterator

from canary.metrics.prometheus import pattern
from canary.metrics.prometheus.pack import End, Kind, Name, Pack, Requests, View
from canary.metrics.prometheus.pattern import BadPattern
from canary.metrics.prometheus.re2 import NotPortable, compiled


def problems(pack: Pack) -> Iterator[str]:
    """A sentence for each mistake, with the field in front."""
    yield from _requests(pack.requests)
    if pack.latency is not None and not pack.latency.metric.endswith("_bucket"):
        yield f"latency.metric: {pack.latency.metric} has no buckets: the name of a classic histogram's ends in _bucket"
    if pack.received is None and pack.edges is None:
        yield "received: one of received and edges must be there"
    if pack.received is not None:
        yield from _view(pack.received, "received")
    if pack.edges is not None:
        yield from _view(pack.edges, "edges")
        if pack.edges.source is None:
            yield "edges.source: an edge has a source"


def _requests(requests: Requests) -> Iterator[str]:
    rules = {"failure": requests.failure, "grpcFailure": requests.grpc_failure, "ignored": requests.ignored}
    for field, rule in rules.items():
        if rule is not None:
            yield from _regex(rule.regex, f"requests.{field}.regex")


def _view(view: View, where: str) -> Iterator[str]:
    yield from _end(view.destination, f"{where}.destination")
    if view.source is not None:
        yield from _end(view.source, f"{where}.source")
    for label, regex in view.where.items():
        yield from _regex(regex, f"{where}.where.{label}")


def _end(end: End, where: str) -> Iterator[str]:
    if not end.names:
        yield f"{where}.names: at least one kind must be there"
    for kind, name in end.names.items():
        problem = _name(end, kind, name)
        if problem:
            yield f"{where}.names.{kind}.pattern: {problem}"


def _name(end: End, kind: Kind, name: Name) -> str:
    try:
        pattern.check(name.pattern)
    except BadPattern as error:
        return str(error)
    inside = pattern.has_namespace(name.pattern)
    if kind == "namespace":
        return "{namespace} has no place here: {name} is the namespace" if inside else ""
    if inside and end.namespace:
        return f"the namespace is known twice, by {{namespace}} and by the label {end.namespace}"
    if not inside and not end.namespace:
        return "the namespace is known neither by {namespace} nor by a label (`namespace`)"
    return ""


def _regex(regex: str, where: str) -> Iterator[str]:
    try:
        compiled(regex)
    except NotPortable as error:
        yield f"{where}: {error}"
