"""Strategic merge patch, which kubectl sends for the built-in kinds: lists merge by the key of their items.

Source: Kubernetes, "Update API Objects in Place Using kubectl patch", and sig-api-machinery's strategic-merge-patch
design ($patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList).
"""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.shapes import Shape
from canary.sandbox.apiserver.status import Refused, bad_request

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
            name = key.removeprefix(_ORDER)
            if isinstance(merged.get(name), list) and isinstance(order, list):
                merged[name] = _ordered(shape.field(name), merged[name], order, merged[name])
    return merged


def _merge_field(shape: Shape, merged: Object, key: str, item: Any, order: Any) -> None:
    if item is None:
        merged.pop(key, None)
        return
    current = merged.get(key)
    if isinstance(item, dict):
        merged[key] = strategic_merge(shape, current if isinstance(current, dict) else {}, item)
    elif isinstance(item, list) and (_merge_key(shape) or shape.is_set):
        live = current if isinstance(current, list) else []
        members = [member for member in item if not (isinstance(member, dict) and "$patch" in member)]
        merged[key] = _ordered(shape, _merge_list(shape, live, item), members, live)
        if isinstance(order, list):
            _check_order(shape, members, order)
            merged[key] = _ordered(shape, merged[key], order, live)
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


def _check_order(shape: Shape, members: list[Any], order: list[Any]) -> None:
    """Refuses (500) a list in a patch that is not in the order that it asks for."""
    key = _merge_key(shape)
    places = iter([item.get(key) if key and isinstance(item, dict) else item for item in order])
    for item in members:
        if (item[key] if key else item) not in places:
            raise Refused(
                500, "", f"The order in patch list:\n{members}\n doesn't match $setElementOrder list:\n{order}\n"
            )


def _ordered(shape: Shape, merged: list[Any], order: list[Any], live: list[Any]) -> list[Any]:
    """The items that `order` names in its order; the others go before the first of these that they preceded in `live`.

    Hence what is new goes to the front when nothing says otherwise, as it does on the real server.
    """
    key = _merge_key(shape)

    def places(items: list[Any]) -> dict[str, int]:
        return {str(item.get(key) if key and isinstance(item, dict) else item): at for at, item in enumerate(items)}

    def place(item: Any, known: dict[str, int]) -> int:
        return known.get(str(item.get(key) if key and isinstance(item, dict) else item), -1)

    wanted, before = places(order), places(live)
    named = sorted((item for item in merged if place(item, wanted) >= 0), key=lambda item: place(item, wanted))
    others = sorted((item for item in merged if place(item, wanted) < 0), key=lambda item: place(item, before))
    result: list[Any] = []
    while named and others:
        follows = 0 <= place(others[0], before) < place(named[0], before)
        result.append((others if follows else named).pop(0))
    return result + named + others
