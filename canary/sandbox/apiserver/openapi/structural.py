"""The schemas of built-in kinds in one piece, for pruning and for the names of unknown fields."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from canary.sandbox.apiserver.openapi.builtin import KINDS
from canary.sandbox.apiserver.openapi.metadata import NAMES, shared_schemas
from canary.sandbox.apiserver.openapi.shorthand import Schema, expand
from canary.sandbox.apiserver.quantities import is_quantity
from canary.sandbox.apiserver.schema.causes import shown

_ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
# Some kinds have conditions with more fields.
_LOOSE = f"#/components/schemas/{NAMES['Condition']}"


@cache
def structural(group: str, kind: str) -> Mapping[str, Any] | None:
    """The schema beside apiVersion, kind and metadata; `None` when not all fields of the kind are known."""
    fields = KINDS.get((group, kind))
    return None if fields is None else _resolved(expand(fields, NAMES), shared_schemas())


def is_base64(value: Any) -> bool:
    """Whether bytes are written as JSON writes them."""
    try:
        return isinstance(value, str) and base64.b64decode(value, validate=True) is not None
    except binascii.Error:
        return False


_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int, float),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}
_FORMATS: Mapping[str, Callable[[Any], bool]] = {"byte": is_base64, "quantity": is_quantity}
_NOTHING: Mapping[str, Any] = {}
_WORDS = {bool: "bool", dict: "object", float: "number", int: "number", list: "array", str: "string"}


def wrong_type(schema: Mapping[str, Any], value: Any) -> str:
    """The first value below of another type than `schema` has, in words; empty when there is none. A null fits all."""
    path: list[str] = []
    words = _wrong(schema, value, path)
    return words.format(path=".".join(reversed(path)))


def _wrong(schema: Mapping[str, Any], value: Any, path: list[str]) -> str:
    """The words for `wrong_type`, to be completed by `path`: the names of the fields, the innermost first."""
    if value is None or not schema:
        return ""
    form, wanted = schema.get("format", ""), schema.get("type", "")
    if form in _FORMATS and not _FORMATS[form](value):
        return f"{_plain(shown(value))} as {form} in {{path}}"
    if wanted and (not isinstance(value, _TYPES[wanted]) or (wanted != "boolean" and isinstance(value, bool))):
        return f"{_WORDS[type(value)]} into Go struct field {{path}} of type {wanted}"
    if isinstance(value, dict):
        known, rest = schema.get("properties", _NOTHING), schema.get("additionalProperties", _NOTHING)
        for name, item in value.items():
            if words := _wrong(known.get(name, rest), item, path):
                path.append(name)
                return words
    elif isinstance(value, list) and (items := schema.get("items")):
        return next(filter(None, (_wrong(items, item, path) for item in value)), "")
    return ""


def _plain(text: str) -> str:
    """`text` as `str.format` gives it back."""
    return text.replace("{", "{{").replace("}", "}}")


def _resolved(node: Any, shared: Mapping[str, Schema]) -> Any:
    """`node` with what it refers to in place of the reference."""
    if isinstance(node, list):
        return [_resolved(item, shared) for item in node]
    if not isinstance(node, Mapping):
        return node
    reference = node.get("$ref") or next((below["$ref"] for below in node.get("allOf", ())), None)
    if reference is None:
        return {name: _resolved(below, shared) for name, below in node.items()}
    if reference == _LOOSE:
        return _ANYTHING
    return _resolved(shared[reference.rpartition("/")[2]], shared)
