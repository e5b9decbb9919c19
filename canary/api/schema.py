"""Defaults and checks of a structural schema on plain JSON values, in words for people.

The schema and the rules are those of the CustomResourceDefinition, so that a spec is judged here as in the API server;
but here all errors come at once, and each says what is allowed.
Source: Kubernetes, Extend the Kubernetes API with CustomResourceDefinitions, "Validation" and "Defaulting".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from canary.api.fields import PATTERN_MESSAGES
from canary.api.rules import by_cel

Schema = Mapping[str, Any]


class FieldError(NamedTuple):
    """What is wrong with a field: `field` is a path such as `spec.steps[1].weight`, `message` says what is allowed."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def with_defaults(schema: Schema, value: Any) -> Any:
    """A copy of `value` with every default filled in; a null counts as absent, as everywhere in the Kubernetes API."""
    if isinstance(value, list) and "items" in schema:
        return [with_defaults(schema["items"], item) for item in value]
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    properties = schema["properties"]
    given = {name: item for name, item in value.items() if item is not None or name not in properties}
    absent = {name: child["default"] for name, child in properties.items() if "default" in child and name not in given}
    return {
        name: with_defaults(properties[name], item) if name in properties else item
        for name, item in (given | absent).items()
    }


def check(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    """Every error in `value`, outermost first, the rules of a part after its structure. `path` names `value` itself."""
    wrong_type = _type_error(schema, value)
    if wrong_type:
        yield FieldError(path, wrong_type)
        return
    errors = [*_own(schema, value, path), *_parts(schema, value, path)]
    yield from errors
    yield from _broken_rules(schema, value, path, [error.field for error in errors])


_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "object": (dict, "must be an object"),
    "array": (list, "must be a list"),
    "string": (str, "must be a string"),
    "integer": (int, "must be a whole number"),
    "boolean": (bool, "must be true or false"),
    "integer or string": ((int, str), "must be a whole number or a string"),
}


def _type_error(schema: Schema, value: Any) -> str | None:
    kind = "integer or string" if schema.get("x-kubernetes-int-or-string") else schema["type"]
    python, message = _TYPES[kind]
    if isinstance(value, bool) and kind != "boolean":
        return message
    return None if isinstance(value, python) else message


def _own(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    """Errors of the value itself: its bounds, enumeration and pattern."""
    checks: dict[type, Callable[[Schema, Any], str | None]] = {int: _number, str: _text, list: _list}
    own = checks.get(type(value))
    message = own(schema, value) if own else None
    if message:
        yield FieldError(path, message)


def _number(schema: Schema, value: int) -> str | None:
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    return f"must be from {low} to {high}"


def _text(schema: Schema, value: str) -> str | None:
    if "enum" in schema and value not in schema["enum"]:
        return f"must be one of {', '.join(schema['enum'])}"
    if len(value) > schema.get("maxLength", len(value)):
        return f"must have at most {schema['maxLength']} characters"
    if len(value) < schema.get("minLength", 0):
        return f"must have at least {schema['minLength']} character"
    pattern = schema.get("pattern")
    if pattern and not _pattern(pattern)(value):
        return PATTERN_MESSAGES.get(pattern, f"must match {pattern}")
    return None


def _list(schema: Schema, value: list[Any]) -> str | None:
    if len(value) > schema.get("maxItems", len(value)):
        return f"must have at most {schema['maxItems']} items"
    if len(value) < schema.get("minItems", 0):
        return f"must have at least {schema['minItems']} item"
    return None


@cache
def _pattern(pattern: str) -> Callable[[str], object]:
    # Python's $ also stands before a last line feed; in the schema's dialect it does not.
    return re.compile(pattern.replace("$", r"\Z"), re.ASCII).search


def _parts(schema: Schema, value: Any, path: str) -> Iterator[FieldError]:
    """Errors of what is inside: fields of an object, items of a list."""
    if isinstance(value, list):
        # Beyond the bound nobody reads the errors of single items.
        for index, item in enumerate(value[: schema.get("maxItems")]):
            yield from check(schema["items"], item, f"{path}[{index}]")
        yield from _duplicates(schema, value, path)
    elif isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield FieldError(f"{path}.{name}", "must be set")
        for name, item in value.items():
            if name in properties:
                yield from check(properties[name], item, f"{path}.{name}")
            else:
                yield FieldError(f"{path}.{name}", f"is unknown; must be one of {', '.join(sorted(properties))}")


def _duplicates(schema: Schema, value: list[Any], path: str) -> Iterator[FieldError]:
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: list[Any] = []
    for index, item in enumerate(value[: schema.get("maxItems")] if keys else ()):
        key = [item.get(name) for name in keys] if isinstance(item, dict) else None
        if key in seen:
            yield FieldError(f"{path}[{index}].{keys[0]}", f"must not repeat the {keys[0]} of another item")
        if key and None not in key:
            seen.append(key)


def _broken_rules(schema: Schema, value: Any, path: str, wrong: list[str]) -> Iterator[FieldError]:
    for validation in schema.get("x-kubernetes-validations", ()):
        rule = by_cel()[validation["rule"]]
        # What a rule looks at must be sound, else it would repeat an error in other words.
        looks_at = [f"{path}.{name}" for name in rule.reads] if isinstance(value, dict) else [path]
        sound = not any(_within(field, part) or _within(part, field) for field in wrong for part in looks_at)
        if sound and not rule.holds(value):
            yield FieldError(path + rule.field_path, rule.message)


def _within(inner: str, outer: str) -> bool:
    return inner == outer or inner.startswith((f"{outer}.", f"{outer}["))
