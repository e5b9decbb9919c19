"""Kubernetes objects as plain dicts that are never changed in place: every edit gives a new dict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Object = dict[str, Any]
Path = tuple[str, ...]


def meta(obj: Object) -> Object:
    """The metadata of `obj`, or an empty dict."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def edited(obj: Object, **changes: Any) -> Object:
    """`obj` with top-level fields replaced; `None` removes one."""
    return {key: value for key, value in {**obj, **changes}.items() if not (key in changes and value is None)}


def with_meta(obj: Object, **changes: Any) -> Object:
    """`obj` with metadata fields replaced; `None` removes one."""
    return {**obj, "metadata": edited(meta(obj), **changes)}


def dig(obj: Any, path: Iterable[str]) -> Any:
    """The value at `path`, or `None`."""
    for step in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(step)
    return obj


def planted(obj: Object, path: Path, value: Any) -> Object:
    """`obj` with `value` at `path`; parents that are missing are made."""
    if not path:
        return value if isinstance(value, dict) else obj
    head, rest = path[0], path[1:]
    if not rest:
        return {**obj, head: value}
    below = obj.get(head)
    return {**obj, head: planted(below if isinstance(below, dict) else {}, rest, value)}


def copied(value: Any) -> Any:
    """A deep copy of JSON data."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value
