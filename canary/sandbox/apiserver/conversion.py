"""One stored object seen through the served versions of its resource.

Custom resources use the conversion strategy None: only apiVersion changes, and fields that a version does not know
cannot be seen through it. Events have two faces, in the core group and in events.k8s.io, with other field names.
"""

from __future__ import annotations

from canary.sandbox.apiserver.objects import Object, edited
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.schema import default, prune

# Core field: field of events.k8s.io. Source: Kubernetes API reference, Event v1 events.k8s.io.
_EVENT_FIELDS = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_EMPTY: Object = {}
_EVENT_FIELDS_BACK = {new: core for core, new in _EVENT_FIELDS.items()}


def _renamed(obj: Object, names: dict[str, str], api_version: str) -> Object:
    return {**{names.get(key, key): value for key, value in obj.items()}, "apiVersion": api_version}


def _has_other_face(kind: ResourceType) -> bool:
    return kind.storage == ("", "events") and kind.group == "events.k8s.io"


def seen(kind: ResourceType, stored: Object) -> Object:
    """A stored object in the version of `kind`."""
    if kind.custom:
        return _through_schema(kind, stored) if kind.reread else restored(kind, stored)
    if _has_other_face(kind):
        return _renamed(stored, _EVENT_FIELDS, kind.api_version)
    return stored


def restored(kind: ResourceType, stored: Object) -> Object:
    """A stored object in the storage version as it is decoded, hence as the next write to it stores it.

    A creation stores no status, and an apply the empty labels and annotations of its configuration.
    """
    if not kind.custom:
        return stored
    metadata = stored["metadata"]
    if metadata.get("labels") == _EMPTY or metadata.get("annotations") == _EMPTY:
        kept = {name: value for name, value in metadata.items() if value != _EMPTY}
        stored = {**stored, "metadata": kept}
    missing = kind.default_status is not None and "status" not in stored
    return {**stored, "status": kind.default_status} if missing else stored


def _through_schema(kind: ResourceType, stored: Object) -> Object:
    version = stored["metadata"].get("resourceVersion", "")
    known = kind.seen.get(version)
    if known is not None and known[0] is stored:
        return known[1]
    obj = edited(restored(kind, stored), apiVersion=kind.api_version)
    if kind.schema is not None:
        obj = default(kind.schema, prune(kind.schema, obj))
    if len(kind.seen) >= 4096:
        kind.seen.clear()
    kind.seen[version] = (stored, obj)
    return obj


def to_storage(kind: ResourceType, obj: Object) -> Object:
    """An object of the version of `kind` as it is stored."""
    if kind.custom and kind.version != kind.storage_version:
        obj = edited(obj, apiVersion=f"{kind.group}/{kind.storage_version}")
        schema = kind.storage_schema
        return default(schema, prune(schema, obj)) if schema is not None else obj
    if _has_other_face(kind):
        return _renamed(obj, _EVENT_FIELDS_BACK, "v1")
    return obj
