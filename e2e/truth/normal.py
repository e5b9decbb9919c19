"""What of an answer is compared: everything but what differs between two runs on one and the same server."""

from __future__ import annotations

import json
import re
from typing import Any

_TIMES = frozenset({"creationTimestamp", "deletionTimestamp", "lastTransitionTime", "lastUpdateTime"})
_ADDRESSES = frozenset({"clusterIP", "clusterIPs"})
_IDENTITIES = frozenset({"uid", "resourceVersion"})
_UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def normal(value: Any, namespace: str, *, ownership: bool = False) -> Any:
    """`value` with identities, times and addresses masked, and the test's namespace called `NAMESPACE`.

    Field managers are left out unless `ownership` is what is compared.
    """
    if isinstance(value, dict):
        # Owner references are keyed by uid in managedFields.
        return {
            _UID.sub("<uid>", key): _field(key, item, namespace, ownership)
            for key, item in value.items()
            if (ownership or key != "managedFields") and (key, item) != ("continue", "")
        }
    if isinstance(value, list):
        return [normal(item, namespace, ownership=ownership) for item in value]
    return _UID.sub("<uid>", value.replace(namespace, "NAMESPACE")) if isinstance(value, str) else value


def _field(key: str, value: Any, namespace: str, ownership: bool) -> Any:
    if value in (None, "", "None"):
        return value
    if key in _IDENTITIES or key in _TIMES or key in _ADDRESSES:
        return f"<{key}>"
    if key == "managedFields":
        return sorted((_entry(entry, namespace) for entry in value), key=_manager)
    return normal(value, namespace, ownership=ownership)


def _entry(entry: dict[str, Any], namespace: str) -> Any:
    """Who owns which leaves. When a manager came, and whether it owns a map beside what is in it, is not compared."""
    timeless = {name: item for name, item in entry.items() if name != "time"}
    return normal({**timeless, "fieldsV1": _leaves(entry.get("fieldsV1", {}))}, namespace)


def _manager(entry: dict[str, Any]) -> tuple[str, ...]:
    """Entries come in the order of their times, which may or may not be a second apart."""
    kept = ("manager", "operation", "subresource", "apiVersion")
    return *(entry.get(name, "") for name in kept), json.dumps(entry["fieldsV1"], sort_keys=True)


def _leaves(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: _leaves(inner) for name, inner in fields.items() if name != "."}


def failure(status: dict[str, Any]) -> dict[str, Any]:
    """The parts of a Status by which programs decide; its message is for people."""
    details = status.get("details") or {}
    # A cause without a field is the remark that rules were skipped.
    causes = {
        (cause.get("reason", ""), cause["field"])
        for cause in details.get("causes") or ()
        if cause.get("field", "<nil>") != "<nil>"
    }
    return {
        "kind": status.get("kind"),
        "reason": status.get("reason"),
        "status": status.get("status"),
        "code": status.get("code"),
        "causes": sorted(causes),
    }
