"""`metadata.managedFields`: which manager set which fields.

Source: Kubernetes, "Server-Side Apply", field management.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from canary.sandbox.apiserver.fieldsets import (
    NOTHING,
    FieldPath,
    Fields,
    compare,
    field_step,
    from_fields_v1,
    to_fields_v1,
)
from canary.sandbox.apiserver.objects import Object, Path, dig, edited, meta
from canary.sandbox.apiserver.shapes import Shape

APPLY, UPDATE = "Apply", "Update"

# Nobody owns what the server itself fills in or what identifies the object.
_UNOWNED_META = (
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "generation",
    "managedFields",
    "resourceVersion",
)
_UNOWNED: Fields = frozenset({("f:metadata",), ("f:apiVersion",), ("f:kind",)})


@dataclass(frozen=True, slots=True)
class Manager:
    """Who writes: the identity of an entry."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        # An applier keeps its entry when it moves to another version.
        version = "" if self.operation == APPLY else self.api_version
        return self.operation, self.name, version, self.subresource

    def __str__(self) -> str:
        """As conflicts name it."""
        text = f'"{self.name}"'
        if self.subresource:
            text += f' with subresource "{self.subresource}"'
        if self.operation == UPDATE:
            text += f" using {self.api_version}"
        return text


@dataclass(frozen=True, slots=True)
class Entry:
    manager: Manager
    time: str
    fields: Fields


Entries = dict[tuple[str, str, str, str], Entry]


def unowned_removed(obj: Object) -> Object:
    """`obj` without what nobody owns."""
    changes: dict[str, Any] = {"apiVersion": None, "kind": None}
    metadata = edited(meta(obj), **dict.fromkeys(_UNOWNED_META))
    return edited(obj, metadata=metadata or None, **changes)


def owned(fields: Iterable[FieldPath]) -> Fields:
    return frozenset(fields) - _UNOWNED


def read_entries(obj: Object) -> Entries:
    """The entries of `obj`; those that are not understood are left out."""
    entries: Entries = {}
    for raw in meta(obj).get("managedFields") or ():
        if not isinstance(raw, dict) or not raw.get("operation"):
            continue
        manager = Manager(
            raw.get("manager", ""), raw["operation"], raw.get("apiVersion", ""), raw.get("subresource", "")
        )
        entries[manager.key] = Entry(manager, raw.get("time", ""), from_fields_v1(raw.get("fieldsV1")))
    return entries


def write_entries(entries: Iterable[Entry]) -> list[Object] | None:
    """The value of `managedFields`; `None` when nobody owns anything."""
    ordered = sorted(
        (entry for entry in entries if entry.fields),
        key=lambda entry: (entry.manager.operation, entry.time, entry.manager.name, entry.manager.api_version),
    )
    return [_encoded(entry) for entry in ordered] or None


def _encoded(entry: Entry) -> Object:
    raw: Object = {
        "manager": entry.manager.name,
        "operation": entry.manager.operation,
        "apiVersion": entry.manager.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_fields_v1(entry.fields),
    }
    if entry.manager.subresource:
        raw["subresource"] = entry.manager.subresource
    return raw


def after_update(shape: Shape, old: Object | None, new: Object, who: Manager, now: str) -> list[Object] | None:
    """The entries after `who` replaced `old` by `new` without apply: it owns what it changed, whoever owned it."""
    if old is not None and meta(new).get("managedFields") == [{}]:
        # One empty entry is how a client asks to forget all managers.
        return None
    before = unowned_removed(old) if old is not None else {}
    difference = compare(shape, before, unowned_removed(new))
    changed = owned(difference.added | difference.modified)
    lost = changed | difference.removed
    source = old if old is not None and not _edits_entries(old, new) else new
    if not lost:
        return write_entries(read_entries(new).values()) if source is new else meta(source).get("managedFields")
    entries = read_entries(source)
    if old is not None and not entries:
        # Who forgot all managers wants none, until somebody applies.
        return None
    mine = entries.get(who.key, Entry(who, now, NOTHING))
    entries = {key: replace(entry, fields=entry.fields - lost) for key, entry in entries.items()}
    entries[who.key] = replace(mine, time=now, fields=(mine.fields - lost) | changed)
    return write_entries(entries.values())


def _edits_entries(old: Object, new: Object) -> bool:
    """Whether a client has changed the entries itself. Who sends none, or one that is not understood, has not.

    Source: k8s.io/apimachinery, package util/managedfields, `FieldManager.Update`.
    """
    given = meta(new).get("managedFields")
    if not given or given == meta(old).get("managedFields"):
        return False
    return all(
        isinstance(raw, dict) and raw.get("operation") in (APPLY, UPDATE) and raw.get("fieldsType") == "FieldsV1"
        for raw in given
    )


def after_scaling(path: Path, old: Object, new: Object, who: Manager, now: str) -> list[Object] | None:
    """The entries after `who` set the number at `path` through /scale.

    Nobody owns a zero, which a Scale leaves out. Where the number stays as it was, who owns it beside other fields has
    an entry of its own for it from then on. Source: k8s.io/apimachinery, package util/managedfields, `ScaleHandler`.
    """
    number: Fields = frozenset({tuple(field_step(name) for name in path)})
    entries = read_entries(old)
    wanted = dig(new, path) or 0
    if wanted != (dig(old, path) or 0):
        entries = {key: replace(entry, fields=entry.fields - number) for key, entry in entries.items()}
        if wanted:
            entries[who.key] = Entry(who, now, number)
        return write_entries(entries.values())
    split = [
        replace(entry, fields=fields)
        for entry in entries.values()
        for fields in (
            (entry.fields - number, entry.fields & number) if entry.manager.operation == UPDATE else (entry.fields,)
        )
    ]
    return write_entries(split)
