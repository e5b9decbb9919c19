"""One rule, in CEL and in Python, and how a rule reads plain JSON.

`Rule.holds(new, old)` gives the verdict of `Rule.cel` on plain JSON values after defaulting, `new` being `self` and
`old` being `oldSelf` (None when the object is new). An error in a rule is a refusal, here as in the API server.
Source: Kubernetes, Extend the Kubernetes API with CustomResourceDefinitions, "Validation rules".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

Reason = Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"]

_HAS = re.compile(r"has\(self\.[\w.]+\)")
# Not the name of a function: `self.metrics.exists(…)` reads `metrics`.
_READ = re.compile(r"self\.((?:\w+\.)*?\w+)\b(?!\()(?=\.\w+\(|[^\w.]|$)")


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


def has(value: Any, *path: str) -> bool:
    """CEL's `has(value.a.b)`. What is no object has no fields: its type is refused elsewhere."""
    for name in path:
        if not isinstance(value, dict) or name not in value:
            return False
        value = value[name]
    return True


def given(value: dict[str, Any], *names: str) -> int:
    """How many of the fields are there."""
    return len(_read(value[name] for name in names if name in value))


def present(items: list[dict[str, Any]], name: str) -> list[Any]:
    """The values of a field, of the items that have it."""
    return _read(item[name] for item in items if name in item)


def _read(values: Iterable[Any]) -> list[Any]:
    """The values. Raises `TypeError` for `5.0`: an integer for the schema, but not for a rule that looks at it."""
    found = list(values)
    if any(isinstance(value, float) for value in found):
        raise TypeError("expected int, got float64")
    return found


__all__ = ["Reason", "Rule", "given", "has", "present"]
