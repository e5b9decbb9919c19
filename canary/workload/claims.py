"""Our claims to fields of objects that others apply: noted, and dropped before anybody meets a conflict with us.

A write takes over what it changes: the API server notes its manager in metadata.managedFields, and refuses whoever
applies another value on the server's side afterwards, unless by force. Of the objects of others we write fields whose
owner we want to hear: what is applied next is the size that is asked for. So our claim is edited away, which clients
may do, and the field belongs to nobody until it is applied again. No write can change a field and claim nothing, so
this takes a second one.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#conflicts, #transferring-ownership
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from canary.api.meta import ManagedFields
from canary.api.names import APPLIED_BY_ANNOTATION, CONTROLLER_MANAGER
from canary.api.tracking import ARGO_CD, FORCING, Writer, writers_of

JSON = dict[str, Any]
REPLICAS, SELECTOR = "replicas", "selector"
_SPEC = "f:spec"


def managed_fields(obj: Mapping[str, Any]) -> tuple[ManagedFields, ...]:
    """The entries of an object's metadata.managedFields, in their order."""
    entries = msgspec.json.encode(obj["metadata"].get("managedFields") or ())
    return msgspec.json.decode(entries, type=tuple[ManagedFields, ...])


def applier(obj: Mapping[str, Any], field: str) -> str:
    """Who applies `spec.<field>` on the server's side and does not force it: now, or until we wrote it."""
    return _applier(obj, field)[1]


def noted(obj: Mapping[str, Any], field: str) -> dict[str, str]:
    """The annotation that remembers `applier` once `obj` is written: with our write its own claim is gone.

    It is void as soon as that manager applies something else without the field.
    """
    time, manager = _applier(obj, field)
    return {APPLIED_BY_ANNOTATION: f"{time} {manager}"} if manager else {}


def without_ours(obj: Mapping[str, Any]) -> list[JSON] | None:
    """The managedFields of somebody else's object without our claims to its spec; `None` where nobody would meet them.

    They are of use to Argo CD, which forces what it applies and can leave alone what is ours.
    """
    entries = managed_fields(obj)
    appliers = {entry.manager for entry in entries if _applies(entry)}
    if ARGO_CD in appliers or not (appliers - FORCING or APPLIED_BY_ANNOTATION in _annotations(obj)):
        return None
    ours = [index for index, entry in enumerate(entries) if _holds_spec(entry)]
    if not ours:
        return None
    found = [_encoded(entry, without_spec=index in ours) for index, entry in enumerate(entries)]
    return [entry for entry in found if entry["fieldsV1"]]


def _applier(obj: Mapping[str, Any], field: str) -> tuple[str, str]:
    """When, and by whom."""
    entries = managed_fields(obj)
    holders = (writer for writer in writers_of(field, entries) if writer.operation == "Apply")
    if (found := next((writer for writer in holders if writer.manager not in FORCING), None)) is not None:
        return found.time, found.manager
    time, _, manager = _annotations(obj).get(APPLIED_BY_ANNOTATION, "").partition(" ")
    since = [Writer(e.manager, e.operation, e.time) for e in entries if e.manager == manager and _applies(e)]
    return ("", "") if any(writer.time != time for writer in since) else (time, manager)


def _applies(entry: ManagedFields) -> bool:
    return entry.operation == "Apply" and not entry.subresource and entry.manager != CONTROLLER_MANAGER


def _holds_spec(entry: ManagedFields) -> bool:
    ours = entry.manager == CONTROLLER_MANAGER and not entry.subresource
    return ours and _SPEC in msgspec.json.decode(entry.fields_v1, type=dict[str, msgspec.Raw])


def _encoded(entry: ManagedFields, *, without_spec: bool) -> JSON:
    """The entry as the API server has it, which leaves out what is empty."""
    fields: JSON = msgspec.json.decode(entry.fields_v1)
    if without_spec:
        fields = {name: below for name, below in fields.items() if name != _SPEC}
    whole: JSON = msgspec.json.decode(msgspec.json.encode(entry))
    known = {name: value for name, value in whole.items() if value != ""}
    return known | {"fieldsType": "FieldsV1", "fieldsV1": fields}


def _annotations(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}
