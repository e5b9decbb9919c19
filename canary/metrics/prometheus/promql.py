"""PromQL, written so that no name can break out of its string.

Source: https://prometheus.io/docs/prometheus/latest/querying/basics/. Names of metrics and labels come from packs,
whose schema knows what a name is; label values come from anybody. A string literal has Go's escapes, and everything
but printable ASCII is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NewType

from canary.metrics.prometheus import re2

Matcher = NewType("Matcher", str)
"""One condition on a label, such as `job="web"`."""
PromQL = NewType("PromQL", str)


class NoLabelValue(ValueError):
    """A text that no label can have: it is not Unicode."""


def string(text: str) -> str:
    """`text` as a string literal. Raises `NoLabelValue`."""
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise NoLabelValue(f"{character!r} is half a character: no label holds it")
    if character in '\\"':
        return f"\\{character}"
    if 0x20 <= code < 0x7F:
        return character
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def equal(label: str, value: str) -> Matcher:
    """The label has this value; the empty one means that it is missing."""
    return Matcher(f"{label}={string(value)}")


def unequal(label: str, value: str) -> Matcher:
    return Matcher(f"{label}!={string(value)}")


def one_of(label: str, values: Iterable[str]) -> Matcher:
    """The label has one of the values, of which there is at least one."""
    values = sorted(set(values))
    if not values:
        raise ValueError(f"no value was given that {label} may have")
    if len(values) == 1:
        return equal(label, values[0])
    return Matcher(f"{label}=~{string('|'.join(map(re2.quoted, values)))}")


def none_of(label: str, values: Iterable[str]) -> Matcher:
    """The label has another value than those, of which there is at least one."""
    values = sorted(set(values))
    if len(values) == 1:
        return unequal(label, values[0])
    return Matcher(f"{label}!~{string('|'.join(map(re2.quoted, values)))}")


def matching(label: str, regex: str) -> Matcher:
    """The whole value of the label matches an expression in RE2."""
    if regex and re2.is_literal(regex):
        return equal(label, regex)
    return Matcher(f"{label}=~{string(regex)}")


def selector(metric: str, matchers: Iterable[Matcher] = (), seconds: int | None = None) -> PromQL:
    """The series of a metric: their newest samples or, with `seconds`, all samples of so long."""
    window = "" if seconds is None else f"[{seconds}s]"
    return PromQL(f"{metric}{{{','.join(matchers)}}}{window}")


def increase(series: PromQL) -> PromQL:
    """By how much each counter grew, extrapolated to the whole range; resets are seen."""
    return PromQL(f"increase({series})")


def timestamp(series: PromQL) -> PromQL:
    """When each newest sample was scraped, in unix seconds."""
    return PromQL(f"timestamp({series})")


def sum_by(labels: Iterable[str], vector: PromQL) -> PromQL:
    return PromQL(f"sum by ({','.join(labels)}) ({vector})")


def max_by(labels: Iterable[str], vector: PromQL) -> PromQL:
    return PromQL(f"max by ({','.join(labels)}) ({vector})")


def histogram_quantile(quantile: float, buckets: PromQL) -> PromQL:
    return PromQL(f"histogram_quantile({quantile!r}, {buckets})")


def extracted(vector: PromQL, label: str, *, regex: str, group: int, into: str) -> PromQL:
    """Every series with a label `into` that holds what the group of `regex` found in `label`."""
    return PromQL(f"label_replace({vector}, {string(into)}, {string(f'${group}')}, {string(label)}, {string(regex)})")
