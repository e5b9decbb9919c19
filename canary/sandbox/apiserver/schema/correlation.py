"""Which part of an old object belongs to a part of the new one, and whether it changed.

Source: Kubernetes, "Validation ratcheting" and "Transition rules"; k8s.io/apiserver, package cel/common.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from canary.sandbox.apiserver.schema.scalars import same


class Absent:
    """No earlier value to compare with."""


ABSENT: Final = Absent()


def earlier_item(schema: Mapping[str, Any], item: Any, old: Any) -> Any:
    """The element of `old` with the same keys, or ABSENT; only a keyed list says which elements belong together."""
    names = schema.get("x-kubernetes-list-map-keys", ())
    if schema.get("x-kubernetes-list-type") != "map" or not isinstance(old, list):
        return ABSENT
    key = _key(names, item)
    if key is None:
        return ABSENT
    return next((each for each in old if (found := _key(names, each)) is not None and same(found, key)), ABSENT)


def _key(names: list[str], item: Any) -> list[Any] | None:
    if not isinstance(item, dict) or not names or any(name not in item for name in names):
        return None
    key = [item[name] for name in names]
    return key if all(isinstance(part, (str, int, float)) for part in key) else None


def earlier_value(schema: Mapping[str, Any], key: str, old: Any) -> Any:
    """The value of `key` in `old`, or ABSENT when there is none or the schema does not describe it."""
    return old[key] if isinstance(old, dict) and key in old and described(schema, key) is not None else ABSENT


def described(schema: Mapping[str, Any], key: str) -> Mapping[str, Any] | None:
    """The schema of the value of `key`."""
    found = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else None


def unchanged(schema: Mapping[str, Any], new: Any, old: Any) -> bool:
    """Equality by what `schema` describes: a value it does not describe never counts as unchanged."""
    if isinstance(new, dict) and isinstance(old, dict):
        return new.keys() == old.keys() and all(_unchanged_key(schema, key, item, old) for key, item in new.items())
    if not isinstance(new, list) or not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return same(new, old)
    return len(new) == len(old) and all(_unchanged_item(schema, item, old) for item in new)


def _unchanged_key(schema: Mapping[str, Any], key: str, item: Any, old: dict[str, Any]) -> bool:
    child = described(schema, key)
    return child is not None and unchanged(child, item, old[key])


def _unchanged_item(schema: Mapping[str, Any], item: Any, old: list[Any]) -> bool:
    before = earlier_item(schema, item, old)
    return before is not ABSENT and unchanged(schema.get("items", {}), item, before)
