"""Server-side apply: the fields of the applied object win, their owners are recorded, contradictions are conflicts.

Source: Kubernetes, "Server-Side Apply", and sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from canary.sandbox.apiserver.fieldsets import (
    NOTHING,
    FieldPath,
    Fields,
    children,
    compare,
    field_step,
    fields_of,
    is_granular,
    item_step,
    shown,
)
from canary.sandbox.apiserver.objects import Object, meta, with_meta
from canary.sandbox.apiserver.ownership import (
    UPDATE,
    Entries,
    Entry,
    Manager,
    owned,
    read_entries,
    unowned_removed,
    write_entries,
)
from canary.sandbox.apiserver.schema import Cause
from canary.sandbox.apiserver.shapes import Shape
from canary.sandbox.apiserver.status import Refused, apply_conflict

# Who owns what was there before anybody's fields were noted.
_BEFORE = "before-first-apply"
# Whoever applies names the object.
_NAMED: Fields = frozenset({(field_step("metadata"),)})


@dataclass(frozen=True, slots=True)
class _Conflict:
    manager: Manager
    path: FieldPath


def applied(
    shape: Shape,
    live: Object,
    config: Object,
    who: Manager,
    now: str,
    *,
    force: bool,
    before: Object | None = None,
    finish: Callable[[Object], Object] = lambda merged: merged,
) -> Object:
    """`live` after `who` applied `config`, with its managedFields.

    `finish` gets what comes out while empty maps are still in it; it may refuse it, or put its fields in order.
    `before` is what of an existing object had owners if any had been noted.

    Raises `Refused` (409) when another manager owns a field that would change and `force` is off.
    """
    entries = read_entries(live)
    if not entries and before is not None:
        first = Manager(_BEFORE, UPDATE, live["apiVersion"], who.subresource)
        entries = {first.key: Entry(first, now, _all_of(shape, before))}
    previous = entries.get(who.key, Entry(who, now, NOTHING))
    claimed = owned(fields_of(shape, unowned_removed(config)))
    others = {key: entry for key, entry in entries.items() if key != who.key}
    merged = _merge(shape, live, config)
    kept = _NAMED.union(claimed, *(entry.fields for entry in others.values()))
    merged = _drop(shape, merged, _tree(previous.fields - claimed), _tree(kept))
    merged = finish(merged)
    others = _settled(shape, live, merged, others, force=force)
    time = now if previous.fields != claimed or merged != live else previous.time
    entries = {**others, who.key: Entry(who, time, claimed)}
    merged = merged if shape.sparse else _without_empty_maps(merged)
    return with_meta(merged, managedFields=write_entries(entries.values()))


def _all_of(shape: Shape, obj: Object) -> Fields:
    return owned(compare(shape, {}, unowned_removed(obj)).added)


def _without_empty_maps(obj: Object) -> Object:
    """Empty metadata of a built-in kind is owned by who applied it, and is not kept."""
    return with_meta(obj, **{name: None for name in ("labels", "annotations") if meta(obj).get(name) == {}})


def _settled(shape: Shape, live: Object, merged: Object, others: Entries, *, force: bool) -> Entries:
    difference = compare(shape, unowned_removed(live), unowned_removed(merged))
    changed = owned(difference.added | difference.modified)
    conflicts = [_Conflict(entry.manager, path) for entry in others.values() for path in sorted(entry.fields & changed)]
    if conflicts and not force:
        raise _refusal(conflicts)
    lost = changed | difference.removed
    return {key: replace(entry, fields=entry.fields - lost) for key, entry in others.items()}


def _refusal(conflicts: list[_Conflict]) -> Refused:
    causes = [Cause(shown(item.path), "FieldManagerConflict", f"conflict with {item.manager}") for item in conflicts]
    if len(conflicts) == 1:
        only = conflicts[0]
        text = f"Apply failed with 1 conflict: conflict with {only.manager}: {shown(only.path)}"
        return apply_conflict(text, causes)
    lines = []
    for manager in sorted({str(item.manager) for item in conflicts}):
        lines.append(f"conflicts with {manager}:")
        lines += [f"- {shown(item.path)}" for item in conflicts if str(item.manager) == manager]
    return apply_conflict(f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines), causes)


def _merge(shape: Shape, live: Any, config: Any) -> Any:
    if not (is_granular(shape, live) and is_granular(shape, config) and isinstance(live, type(config))):
        return config
    if isinstance(config, dict):
        merged = dict(live)
        for name, value in config.items():
            merged[name] = _merge(shape.field(name), live[name], value) if name in live else value
        return merged
    return _merge_list(shape, live, config)


def _merge_list(shape: Shape, live: list[Any], config: list[Any]) -> list[Any]:
    item_shape = shape.item()
    wanted = {item_step(shape, item): item for item in config}
    merged = []
    for item in live:
        step = item_step(shape, item)
        merged.append(_merge(item_shape, item, wanted.pop(step)) if step in wanted else item)
    return merged + list(wanted.values())


Tree = Mapping[str, Any]


def _tree(fields: Fields) -> Tree:
    """The paths as nested steps; a member holds the empty step."""
    root: dict[str, Any] = {}
    for path in fields:
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node[""] = {}
    return root


def _is_named(shape: Shape, step: str) -> bool:
    """Whether a part is a field of its type, which goes with its last owner even when something unowned is in it.

    Source: sigs.k8s.io/structured-merge-diff, package fieldpath, `EnsureNamedFieldsAreMembers`.
    """
    return step.startswith(field_step("")) and not shape.open


def _drop(shape: Shape, value: Any, gone: Tree, kept: Tree) -> Any:
    """`value` without the members of `gone` that neither are nor hold a member of `kept`."""
    if not gone or not is_granular(shape, value):
        return value
    left = []
    for step, below_shape, below in children(shape, value):
        going, staying = gone.get(step, {}), kept.get(step, {})
        if "" in going and not staying:
            continue
        smaller = _drop(below_shape, below, going, staying)
        if going and not staying and (_is_named(shape, step) or (smaller != below and not smaller)):
            continue
        left.append((step, smaller))
    if isinstance(value, dict):
        return {step.removeprefix(field_step("")): below for step, below in left}
    return [below for _, below in left]
