"""Checks of one value by itself: its type, and the bounds of strings and numbers.

Source: k8s.io/kube-openapi, package validation/validate; the sentences are those that users of kubectl know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from canary.sandbox.apiserver.schema import causes, formats, patterns
from canary.sandbox.apiserver.schema.causes import Cause


def types_of(schema: Mapping[str, Any]) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def type_name(value: Any) -> str:
    """The JSON type of a value, as the server names it in messages."""
    if isinstance(value, bool):
        return "boolean"
    names = {str: "string", int: "integer", float: "number", dict: "object", list: "array", type(None): "null"}
    return names[type(value)]


def _wrong_type(path: str, expected: str, actual: str) -> Cause:
    detail = f"{path} in body must be of type {expected}: {causes.quoted(actual)}"
    return causes.invalid(path, actual, detail, reason=causes.TYPE_INVALID)


def check_type(schema: Mapping[str, Any], value: Any, path: str) -> Cause | None:
    expected = types_of(schema)
    if value is None:
        refused = bool(expected) and not schema.get("nullable")
        return _wrong_type(path, ",".join(expected), "null") if refused else None
    name = type_name(value)
    numeric = {"integer", "number"} & set(expected)
    if (
        not expected
        or name in expected
        or (name == "integer" and numeric)
        or (name == "number" and numeric and ("number" in expected or _is_whole(value)))
    ):
        return None
    checked = formats.checked(expected, schema.get("format", ""))
    if not checked:
        return _wrong_type(path, ",".join(expected), name)
    if name not in ("string", "array"):
        return _wrong_type(path, checked, {"integer": "int64", "number": "float64"}.get(name, ""))
    # The server leaves a text, and a list too, to the check of the format.
    return _wrong_type(path, ",".join(expected), name) if numeric else None


def check_string(schema: Mapping[str, Any], value: str, path: str) -> Cause | None:
    """The first of maxLength, minLength (both in characters) and pattern that `value` does not keep."""
    limit = schema.get("maxLength")
    if limit is not None and len(value) > limit:
        return causes.too_long(path, limit)
    limit = schema.get("minLength")
    if limit is not None and len(value) < limit:
        return causes.invalid(path, value, f"{path} in body should be at least {limit} chars long")
    pattern = schema.get("pattern")
    if not pattern:
        return None
    try:
        if patterns.search(pattern)(value) is not None:
            return None
    except patterns.PatternError as error:
        pattern = f"{pattern}, but pattern is invalid: {error}"
    return causes.invalid(path, value, f"{path} in body should match '{pattern}'")


def check_format(schema: Mapping[str, Any], value: str, path: str) -> Cause | None:
    name = formats.checked(types_of(schema), schema.get("format", ""))
    if not name or name in formats.NUMBERS or formats.conforms(name, value):
        return None
    detail = f"{path} in body must be of type {name}: {causes.quoted(value)}"
    return causes.invalid(path, value, detail, reason=causes.TYPE_INVALID)


def check_number(schema: Mapping[str, Any], value: float, path: str) -> Iterator[Cause]:
    """Range, multipleOf, minimum and maximum; bounds are cut to whole numbers for a whole value, as on the server."""

    def bound(name: str) -> float | None:
        limit: float | None = schema.get(name)
        return int(limit) if limit is not None and isinstance(value, int) else limit

    def refused(what: str, limit: float) -> Cause:
        return causes.invalid(path, value, f"{path} in body should be {what} {causes.number(limit)}")

    yield from _out_of_range(schema, value, path)
    factor = bound("multipleOf")
    if factor is not None and factor <= 0:
        yield causes.invalid(path, factor, f"factor MultipleOf declared for {path} must be positive: {factor}")
    elif factor is not None and not _is_multiple(value, factor):
        yield refused("a multiple of", factor)
    low, high = bound("minimum"), bound("maximum")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        yield refused("greater than" if schema.get("exclusiveMinimum") else "greater than or equal to", low)
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        yield refused("less than" if schema.get("exclusiveMaximum") else "less than or equal to", high)


def _out_of_range(schema: Mapping[str, Any], value: float, path: str) -> Iterator[Cause]:
    types = types_of(schema)
    if types not in (("integer",), ("number",)):
        return
    declared = formats.checked(types, schema.get("format", ""))
    if not formats.in_range(declared or ("int64" if types == ("integer",) else ""), value):
        kind = f"with format {declared}" if declared else "(default format)"
        yield causes.invalid("", "", f"Checked value must be of type {types[0]} {kind} in {path}")


def _is_whole(value: float) -> bool:
    """Whole, and small enough for every whole number around it to have a double of its own."""
    return abs(value) < 1 << 53 and value.is_integer()


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    quotient = 1 / factor * value if factor < 1 else value / factor
    return _is_whole(float(quotient))


def check_enum(schema: Mapping[str, Any], value: Any, path: str) -> Cause | None:
    allowed = schema.get("enum")
    if not allowed or any(same(_converted(value, item), item) for item in allowed):
        return None
    return causes.not_supported(path, value, allowed)


def _converted(value: Any, allowed: Any) -> Any:
    """The server cuts a number to a whole one before it compares it with a whole one."""
    whole = isinstance(allowed, int) and not isinstance(allowed, bool)
    return int(value) if whole and isinstance(value, float) and abs(value) < 1 << 63 else value


def same(one: Any, other: Any) -> bool:
    """Equality of JSON values: unlike in Python, true is not 1, at any depth."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(item, other[key]) for key, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
