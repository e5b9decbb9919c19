"""Rules of a schema (`x-kubernetes-validations`), judged without an interpreter of CEL.

Each rule of our own CustomResourceDefinition has a twin in Python (`canary.api.rules`); a rule is looked up there by
its text. A rule of a foreign definition has no twin and is not judged: there the embedded server accepts more than a
real one.

Source: Kubernetes, "Validation rules" of custom resources; k8s.io/apiextensions-apiserver, package schema/cel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from canary.api.rules import by_cel
from canary.sandbox.apiserver.schema import Cause, causes, validate
from canary.sandbox.apiserver.schema.correlation import ABSENT, earlier_item, earlier_value, unchanged

# Causes after which the server no longer trusts the types that a rule relies on.
_BLOCKING = frozenset(
    {causes.NOT_SUPPORTED, causes.REQUIRED, causes.TOO_LONG, causes.TOO_MANY, causes.TYPE_INVALID},
)
_NOT_CHECKED = causes.invalid(
    "",
    None,
    "some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
_OLD_SELF = re.compile(r"\boldSelf\b")


class Rule(Protocol):
    """The twin of a rule. `holds(new, old)` gets plain JSON of the node; `old` is None when there is none."""

    @property
    def cel(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def holds(self) -> Callable[[Any, Any], bool]: ...


def violations(
    schema: Mapping[str, Any],
    new: Any,
    old: Any = None,
    *,
    registry: Mapping[str, Rule] | None = None,
    found: Iterable[Cause] | None = None,
) -> list[Cause]:
    """The rules of `schema` that `new` breaks; `old` is what an update replaces, None for a creation.

    `found` are the causes that `validate` gave (it is called here when absent). When one of them leaves types in doubt
    no rule is judged, and one cause says so, if the schema has rules at all. `registry` maps texts to twins; by default
    those of our own definition.
    """
    if found is None:
        found = validate(schema, new, old=ABSENT if old is None else old)
    if any(cause.reason in _BLOCKING for cause in found):
        return [_NOT_CHECKED] if _has_rules(schema) else []
    judge = _Judge(by_cel() if registry is None else registry)
    return list(judge.node(schema, new, ABSENT if old is None else old, "", kept=False))


def _has_rules(schema: Any) -> bool:
    if isinstance(schema, list):
        return any(map(_has_rules, schema))
    if not isinstance(schema, Mapping):
        return False
    return bool(schema.get("x-kubernetes-validations")) or any(map(_has_rules, schema.values()))


@dataclass(frozen=True, slots=True)
class _Judge:
    registry: Mapping[str, Rule]

    def node(self, schema: Mapping[str, Any], new: Any, old: Any, path: str, *, kept: bool) -> Iterator[Cause]:
        """Rules of this node, then of allOf, then below. A null is not judged; its parent's rules see it."""
        if new is None:
            return
        kept = kept or (new == old and unchanged(schema, new, old))
        for declared in schema.get("x-kubernetes-validations", ()):
            yield from self._rule(schema, declared, new, old, path, kept=kept)
        for branch in schema.get("allOf", ()):
            yield from self.node(branch, new, old, path, kept=kept)
        for child, item, before, at in _parts(schema, new, old, path):
            yield from self.node(child, item, before, at, kept=kept)

    def _rule(
        self, schema: Mapping[str, Any], declared: Mapping[str, Any], new: Any, old: Any, path: str, *, kept: bool
    ) -> Iterator[Cause]:
        rule = self.registry.get(declared["rule"])
        compares = _OLD_SELF.search(declared["rule"]) is not None
        first = old is ABSENT or old is None
        if rule is None or (compares and first and not declared.get("optionalOldSelf")):
            return
        # What an update leaves as it was is not refused, unless the rule is about the change itself.
        if (kept and not compares) or rule.holds(new, None if first else old):
            return
        yield _cause(declared, rule, new, path)


def _cause(declared: Mapping[str, Any], rule: Rule, new: Any, path: str) -> Cause:
    message = declared.get("message") or f"failed rule: {declared['rule'].strip()}"
    if declared.get("messageExpression"):
        message = rule.message or message
    field = declared.get("fieldPath", "")
    at = f"{path}{_normalized(field)}" if path else _normalized(field).removeprefix(".")
    value = causes.OMITTED if isinstance(new, (dict, list)) else new
    match declared.get("reason"):
        case causes.FORBIDDEN:
            return causes.forbidden(at, message.strip())
        case causes.REQUIRED:
            return causes.required(at, message.strip())
        case causes.DUPLICATE:
            return causes.duplicate(at, value)
    return causes.invalid(at, value, message.strip())


def _normalized(field: str) -> str:
    """`.labels['x.y']` as the server prints the key of a map: `.labels[x.y]`."""
    return re.sub(r"\['((?:[^'\\]|\\.)*)'\]", r"[\1]", field)


def _parts(
    schema: Mapping[str, Any], new: Any, old: Any, path: str
) -> Iterator[tuple[Mapping[str, Any], Any, Any, str]]:
    """(schema, value, earlier value, path) of everything below a node."""
    if isinstance(new, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(new):
            yield schema["items"], item, earlier_item(schema, item, old), f"{path}[{index}]"
    if not isinstance(new, dict):
        return
    before = old if schema.get("x-kubernetes-map-type") != "atomic" else ABSENT
    properties, additional = schema.get("properties", {}), schema.get("additionalProperties")
    for key, item in new.items():
        if key in properties:
            yield properties[key], item, earlier_value(schema, key, before), f"{path}.{key}" if path else key
        elif isinstance(additional, Mapping):
            yield additional, item, earlier_value(schema, key, before), f"{path}[{key}]"
