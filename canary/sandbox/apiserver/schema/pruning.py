"""Pruning: fields that the schema does not name are dropped, or reported.

Source: Kubernetes, "Field pruning" of custom resources. `apiVersion`, `kind` and `metadata` of the object, and of
embedded resources, are judged by Kubernetes' own types, never by the schema of the resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPE_FIELDS = frozenset({"apiVersion", "kind", "metadata"})
# Source: Kubernetes API reference, ObjectMeta v1 meta.
METADATA_FIELDS = frozenset(
    {
        "annotations",
        "clusterName",
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "finalizers",
        "generateName",
        "generation",
        "labels",
        "managedFields",
        "name",
        "namespace",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    }
)


def prune(schema: Mapping[str, Any], value: Any) -> Any:
    """`value`, an object of the API, without the fields that neither `schema` nor ObjectMeta know."""
    return _pruned({**schema, "x-kubernetes-embedded-resource": True}, value, "", [])


def unknown_fields(schema: Mapping[str, Any], value: Any) -> list[str]:
    """What `prune` would drop, sorted, in the words of strict field validation: `unknown field "spec.foo"`."""
    found: list[str] = []
    _pruned({**schema, "x-kubernetes-embedded-resource": True}, value, "", found)
    return [f'unknown field "{path}"' for path in sorted(found)]


def _pruned(schema: Mapping[str, Any] | None, value: Any, path: str, found: list[str]) -> Any:
    if schema is not None and schema.get("x-kubernetes-preserve-unknown-fields"):
        return _preserved(schema, value, path, found)
    if isinstance(value, dict):
        return _pruned_object(schema or {}, value, path, found)
    if isinstance(value, list):
        items = schema.get("items") if schema else None
        return [_pruned(items, item, f"{path}[{index}]", found) for index, item in enumerate(value)]
    return value


def _pruned_object(schema: Mapping[str, Any], value: dict[str, Any], path: str, found: list[str]) -> dict[str, Any]:
    embedded = schema.get("x-kubernetes-embedded-resource", False)
    preserving = schema.get("x-kubernetes-preserve-unknown-fields", False)
    kept: dict[str, Any] = {}
    for key, item in value.items():
        at = f"{path}.{key}" if path else key
        if embedded and key in TYPE_FIELDS:
            kept[key] = _pruned_metadata(item, at, found) if key == "metadata" else item
            continue
        known, child = _child(schema, key)
        if known:
            kept[key] = _pruned(child, item, at, found)
        elif preserving:
            kept[key] = item
        else:
            found.append(at)
    return kept


def _preserved(schema: Mapping[str, Any], value: Any, path: str, found: list[str]) -> Any:
    """Unknown fields stay; what the schema names below is pruned as usual."""
    if isinstance(value, dict):
        return _pruned_object(schema, value, path, found)
    items = schema.get("items")
    if isinstance(value, list) and items is not None:
        return [_preserved(items, item, f"{path}[{index}]", found) for index, item in enumerate(value)]
    return value


def _pruned_metadata(value: Any, path: str, found: list[str]) -> Any:
    if not isinstance(value, dict):
        return value
    found.extend(f"{path}.{key}" for key in value if key not in METADATA_FIELDS)
    return {key: item for key, item in value.items() if key in METADATA_FIELDS}


def _child(schema: Mapping[str, Any], key: str) -> tuple[bool, Mapping[str, Any] | None]:
    """Whether the schema knows `key`, and the schema of its value."""
    properties = schema.get("properties", {})
    if key in properties:
        return True, properties[key]
    additional = schema.get("additionalProperties")
    # A boolean keeps the key but describes nothing below it, so that objects in it come out empty, as on the server.
    return additional is not None, additional if isinstance(additional, Mapping) else None
