"""What a schema cannot say: each rule once in CEL, for the API server, and once in Python, for everybody else.

`Rule.holds(new, old)` gives the verdict of `Rule.cel` on plain JSON values after defaulting, `new` being `self` and
`old` being `oldSelf` (None when the object is new). An error in a rule is a refusal, here as in the API server.
Rules stay cheap because the schema bounds what they look at: the API server refuses a definition whose rules might
cost too much. Source: Kubernetes, Extend the Kubernetes API with CustomResourceDefinitions, "Validation rules".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal

from canary.api.duration import parse_nanoseconds

Reason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"]

_HAS = re.compile(r"has\(self\.\w+\)")
_READ = re.compile(r"self\.([\w.]+)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule at one place: `path` is where it stands in the object, with `[]` for the items of a list.

    `field_path`, relative to `path`, is the field that a refusal points at, when it is not `path` itself.
    """

    path: str
    cel: str
    message: str
    check: Callable[[Any, Any], bool]
    reason: Reason = "FieldValueInvalid"
    field_path: str = ""

    @property
    def transition(self) -> bool:
        """Whether the rule compares with the old object; without one it says nothing."""
        return "oldSelf" in self.cel

    @property
    def reads(self) -> frozenset[str]:
        """The fields of `self` whose values the rule looks at: `backends.stable`. `has` asks for no value."""
        return frozenset(_READ.findall(_HAS.sub("", self.cel)))

    def holds(self, new: Any, old: Any = None) -> bool:
        """The verdict of `cel`. Never raises: what cannot be evaluated does not hold."""
        if self.transition and old is None:
            return True
        try:
            return self.check(new, old)
        except (ValueError, TypeError, ArithmeticError, LookupError):
            return False


def _duration(path: str, low: str, high: str) -> Rule:
    floor, ceiling = parse_nanoseconds(low), parse_nanoseconds(high)
    return Rule(
        path,
        f"duration(self) >= duration('{low}') && duration(self) <= duration('{high}')",
        f"must be a duration from {low} to {high}",
        lambda new, _old: floor <= parse_nanoseconds(new) <= ceiling,
    )


def _given(value: dict[str, Any], *names: str) -> int:
    return len(_read(value[name] for name in names if name in value))


def _present(items: list[dict[str, Any]], name: str) -> list[Any]:
    return _read(item[name] for item in items if name in item)


def _read(values: Iterable[Any]) -> list[Any]:
    """The values. Raises `TypeError` for `5.0`: an integer for the schema, but not for a rule that looks at it."""
    found = list(values)
    if any(isinstance(value, float) for value in found):
        raise TypeError("expected int, got float64")
    return found


def _limited_once(metric: dict[str, Any]) -> bool:
    if "quantile" in metric:
        return "max" in metric and "min" not in metric
    return "min" in metric and "max" not in metric


def _rolls_back_below(metric: dict[str, Any]) -> bool:
    if _given(metric, "min", "rollbackAt") < 2:
        return True
    return 0 < Decimal(metric["rollbackAt"]) < Decimal(metric["min"])


def _rolls_back_above(metric: dict[str, Any]) -> bool:
    if _given(metric, "max", "rollbackAt") < 2:
        return True
    return parse_nanoseconds(metric["rollbackAt"]) > parse_nanoseconds(metric["max"])


