"""How far a live object is from what it should be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.api.quantity import parse_quantity

JSON = dict[str, Any]

# Maps to which no default adds anything, and in which one key more means something else.
_WHOLE = frozenset({"selector", "labelSelector", "namespaceSelector", "podSelector", "matchLabels", "nodeSelector"})
# Fields of a pod template that no default fills: where only the live object has one, somebody has added it.
_ADDED_BY_HAND = frozenset({
    "affinity", "args", "command", "dnsConfig", "env", "envFrom", "hostAliases", "hostIPC", "hostNetwork", "hostPID",
    "imagePullSecrets", "initContainers", "lifecycle", "limits", "livenessProbe", "nodeName", "nodeSelector",
    "priorityClassName", "readinessProbe", "requests", "runtimeClassName", "serviceAccountName", "startupProbe",
    "tolerations", "topologySpreadConstraints", "volumeMounts", "volumes", "workingDir",
})  # fmt: skip
# String maps: an empty one is stored as none.
_STRINGS = frozenset({"labels", "annotations", "matchLabels", "nodeSelector", "limits", "requests"})
# Fields whose zero value is stored as none; for others, such as automountServiceAccountToken, false is not absent.
_ZEROES = frozenset({
    "hostNetwork", "hostPID", "hostIPC", "readOnly", "stdin", "stdinOnce", "tty", "minReadySeconds",
    "initialDelaySeconds",
})  # fmt: skip
# An empty text is stored as none, but for this one: it means no class, where none means the default one.
_EMPTY_MATTERS = frozenset({"storageClassName"})
# Where the server writes quantities its own way: 1000m is stored as 1.
_QUANTITIES = frozenset({"limits", "requests", "averageValue", "sizeLimit", "divisor"})


class _Absent:
    """No such key."""


_ABSENT = _Absent()


def missing_from(wanted: Mapping[str, Any], live: Mapping[str, Any]) -> JSON | None:
    """What of `wanted` the object `live` lacks or has otherwise, as a JSON merge patch (RFC 7396); `None` when nothing.

    Maps are compared key by key, and what others or the server's defaults have added does not matter. A key too many in
    a selector is taken out, and a field of a pod template that only people add, such as `env`; an annotation of the
    template is not, for `kubectl rollout restart` may be used on any Deployment. A list is compared as a whole: as many
    items, in the same order, each as above; one that differs is in the patch in full. apiVersion and kind name the
    request, they are not compared.

    A field that the server does not know, or an admission webhook changes, is missing for ever: look at
    `missing_from(wanted, answer)` of the repair before it is repeated.
    """
    found = _map({key: value for key, value in wanted.items() if key not in ("apiVersion", "kind")}, live, "")
    return found or None


def _map(wanted: Mapping[str, Any], live: Mapping[str, Any], name: str) -> JSON:
    patch: JSON = {}
    for key in live.keys() - wanted.keys():
        if name in _WHOLE or (key in _ADDED_BY_HAND and name not in _STRINGS):
            patch[key] = None
    for key, value in wanted.items():
        change = _change(value, live.get(key, _ABSENT), _field(name, key))
        if not isinstance(change, _Absent):
            patch[key] = change
    return patch


def _field(parent: str, key: str) -> str:
    """What a value is. Keys of string maps are names that users chose, and mean no field."""
    if parent in _STRINGS:
        return parent
    return "averageValue" if (parent, key) == ("target", "value") else key


def _change(wanted: Any, live: Any, name: str) -> Any:
    """The patch of one value, or `_ABSENT` when there is nothing to change."""
    if wanted is None:
        return _ABSENT
    if isinstance(wanted, Mapping):
        if isinstance(live, Mapping):
            return _map(wanted, live, name) or _ABSENT
        return _ABSENT if not wanted and name in _STRINGS and isinstance(live, _Absent) else dict(wanted)
    if isinstance(wanted, list | tuple):
        return _ABSENT if _same_list(wanted, [] if isinstance(live, _Absent) else live, name) else list(wanted)
    return _ABSENT if _same(wanted, live, name) else wanted


def _same_list(wanted: Any, live: Any, name: str) -> bool:
    if not isinstance(live, list | tuple) or len(wanted) != len(live):
        return False
    return all(isinstance(_change(one, other, name), _Absent) for one, other in zip(wanted, live, strict=True))


def _same(wanted: Any, live: Any, name: str) -> bool:
    if isinstance(wanted, bool) is isinstance(live, bool) and wanted == live:
        return True
    if isinstance(live, _Absent):
        dropped = name in _ZEROES or (wanted == "" and name not in _STRINGS | _EMPTY_MATTERS)
        return dropped and not wanted
    return name in _QUANTITIES and _same_quantity(wanted, live)


def _same_quantity(wanted: Any, live: Any) -> bool:
    try:
        return parse_quantity(wanted) == parse_quantity(live)
    except (ValueError, TypeError):
        return False
