"""Sets of fields, as `metadata.managedFields` records them, and what two versions of an object differ in.

A path is a tuple of the steps of the FieldsV1 format: `f:name` a field, `k:{"name":"x"}` an item of a list with keys,
`v:"x"` a member of a set; a set of fields is a frozenset of such paths. Source: Kubernetes, "Server-Side Apply", and
sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from canary.sandbox.apiserver.shapes import Shape

FieldPath = tuple[str, ...]
Fields = frozenset[FieldPath]
NOTHING: Fields = frozenset()
# A field, an item by its keys, by its value, by its place; steps of other sorts are passed over.
_SORTS = frozenset({"f", "k", "v", "i"})

# Sets whose two forms are kept; a cluster has few distinct ones, and each write needs all of its object.
_REMEMBERED = 4096


def field_step(name: str) -> str:
    return f"f:{name}"


def item_step(shape: Shape, item: Any) -> str:
    """The step to `item` of a list of `shape`, which has keys or is a set."""
    if shape.is_set:
        return "v:" + json.dumps(item, separators=(",", ":"))
    values = {key: item.get(key, shape.key_default(key)) for key in shape.keys} if isinstance(item, dict) else {}
    present = {key: value for key, value in values.items() if value is not None}
    return "k:" + json.dumps(present, separators=(",", ":"), sort_keys=True)


def is_granular(shape: Shape, value: Any) -> bool:
    """Whether parts of `value` can have different owners."""
    if isinstance(value, dict):
        return not shape.atomic
    return isinstance(value, list) and (shape.is_set or bool(shape.keys))


def children(shape: Shape, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    """The parts of a granular value: step, shape, value."""
    if isinstance(value, dict):
        for name, below in value.items():
            yield field_step(name), shape.field(name), below
    else:
        item_shape = shape.item()
        for below in value:
            yield item_step(shape, below), item_shape, below


def fields_of(shape: Shape, value: Any) -> Fields:
    """Every field that `value` sets: what an apply of it claims."""
    found: set[FieldPath] = set()
    _collect(shape, value, (), found)
    return frozenset(found)


def _collect(shape: Shape, value: Any, path: FieldPath, found: set[FieldPath]) -> None:
    if not is_granular(shape, value):
        found.add(path)
        return
    if path and not value and isinstance(value, dict):
        found.add(path)
    for step, below_shape, below in children(shape, value):
        if isinstance(value, list) or (shape.open and path):
            found.add((*path, step))
        _collect(below_shape, below, (*path, step), found)


@dataclass(slots=True)
class Difference:
    """What changed between two versions of an object."""

    added: set[FieldPath]
    modified: set[FieldPath]
    removed: set[FieldPath]


def compare(shape: Shape, old: Any, new: Any) -> Difference:
    """The fields in which `new` differs from `old`."""
    difference = Difference(set(), set(), set())
    _compare(shape, old, new, (), difference)
    return difference


def _compare(shape: Shape, old: Any, new: Any, path: FieldPath, difference: Difference) -> None:
    if old is new or old == new:
        return
    if not (is_granular(shape, old) and is_granular(shape, new) and isinstance(old, type(new))):
        # A value that changes its sort belongs to whoever changed it, with all that is below.
        difference.modified.add(path)
        _whole(shape, old, path, difference.removed)
        _whole(shape, new, path, difference.added)
        return
    before = {step: (below_shape, below) for step, below_shape, below in children(shape, old)}
    for step, below_shape, below in children(shape, new):
        previous = before.pop(step, None)
        if previous is None:
            _appear(below_shape, below, (*path, step), difference.added)
        else:
            _compare(below_shape, previous[1], below, (*path, step), difference)
    for step, (below_shape, below) in before.items():
        _appear(below_shape, below, (*path, step), difference.removed)


def _whole(shape: Shape, value: Any, path: FieldPath, found: set[FieldPath]) -> None:
    if is_granular(shape, value):
        for step, below_shape, below in children(shape, value):
            _appear(below_shape, below, (*path, step), found)


def _appear(shape: Shape, value: Any, path: FieldPath, found: set[FieldPath]) -> None:
    """A value that is on one side only: all its leaves, and every list and map in it that can be absent.

    A part of a built-in kind that is not a map of free keys is never absent, only empty.
    """
    if not is_granular(shape, value):
        found.add(path)
        return
    if isinstance(value, list) or not value or shape.open or shape.sparse or path[-1].startswith(("k:", "v:")):
        found.add(path)
    for step, below_shape, below in children(shape, value):
        _appear(below_shape, below, (*path, step), found)


@lru_cache(maxsize=_REMEMBERED)
def to_fields_v1(fields: Fields) -> dict[str, Any]:
    """The nested form: a leaf is `{}`, a member that has members below holds `"."`. Shared: not to be changed."""
    root: dict[str, Any] = {}
    members: list[dict[str, Any]] = []
    for path in sorted(fields):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        members.append(node)
    for node in members:
        if node:
            node["."] = {}
    return _ordered(root)


def _ordered(node: dict[str, Any]) -> dict[str, Any]:
    return {step: _ordered(node[step]) for step in sorted(node)}


def from_fields_v1(tree: Any) -> Fields:
    """The set in the nested form; what is not understood is left out."""
    return _parsed(msgspec.json.encode(tree))


@lru_cache(maxsize=_REMEMBERED)
def _parsed(encoded: bytes) -> Fields:
    tree = msgspec.json.decode(encoded)
    found: set[FieldPath] = set()
    _parse(tree, (), found)
    return frozenset(found)


def _parse(tree: Any, path: FieldPath, found: set[FieldPath]) -> None:
    if not isinstance(tree, dict):
        return
    if path and (not tree or "." in tree):
        found.add(path)
    for step, below in tree.items():
        if step.partition(":")[0] in _SORTS:
            _parse(below, (*path, step), found)


def shown(path: FieldPath) -> str:
    """A path as conflicts print it: `.spec.containers[name="web"].image`."""
    return "".join(_shown_step(step) for step in path)


def _shown_step(step: str) -> str:
    sort, _, rest = step.partition(":")
    if sort == "f":
        return f".{rest}"
    if sort == "v":
        return f"[={rest}]"
    keys = json.loads(rest)
    return "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in keys.items()) + "]"
