"""Strategic merge patch, which kubectl sends for the built-in kinds: lists merge by the key of their items.

Source: Kubernetes, "Update API Objects in Place Using kubectl patch", and sig-api-machinery's strategic-merge-patch
design ($patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList).
"""

from __future__ import annotations

from typing import Any

from canary.sandbox.objects import Object
from canary.sandbox.shapes import Shape
from canary.sandbox.status import bad_request

_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"


def strategic_merge(shape: Shape, value: Object, patch: Object) -> Object:
    """`value` after `patch`. Raises `Refused` (400) for a directive that makes no sense."""
    directive = patch.get("$patch")
    if directive == "replace":
        return {key: item for key, item in patch.items() if key != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(value)
    retained = patch.get("$retainKeys")
    if isinstance(retained, list):
        merged = {key: item for key, item in merged.items() if key in retained}
    for key, item in patch.items():
        if key.startswith(_DELETE):
            _delete_members(merged, key.removeprefix(_DELETE), item)
        elif not key.startswith("$"):
            _merge_field(shape.field(key), merged, key, item, patch.get(_ORDER + key))
    for key, order in patch.items():
        if key.startswith(_ORDER) and key.removeprefix(_ORDER) not in patch:
            _reorder(shape.field(key.removeprefix(_ORDER)), merged, key.removeprefix(_ORDER), order)
    return merged


def _merge_field(shape: Shape, merged: Object, key: str, item: Any, order: Any) -> None:
    if item is None:
        merged.pop(key, None)
        return
    current = merged.get(key)
    if isinstance(item, dict):
        merged[key] = strategic_merge(shape, current if isinstance(current, dict) else {}, item)
    elif isinstance(item, list) and (_merge_key(shape) or shape.is_set):
        merged[key] = _merge_list(shape, current if isinstance(current, list) else [], item)
        if order is not None:
            _reorder(shape, merged, key, order)
    else:
        merged[key] = item


def _merge_key(shape: Shape) -> str:
    return shape.keys[0] if shape.keys else ""


def _merge_list(shape: Shape, current: list[Any], patch: list[Any]) -> list[Any]:
    key = _merge_key(shape)
    if not key:
        return current + [item for item in patch if item not in current]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if not (isinstance(item, dict) and item.get("$patch"))]
    merged = list(current)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        _merge_item(shape, merged, key, item)
    return merged


def _merge_item(shape: Shape, merged: list[Any], key: str, item: Object) -> None:
    found = [index for index, old in enumerate(merged) if isinstance(old, dict) and old.get(key) == item[key]]
    if item.get("$patch") == "delete":
        for index in reversed(found):
            del merged[index]
    elif found:
        merged[found[0]] = strategic_merge(shape.item(), merged[found[0]], item)
    else:
        merged.append(strategic_merge(shape.item(), {}, item))


def _delete_members(merged: Object, name: str, members: Any) -> None:
    current = merged.get(name)
    if isinstance(current, list) and isinstance(members, list):
        merged[name] = [item for item in current if item not in members]


def _reorder(shape: Shape, merged: Object, name: str, order: Any) -> None:
    current = merged.get(name)
    if not isinstance(current, list) or not isinstance(order, list):
        return
    key = _merge_key(shape)

    def identity(item: Any) -> Any:
        return item.get(key) if key and isinstance(item, dict) else item

    places = {str(identity(item)): place for place, item in enumerate(order)}
    # Items that the order does not name keep their place after those that it does.
    merged[name] = sorted(current, key=lambda item: places.get(str(identity(item)), len(places)))
