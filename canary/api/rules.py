"""What a schema cannot say: each rule once in CEL, for the API server, and once in Python, for everybody else.

Rules stay cheap because the schema bounds what they look at: the API server refuses a definition whose rules might
cost too much. Source: Kubernetes, Extend the Kubernetes API with CustomResourceDefinitions, "Validation rules".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from canary.api import service_rules
from canary.api.duration import parse_nanoseconds
from canary.api.rule import Rule, given, present


def _duration(path: str, low: str, high: str) -> Rule:
    floor, ceiling = parse_nanoseconds(low), parse_nanoseconds(high)
    return Rule(
        path,
        f"duration(self) >= duration('{low}') && duration(self) <= duration('{high}')",
        f"must be a duration from {low} to {high}",
        lambda new, _old: floor <= parse_nanoseconds(new) <= ceiling,
    )


def _limited_once(metric: dict[str, Any]) -> bool:
    pairs = ("quantile" in metric) == ("max" in metric) and ("slowerThan" in metric) == ("maxShare" in metric)
    return pairs and sum(name in metric for name in ("min", "quantile", "slowerThan")) == 1


def _rolls_back_below(metric: dict[str, Any]) -> bool:
    if given(metric, "min", "rollbackAt") < 2:
        return True
    return 0 < Decimal(metric["rollbackAt"]) < Decimal(metric["min"])


def _rolls_back_above(metric: dict[str, Any]) -> bool:
    if given(metric, "max", "rollbackAt") < 2:
        return True
    return parse_nanoseconds(metric["rollbackAt"]) > parse_nanoseconds(metric["max"])


def _rolls_back_above_share(metric: dict[str, Any]) -> bool:
    if given(metric, "maxShare", "rollbackAt") < 2:
        return True
    return Decimal(metric["maxShare"]) < Decimal(metric["rollbackAt"])


def _is_sequential(metric: dict[str, Any]) -> bool:
    return given(metric, "compare", "mode") > 0


def _confidence_has_a_test(analysis: dict[str, Any]) -> bool:
    return "confidence" not in analysis or any(_is_sequential(metric) for metric in analysis["metrics"])


def _early_has_a_count(analysis: dict[str, Any]) -> bool:
    if "early" not in analysis or not analysis["early"]:
        return True
    return any(_is_sequential(metric) and "quantile" not in metric for metric in analysis["metrics"])


_PLAN = (
    Rule(
        "spec",
        "has(self.steps) != has(self.ramp)",
        "must have exactly one of `steps` and `ramp`",
        lambda new, _old: given(new, "steps", "ramp") == 1,
        reason="FieldValueRequired",
    ),
    Rule(
        "spec.steps[]",
        "has(self.weight) != has(self.approval)",
        "must have exactly one of `weight` and `approval`",
        lambda new, _old: given(new, "weight", "approval") == 1,
        reason="FieldValueRequired",
    ),
    Rule(
        "spec.steps[]",
        "has(self.weight) || !(has(self.hold) || has(self.minRequests))",
        "`hold` and `minRequests` must stand beside a `weight`",
        lambda new, _old: "weight" in new or not given(new, "hold", "minRequests"),
        reason="FieldValueForbidden",
    ),
    Rule(
        "spec.steps",
        "self.filter(s, has(s.weight)).map(s, s.weight).isSorted() && "
        "self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))",
        "each `weight` must be greater than the one before",
        lambda new, _old: all(low < high for low, high in pairwise(present(new, "weight"))),
    ),
    Rule(
        "spec.steps",
        "self.all(s, !has(s.approval) || self.exists_one(t, has(t.approval) && t.approval == s.approval))",
        "each `approval` must have a name of its own",
        lambda new, _old: len(set(present(new, "approval"))) == len(present(new, "approval")),
    ),
    Rule(
        "spec.ramp",
        "self.from <= self.to",
        "`from` must not be greater than `to`",
        lambda new, _old: given(new, "from", "to") == 2 and bool(new["from"] <= new["to"]),
        field_path=".from",
    ),
    _duration("spec.steps[].hold", "0s", "168h"),
    _duration("spec.ramp.hold", "0s", "168h"),
)

_TIMES = (
    _duration("spec.traffic.settle", "0s", "10m"),
    _duration("spec.progressDeadline", "1s", "168h"),
)

# A duration is no number: an error of the rule would be told without the field.
_IS_SHARE = "string(self.rollbackAt).matches('^[0-9.]+$')"

_ANALYSIS = (
    _duration("spec.analysis.interval", "1s", "1h"),
    _duration("spec.analysis.warmup", "0s", "24h"),
    _duration("spec.analysis.noData.timeout", "1s", "168h"),
    _duration("spec.analysis.sourceError.timeout", "1s", "168h"),
    _duration("spec.analysis.metrics[].max", "1ms", "1h"),
    _duration("spec.analysis.metrics[].slowerThan", "1ms", "1h"),
    Rule(
        "spec.analysis.metrics[].min",
        "double(self) > 0.0 && double(self) <= 100.0",
        "must be a percentage above 0, up to 100",
        lambda new, _old: 0 < Decimal(new) <= 100,
    ),
    Rule(
        "spec.analysis.metrics[].maxShare",
        "double(self) > 0.0 && double(self) < 100.0",
        "must be a percentage above 0 and below 100",
        lambda new, _old: 0 < Decimal(new) < 100,
    ),
    Rule(
        "spec.analysis.metrics[]",
        "has(self.quantile) == has(self.max) && has(self.slowerThan) == has(self.maxShare) && "
        "[has(self.min), has(self.quantile), has(self.slowerThan)].exists_one(given, given)",
        "must have either `min`, for a success rate, or `quantile` and `max`, for a latency, "
        "or `slowerThan` and `maxShare`, for a share of slow requests",
        lambda new, _old: _limited_once(new),
        reason="FieldValueRequired",
    ),
    Rule(
        "spec.analysis.metrics[]",
        f"!has(self.min) || !has(self.rollbackAt) || ({_IS_SHARE} && "
        "double(self.rollbackAt) > 0.0 && double(self.rollbackAt) < double(self.min))",
        "must be a percentage above 0 and below `min`",
        lambda new, _old: _rolls_back_below(new),
        field_path=".rollbackAt",
    ),
    Rule(
        "spec.analysis.metrics[]",
        "!has(self.max) || !has(self.rollbackAt) || "
        "(type(self.rollbackAt) == string && duration(self.rollbackAt) > duration(self.max))",
        "must be a duration above `max`",
        lambda new, _old: _rolls_back_above(new),
        field_path=".rollbackAt",
    ),
    Rule(
        "spec.analysis.metrics[]",
        f"!has(self.maxShare) || !has(self.rollbackAt) || ({_IS_SHARE} && "
        "double(self.rollbackAt) > double(self.maxShare))",
        "must be a percentage above `maxShare`",
        lambda new, _old: _rolls_back_above_share(new),
        field_path=".rollbackAt",
    ),
)

_EVIDENCE = (
    Rule(
        "spec.analysis.metrics[]",
        "has(self.compare) || !has(self.tolerance)",
        "`tolerance` must stand beside `compare`",
        lambda new, _old: "compare" in new or "tolerance" not in new,
        reason="FieldValueForbidden",
        field_path=".tolerance",
    ),
    Rule(
        "spec.analysis.metrics[]",
        "!has(self.mode) || !has(self.quantile)",
        "`mode: Sequential` counts requests: it must stand beside `min`, or `slowerThan` and `maxShare`",
        lambda new, _old: "mode" not in new or "quantile" not in new,
        reason="FieldValueForbidden",
        field_path=".mode",
    ),
    Rule(
        "spec.analysis.confidence",
        "double(self) >= 50.0 && double(self) < 100.0",
        "must be a percentage from 50, below 100",
        lambda new, _old: 50 <= Decimal(new) < 100,
    ),
    Rule(
        "spec.analysis",
        "!has(self.confidence) || self.metrics.exists(m, has(m.compare) || has(m.mode))",
        "`confidence` must stand beside a metric with `compare` or `mode: Sequential`",
        lambda new, _old: _confidence_has_a_test(new),
        reason="FieldValueForbidden",
        field_path=".confidence",
    ),
    Rule(
        "spec.analysis",
        "!has(self.early) || !self.early || "
        "self.metrics.exists(m, (has(m.compare) || has(m.mode)) && !has(m.quantile))",
        "`early` must stand beside a metric that counts requests and has `compare` or `mode: Sequential`",
        lambda new, _old: _early_has_a_count(new),
        reason="FieldValueForbidden",
        field_path=".early",
    ),
)

RULES: tuple[Rule, ...] = (*_PLAN, *service_rules.RULES, *_TIMES, *_ANALYSIS, *_EVIDENCE)


@cache
def by_cel() -> Mapping[str, Rule]:
    """The rules by their CEL text; rules with the same text have the same verdict."""
    return MappingProxyType({rule.cel: rule for rule in RULES})


def at(path: str) -> tuple[Rule, ...]:
    """The rules that stand at `path`, such as `spec.steps[].hold`."""
    return tuple(rule for rule in RULES if rule.path == path)


__all__ = ["RULES", "Rule", "at", "by_cel"]
