"""How one end of some traffic is found in the labels of series, and narrowed to what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from canary.metrics.prometheus import pattern, promql
from canary.metrics.prometheus.pack import End, Kind, Name
from canary.metrics.prometheus.promql import Matcher, PromQL
from canary.metrics.prometheus.question import Unanswerable, Workload


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Objects of one kind: of a namespace (empty: of all), and of some names (none: whatever their name)."""

    kind: Kind
    namespace: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a query does for one end: `matchers` choose the series, `prepared` gives them the labels `by`.

    `workload` reads those labels; `None` when the series does not say who it was.
    """

    matchers: tuple[Matcher, ...]
    by: tuple[str, ...]
    prepared: Callable[[PromQL], PromQL]
    workload: Callable[[Mapping[str, str]], Workload | None]


def selection(end: End, wanted: Narrowed, role: str) -> Selection:
    """For an end in the role of `destination` or `source`; the end knows the kind. Raises `Unanswerable`."""
    name = end.names[wanted.kind]
    if name.pattern == pattern.WHOLE:
        return _by_label(end, name, wanted)
    return _by_pattern(end, name, wanted, role)


def _by_label(end: End, name: Name, wanted: Narrowed) -> Selection:
    namespace = "" if wanted.kind == "namespace" else end.namespace
    matchers = _named(name.label, wanted.names, end) + _in_namespace(namespace or name.label, wanted, end)

    def workload(labels: Mapping[str, str]) -> Workload | None:
        return _workload(wanted.kind, labels.get(namespace, ""), labels.get(name.label, ""))

    by = tuple(dict.fromkeys(filter(None, (namespace, name.label))))
    return Selection(tuple(dict.fromkeys(matchers)), by, lambda vector: vector, workload)


def _by_pattern(end: End, name: Name, wanted: Narrowed, role: str) -> Selection:
    if pattern.is_ambiguous(name.pattern) and not wanted.namespace:
        raise Unanswerable(
            f"{wanted.kind}s of all namespaces cannot be told apart where {name.label} is {name.pattern}: name one"
        )
    regex = pattern.regex(name.pattern, namespace=wanted.namespace, names=sorted(wanted.names, key=len, reverse=True))
    groups = pattern.groups(name.pattern)
    if wanted.namespace:
        groups.pop("namespace", None)  # nothing has to be found out
    into = {placeholder: f"__{role}_{placeholder}" for placeholder in groups}
    label = "" if wanted.kind == "namespace" or pattern.has_namespace(name.pattern) else end.namespace
    matchers = [promql.matching(name.label, regex)]
    if wanted.kind == "namespace" and wanted.namespace:
        matchers.append(promql.matching(name.label, pattern.regex(name.pattern, names=(wanted.namespace,))))
    elif label:
        matchers += _in_namespace(label, wanted, end)

    def prepared(vector: PromQL) -> PromQL:
        for placeholder, group in groups.items():
            vector = promql.extracted(vector, name.label, regex=regex, group=group, into=into[placeholder])
        return vector

    def workload(labels: Mapping[str, str]) -> Workload | None:
        namespace = wanted.namespace or labels.get(into.get("namespace", label), "")
        return _workload(wanted.kind, namespace, labels.get(into["name"], ""))

    return Selection(tuple(matchers), (*filter(None, (label,)), *into.values()), prepared, workload)


def _named(label: str, names: tuple[str, ...], end: End) -> list[Matcher]:
    return [promql.one_of(label, names)] if names else _known(label, end)


def _in_namespace(label: str, wanted: Narrowed, end: End) -> list[Matcher]:
    return [promql.equal(label, wanted.namespace)] if wanted.namespace else _known(label, end)


def _known(label: str, end: End) -> list[Matcher]:
    """Any value but none: a series without the label is about something else."""
    return [promql.unequal(label, ""), *([promql.none_of(label, end.unknown)] if end.unknown else ())]


def _workload(kind: Kind, namespace: str, name: str) -> Workload | None:
    if not name or (not namespace and kind != "namespace"):
        return None
    return Workload(kind, "" if kind == "namespace" else namespace, name)