_PLAN = (
    Rule(
        "spec",
        "has(self.steps) != has(self.ramp)",
        "must have exactly one of `steps` and `ramp`",
        lambda new, _old: _given(new, "steps", "ramp") == 1,
        reason="FieldValueRequired",
    ),
    Rule(
        "spec.steps[]",
        "has(self.weight) != has(self.approval)",
        "must have exactly one of `weight` and `approval`",
        lambda new, _old: _given(new, "weight", "approval") == 1,
        reason="FieldValueRequired",
    ),
    Rule(
        "spec.steps[]",
        "has(self.weight) || !(has(self.hold) || has(self.minRequests))",
        "`hold` and `minRequests` must stand beside a `weight`",
        lambda new, _old: "weight" in new or not _given(new, "hold", "minRequests"),
        reason="FieldValueForbidden",
    ),
    Rule(
        "spec.steps",
        "self.filter(s, has(s.weight)).map(s, s.weight).isSorted() && "
        "self.all(s, !has(s.weight) || self.exists_one(t, has(t.weight) && t.weight == s.weight))",
        "each `weight` must be greater than the one before",
        lambda new, _old: all(low < high for low, high in pairwise(_present(new, "weight"))),
    ),
    Rule(
        "spec.steps",
        "self.all(s, !has(s.approval) || self.exists_one(t, has(t.approval) && t.approval == s.approval))",
        "each `approval` must have a name of its own",
        lambda new, _old: len(set(_present(new, "approval"))) == len(_present(new, "approval")),
    ),
    Rule(
        "spec.ramp",
        "self.from <= self.to",
        "`from` must not be greater than `to`",
        lambda new, _old: _given(new, "from", "to") == 2 and bool(new["from"] <= new["to"]),
        field_path=".from",
    ),
    _duration("spec.steps[].hold", "0s", "168h"),
    _duration("spec.ramp.hold", "0s", "168h"),
)

_SERVICES = (
    Rule(
        "spec.service.name",
        "self == oldSelf",
        "must not change: make a new Canary for another root Service",
        lambda new, old: bool(new == old),
        reason="FieldValueForbidden",
    ),
    Rule(
        "spec.backends",
        "self.canary != self.stable",
        "must be another Service than `stable`",
        lambda new, _old: bool(new["canary"] != new["stable"]),
        field_path=".canary",
    ),
    Rule(
        "spec",
        "self.backends.stable != self.service.name",
        "must be another Service than the root, `service.name`",
        lambda new, _old: bool(new["backends"]["stable"] != new["service"]["name"]),
        field_path=".backends.stable",
    ),
    Rule(
        "spec",
        "self.backends.canary != self.service.name",
        "must be another Service than the root, `service.name`",
        lambda new, _old: bool(new["backends"]["canary"] != new["service"]["name"]),
        field_path=".backends.canary",
    ),
    _duration("spec.traffic.settle", "0s", "10m"),
    _duration("spec.progressDeadline", "1s", "168h"),
)

_ANALYSIS = (
    _duration("spec.analysis.interval", "1s", "1h"),
    _duration("spec.analysis.warmup", "0s", "24h"),
    _duration("spec.analysis.noData.timeout", "1s", "168h"),
    _duration("spec.analysis.sourceError.timeout", "1s", "168h"),
    _duration("spec.analysis.metrics[].max", "1ms", "1h"),
    Rule(
        "spec.analysis.metrics[].min",
        "double(self) > 0.0 && double(self) <= 100.0",
        "must be a percentage above 0, up to 100",
        lambda new, _old: 0 < Decimal(new) <= 100,
    ),
    Rule(
        "spec.analysis.metrics[]",
        "has(self.quantile) ? has(self.max) && !has(self.min) : has(self.min) && !has(self.max)",
        "must have either `min`, for a success rate, or `quantile` and `max`, for a latency",
        lambda new, _old: _limited_once(new),
        reason="FieldValueRequired",
    ),
    Rule(
        "spec.analysis.metrics[]",
        "!has(self.min) || !has(self.rollbackAt) || "
        "(double(self.rollbackAt) > 0.0 && double(self.rollbackAt) < double(self.min))",
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
)

RULES: tuple[Rule, ...] = (*_PLAN, *_SERVICES, *_ANALYSIS)


@cache
def by_cel() -> Mapping[str, Rule]:
    """The rules by their CEL text; rules with the same text have the same verdict."""
    return MappingProxyType({rule.cel: rule for rule in RULES})


def at(path: str) -> tuple[Rule, ...]:
    """The rules that stand at `path`, such as `spec.steps[].hold`."""
    return tuple(rule for rule in RULES if rule.path == path)
