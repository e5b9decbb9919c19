"""Sets, and lists with keys (`x-kubernetes-list-type`): no element or key twice. Embedded resources: named types.

Source: Kubernetes, "Merge strategy" of server-side apply; k8s.io/apiextensions-apiserver, listtype and objectmeta.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from canary.sandbox.apiserver.schema import causes
from canary.sandbox.apiserver.schema.causes import Cause


def duplicates(schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[Cause]:
    """Elements of sets and keyed lists that occur before, at every depth."""
    for child, item, at in children(schema, value, path):
        yield from duplicates(child, item, at)
    kind = schema.get("x-kubernetes-list-type")
    if isinstance(value, list) and kind == "set":
        yield from _repeated(value, path)
    elif isinstance(value, list) and kind == "map":
        yield from _repeated_keys(schema.get("x-kubernetes-list-map-keys", []), value, path)


def untyped_resources(schema: Mapping[str, Any], value: Any, path: str = "") -> Iterator[Cause]:
    """Embedded resources without `apiVersion` or `kind`, at every depth."""
    if isinstance(value, dict) and schema.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind"):
            at = f"{path}.{name}"
            if name not in value:
                yield causes.required(at)
            elif not isinstance(value[name], str):
                yield causes.invalid(at, value[name], "must be a string")
            elif not value[name]:
                yield causes.invalid(at, "", "must not be empty")
    for child, item, at in children(schema, value, path):
        yield from untyped_resources(child, item, at)


def children(schema: Mapping[str, Any], value: Any, path: str) -> Iterator[tuple[Mapping[str, Any], Any, str]]:
    """The parts of `value` that `schema` describes: (schema, value, path); a key of a map is written `[key]`."""
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        for index, item in enumerate(value):
            yield schema["items"], item, f"{path}[{index}]"
    elif isinstance(value, dict):
        properties, additional = schema.get("properties", {}), schema.get("additionalProperties")
        for key, item in value.items():
            if key in properties:
                yield properties[key], item, f"{path}.{key}" if path else key
            elif isinstance(additional, Mapping):
                yield additional, item, f"{path}[{key}]"


def _repeated(values: Sequence[Any], path: str) -> Iterator[Cause]:
    """The second occurrence of each value; further ones are not reported, as on the server."""
    seen: dict[str, int] = {}
    for index, value in enumerate(values):
        key = json.dumps(value, sort_keys=True)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 2:
            yield causes.duplicate(f"{path}[{index}]", value)


def _repeated_keys(names: Sequence[str], values: Sequence[Any], path: str) -> Iterator[Cause]:
    for index, value in enumerate(values):
        if value is not None and not isinstance(value, dict):
            yield causes.invalid(f"{path}[{index}]", value, "must be an object for an array of list-type map")
            return
    yield from _repeated([{name: value[name] for name in names if name in (value or {})} for value in values], path)
