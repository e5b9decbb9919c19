"""The metadata of an object as a client sent it: of the right types, and without what says nothing.

Source: Kubernetes API reference, ObjectMeta v1 meta; all its fields are left out of JSON when they are empty.
"""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.cluster import Call
from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.status import Refused, invalid_patch, not_handled

_TEXTS = ("name", "generateName", "namespace", "uid", "resourceVersion")
_MAPS = ("labels", "annotations")
_NO_MAP: dict[str, Any] = {}
_NOTHING: tuple[Any, ...] = (None, "", [], {})


def unfit(call: Call, detail: str) -> Refused:
    """What is refused here is no object of the kind of the call; which refusal it is depends on the verb."""
    kind = call.kind
    if call.verb == "apply":
        whose = f"{call.target.namespace}/{call.target.name}; {kind.api_version}, Kind={kind.kind}"
        return Refused(500, "", f"failed to create typed patch object ({whose}): {detail}")
    return invalid_patch(detail) if call.verb == "patch" else not_handled(kind, detail)


def with_clean_meta(call: Call, obj: Object) -> Object:
    """`obj` without empty metadata. Raises `Refused` where a field is of another type than ObjectMeta has."""
    metadata = obj.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise _misfit(call, metadata, "metadata", "v1.ObjectMeta")
    for name in _TEXTS:
        if name in metadata and not isinstance(metadata[name], str | None):
            raise _misfit(call, metadata[name], name, "string")
    for name in _MAPS:
        if name in metadata:
            _check_map(call, name, metadata[name])
    _check_lists(call, metadata)
    # Who applies an empty map owns it, although it is not kept.
    owned = _MAPS if call.verb == "apply" else ()
    kept = {name: value for name, value in metadata.items() if value not in _NOTHING or (name in owned and value == {})}
    for name in _MAPS:
        if None in kept.get(name, _NO_MAP).values():
            kept[name] = {key: value or "" for key, value in kept[name].items()}
    return {**obj, "metadata": kept}


def _check_map(call: Call, name: str, given: Any) -> None:
    if given is None:
        return
    if not isinstance(given, dict):
        raise _misfit(call, given, name, "map[string]string")
    for value in given.values():
        if not isinstance(value, str | None):
            raise _misfit(call, value, name, "string")


def _check_lists(call: Call, metadata: Object) -> None:
    for name, of, word in (("finalizers", str, "string"), ("ownerReferences", dict, "v1.OwnerReference")):
        given = metadata.get(name)
        if given is None:
            continue
        if not isinstance(given, list):
            raise _misfit(call, given, name, f"[]{word}")
        for item in given:
            if not isinstance(item, of):
                raise _misfit(call, item, name, word)


def _misfit(call: Call, value: Any, field: str, wanted: str) -> Refused:
    words = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    found = words.get(type(value), "null")
    detail = f"json: cannot unmarshal {found} into Go struct field ObjectMeta.{field} of type {wanted}"
    return unfit(call, detail)
