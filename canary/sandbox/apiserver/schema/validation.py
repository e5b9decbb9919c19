"""Validation of a value against a structural schema.

Source: Kubernetes, "Specifying a structural schema" and "Validation ratcheting"; k8s.io/kube-openapi for the sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from canary.sandbox.apiserver.schema import causes, lists, scalars
from canary.sandbox.apiserver.schema.causes import Cause
from canary.sandbox.apiserver.schema.correlation import ABSENT, Absent, earlier_item, earlier_value, unchanged
from canary.sandbox.apiserver.schema.findings import Findings

_COMBINATIONS = frozenset({"anyOf", "oneOf", "allOf", "not"})


def validate(schema: Mapping[str, Any], value: Any, *, old: Any = ABSENT, path: str = "") -> list[Cause]:
    """Everything in `value` that `schema` refuses, in the order of the schema; an empty list when it is valid.

    With `old`, the value that an update replaces, parts that did not change are not judged again: an object that was
    stored under a looser schema can still be labelled, and lose its finalizers. `path` stands before each field.
    """
    found = list(_node(schema, value, path, old).causes)
    found.extend(lists.untyped_resources(schema, value, path))
    repeated = list(lists.duplicates(schema, value, path))
    if repeated and (isinstance(old, Absent) or not any(lists.duplicates(schema, old, path))):
        found.extend(repeated)
    return found


def _node(schema: Mapping[str, Any], value: Any, path: str, old: Any) -> Findings:
    # Equality of Python is quick, and too weak by itself: there true is 1, and nothing is known of the schema. The type
    # of the object is judged each time: no update can have meant to change it.
    same = value == old and path not in ("apiVersion", "kind") and unchanged(schema, value, old)
    return Findings() if same else _judged(schema, value, path, old)


def _judged(schema: Mapping[str, Any], value: Any, path: str, old: Any) -> Findings:
    found = Findings()
    wrong = scalars.check_type(schema, value, path)
    found.merge(Findings([wrong]) if wrong else Findings(matches=1))
    if value is not None:
        if not _COMBINATIONS.isdisjoint(schema):
            found.merge(_combined(schema, value, path))
        found.merge(_kind(schema, value, path, old))
        # One for the node, and one for each check that applied to it, whatever it found.
        found.matches += 5 if scalars.types_of(schema) else 4
    unlisted = scalars.check_enum(schema, value, path)
    if unlisted:
        found.add(unlisted)
    return found


def _kind(schema: Mapping[str, Any], value: Any, path: str, old: Any) -> Findings:
    """The checks that belong to the JSON type of `value`."""
    if isinstance(value, str):
        checks = (scalars.check_string(schema, value, path), scalars.check_format(schema, value, path))
        return Findings([cause for cause in checks if cause is not None], matches=2 if schema.get("format") else 1)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Findings(scalars.check_number(schema, value, path), matches=2)
    if isinstance(value, list):
        return _list(schema, value, path, old)
    if isinstance(value, dict):
        return _object(schema, value, path, old)
    return Findings()


def _list(schema: Mapping[str, Any], value: list[Any], path: str, old: Any) -> Findings:
    found = Findings(matches=2)
    if isinstance(items := schema.get("items"), Mapping):
        for index, item in enumerate(value):
            found.merge(_node(items, item, f"{path}[{index}]", earlier_item(schema, item, old)))
    at_least, at_most = schema.get("minItems"), schema.get("maxItems")
    if at_least is not None and len(value) < at_least:
        found.add(causes.invalid(path, len(value), f"{path} in body should have at least {at_least} items"))
    if at_most is not None and len(value) > at_most:
        found.add(causes.too_many(path, len(value), at_most))
    if schema.get("uniqueItems") and any(
        scalars.same(item, value[j]) for i, item in enumerate(value) for j in range(i)
    ):
        found.add(causes.invalid(path, "", f"{path} in body shouldn't contain duplicates"))
    return found


def _object(schema: Mapping[str, Any], value: dict[str, Any], path: str, old: Any) -> Findings:
    found = Findings(_counted(schema, value, path), matches=1)
    properties, additional = schema.get("properties", {}), schema.get("additionalProperties")
    for key in value:
        if key not in properties and additional is False:
            found.add(causes.invalid(path, key, f"{path}.{key} in body is a forbidden property"))
        elif key not in properties and isinstance(additional, Mapping):
            found.merge(_node(additional, value[key], f"{path}.{key}", earlier_value(schema, key, old)))
    for key, child in properties.items():
        if key in value:
            found.merge(_node(child, value[key], f"{path}.{key}" if path else key, earlier_value(schema, key, old)))
    for key in schema.get("required", ()):
        if key not in value:
            found.add(causes.required(f"{path}.{key}"))
    return found


def _counted(schema: Mapping[str, Any], value: dict[str, Any], path: str) -> Iterator[Cause]:
    at_least, at_most = schema.get("minProperties"), schema.get("maxProperties")
    if at_least is not None and len(value) < at_least:
        yield causes.invalid(path, len(value), f"{path} in body should have at least {at_least} properties")
    if at_most is not None and len(value) > at_most:
        yield causes.too_many(path, len(value), at_most)


def _closest(branches: list[Findings]) -> Findings:
    return max(branches, key=lambda each: each.matches)


def _one_of(branches: list[Findings], found: Findings, refuse: Callable[[str], None]) -> None:
    fitting = [each for each in branches if each.valid]
    if len(fitting) == 1:
        found.merge(fitting[0])
        return
    how_many = f"Found {len(fitting)} valid alternatives" if fitting else "Found none valid"
    refuse(f"validate one and only one schema (oneOf). {how_many}")
    if not fitting:
        found.merge(_closest(branches))


def _combined(schema: Mapping[str, Any], value: Any, path: str) -> Findings:
    """anyOf, oneOf, allOf and not."""
    found = Findings()

    def tried(name: str) -> list[Findings]:
        return [_judged(branch, value, path, ABSENT) for branch in schema.get(name, ())]

    def refuse(what: str) -> None:
        found.add(causes.invalid("", "", f"{causes.quoted(path)} must {what}"))

    if branches := tried("anyOf"):
        valid = next((each for each in branches if each.valid), None)
        if valid is None:
            refuse("validate at least one schema (anyOf)")
        found.merge(valid or _closest(branches))
    if branches := tried("oneOf"):
        _one_of(branches, found, refuse)
    if branches := tried("allOf"):
        for branch in branches:
            found.merge(branch)
        fitting = sum(branch.valid for branch in branches)
        if fitting < len(branches):
            refuse("validate all the schemas (allOf)" + ("" if fitting else ". None validated"))
    if isinstance(schema.get("not"), Mapping) and _judged(schema["not"], value, path, ABSENT).valid:
        refuse("not validate the schema (not)")
    return found
