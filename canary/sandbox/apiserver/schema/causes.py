"""Why a field was refused, in the words of the API server (`status.details.causes`).

Source: k8s.io/apimachinery, package util/validation/field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

INVALID = "FieldValueInvalid"
REQUIRED = "FieldValueRequired"
DUPLICATE = "FieldValueDuplicate"
FORBIDDEN = "FieldValueForbidden"
NOT_FOUND = "FieldValueNotFound"
NOT_SUPPORTED = "FieldValueNotSupported"
TOO_LONG = "FieldValueTooLong"
TOO_MANY = "FieldValueTooMany"
TYPE_INVALID = "FieldValueTypeInvalid"

# How the API server prints the path of the object itself.
ROOT = "<nil>"

# A value that is too large to be shown.
OMITTED: Final = object()


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `status.details.causes`: `Cause("spec.weight", "FieldValueInvalid", "Invalid value: 200: …")`."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def _field(path: str) -> str:
    return path.removeprefix(".") or ROOT


def _with_detail(text: str, detail: str) -> str:
    return f"{text}: {detail}" if detail else text


def _with_value(text: str, value: Any) -> str:
    return text if value is OMITTED else f"{text}: {shown(value)}"


def required(path: str, detail: str = "") -> Cause:
    return Cause(_field(path), REQUIRED, _with_detail("Required value", detail))


def invalid(path: str, value: Any, detail: str, *, reason: str = INVALID) -> Cause:
    return Cause(_field(path), reason, f"{_with_value('Invalid value', value)}: {detail}")


def forbidden(path: str, detail: str) -> Cause:
    return Cause(_field(path), FORBIDDEN, _with_detail("Forbidden", detail))


def duplicate(path: str, value: Any) -> Cause:
    return Cause(_field(path), DUPLICATE, _with_value("Duplicate value", value))


def not_found(path: str, value: Any) -> Cause:
    return Cause(_field(path), NOT_FOUND, _with_value("Not found", value))


def not_supported(path: str, value: Any, allowed: Iterable[Any]) -> Cause:
    names = ", ".join(quoted(item if isinstance(item, str) else _compact(item)) for item in allowed)
    return Cause(_field(path), NOT_SUPPORTED, f"Unsupported value: {shown(value)}: supported values: {names}")


def too_long(path: str, limit: int) -> Cause:
    unit = "byte" if limit == 1 else "bytes"
    return Cause(_field(path), TOO_LONG, f"Too long: may not be more than {limit} {unit}")


def too_many(path: str, actual: int, limit: int) -> Cause:
    unit = "item" if limit == 1 else "items"
    return Cause(_field(path), TOO_MANY, f"Too many: {actual}: must have at most {limit} {unit}")


def shown(value: Any) -> str:
    """A JSON value as the server prints it: strings quoted, numbers and booleans plain, the rest as JSON."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float):
        return number(value)
    return _compact(value)


def quoted(text: str) -> str:
    """`text` in double quotes with Go's escapes (`%q`)."""
    escaped = "".join(_ESCAPES.get(char) or (char if char.isprintable() else _escape(char)) for char in text)
    return f'"{escaped}"'


_ESCAPES = dict(zip('"\\\n\r\t\a\b\f\v', ('\\"', *(f"\\{char}" for char in "\\nrtabfv")), strict=True))


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def number(value: float) -> str:
    """A number as Go's `%v` prints it: `1`, `0.5`, `1e+21`."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e21):
        return str(int(value))
    text = repr(value)
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent):+03d}" if exponent else text


def _compact(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
