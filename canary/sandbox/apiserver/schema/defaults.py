"""Defaults of a structural schema.

Source: Kubernetes, "Defaulting" and "Defaulting and nullable" of custom resources: an absent field takes its default;
a null that the schema does not allow takes the default, or is dropped when there is none.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any


def default(schema: Mapping[str, Any], value: Any) -> Any:
    """`value` with forbidden nulls dropped and defaults filled in, at every depth that `value` itself reaches."""
    return _filled(schema, _without_forbidden_nulls(schema, value))


def _child(schema: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    found: Any = schema.get("properties", {}).get(key)
    if found is None:
        found = schema.get("additionalProperties")
    return found if isinstance(found, Mapping) else None


def _forbids_null(schema: Mapping[str, Any] | None) -> bool:
    return schema is not None and not schema.get("nullable", False)


def _dropped(schema: Mapping[str, Any] | None, value: Any) -> bool:
    return value is None and schema is not None and _forbids_null(schema) and schema.get("default") is None


def _without_forbidden_nulls(schema: Mapping[str, Any] | None, value: Any) -> Any:
    if isinstance(value, dict):
        schemas = {key: _child(schema, key) if schema is not None else None for key in value}
        kept = {
            key: _without_forbidden_nulls(schemas[key], item)
            for key, item in value.items()
            if not _dropped(schemas[key], item)
        }
        return kept if _differs(kept, value) else value
    if isinstance(value, list):
        items = schema.get("items") if schema is not None else None
        cleaned = [_without_forbidden_nulls(items, item) for item in value]
        return cleaned if any(new is not old for new, old in zip(cleaned, value, strict=True)) else value
    return value


def _differs(new: dict[str, Any], old: dict[str, Any]) -> bool:
    return len(new) != len(old) or any(item is not old.get(key, new) for key, item in new.items())


def _filled(schema: Mapping[str, Any] | None, value: Any) -> Any:
    if schema is None:
        return value
    if isinstance(value, dict):
        filled = _filled_object(schema, value)
        return filled if _differs(filled, value) else value
    if isinstance(value, list):
        items = schema.get("items")
        filled_list = [_filled(items, _or_default(items, item)) for item in value]
        return filled_list if any(new is not old for new, old in zip(filled_list, value, strict=True)) else value
    return value


def _or_default(schema: Mapping[str, Any] | None, value: Any) -> Any:
    if value is None and schema is not None and _forbids_null(schema):
        return copy.deepcopy(schema.get("default"))
    return value


def _filled_object(schema: Mapping[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    filled = dict(value)
    for key, prop in schema.get("properties", {}).items():
        if prop.get("default") is not None and (key not in filled or (filled[key] is None and _forbids_null(prop))):
            filled[key] = copy.deepcopy(prop["default"])
    declared = schema.get("properties", {})
    for key, item in filled.items():
        child = _child(schema, key)
        filled[key] = _filled(child, item if key in declared else _or_default(child, item))
    return filled
