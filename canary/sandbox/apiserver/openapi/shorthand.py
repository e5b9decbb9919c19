"""A short way to write schemas of built-in kinds.

A field is a text, `"integer* | The port."`: its type, a star when it is required, and its description. `map` is a map
of texts, `time` and `microtime` are timestamps, `object` may hold and `raw` may be anything, `[]` makes a list of a
type, and a word with a capital is a reference to another schema. A dict is an object, with its own description under
`""`; a list has one element, the schema of its items, and a dict in it may name the keys of its items under `"#"`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]
Short: TypeAlias = "str | Mapping[str, Short] | Sequence[Short]"

_TYPES: dict[str, Schema] = {
    "boolean": {"type": "boolean"},
    "bytes": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
    "int64": {"type": "integer", "format": "int64"},
    "integer": {"type": "integer", "format": "int32"},
    "map": {"type": "object", "additionalProperties": {"type": "string"}},
    "microtime": {"type": "string", "format": "date-time"},
    "object": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "quantities": {
        "type": "object",
        "additionalProperties": {"x-kubernetes-int-or-string": True, "format": "quantity"},
    },
    "raw": {"x-kubernetes-preserve-unknown-fields": True},
    "string": {"type": "string"},
    "time": {"type": "string", "format": "date-time"},
}


def reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def expand(short: Short, names: Mapping[str, str]) -> Schema:
    """The schema that `short` stands for; `names` maps capitalised words to the names of other schemas."""
    if isinstance(short, str):
        return _field(short, names)
    if isinstance(short, Mapping):
        return _object(short, names)
    keys = short[0].get("#") if isinstance(short[0], Mapping) else None
    merged = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": str(keys).split()} if keys else {}
    return {"type": "array", "items": expand(short[0], names), **merged}


def _field(short: str, names: Mapping[str, str]) -> Schema:
    kind, _, description = short.partition("|")
    kind, told = kind.strip().removesuffix("*"), {"description": description.strip()} if description else {}
    if kind in names:
        # A reference may not have siblings, hence the list of one.
        return {**told, "allOf": [reference(names[kind])]} if told else reference(names[kind])
    if kind.endswith("[]"):
        return {**told, "type": "array", "items": _TYPES[kind.removesuffix("[]")]}
    return {**told, **_TYPES[kind]}


def _object(short: Mapping[str, Short], names: Mapping[str, str]) -> Schema:
    fields = {name: value for name, value in short.items() if name not in ("", "#")}
    required = [name for name, value in fields.items() if isinstance(value, str) and _is_required(value)]
    return {
        **({"description": short[""]} if short.get("") else {}),
        "type": "object",
        "properties": {name: expand(value, names) for name, value in fields.items()},
        **({"required": required} if required else {}),
    }


def _is_required(short: str) -> bool:
    return short.partition("|")[0].strip().endswith("*")
