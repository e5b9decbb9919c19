"""Fields that the API server keeps as the text that was sent.

Some ways of writing take the text apart and put it together with its fields in order, which to the server is another
text. Source: k8s.io/apimachinery, package runtime, `RawExtension`; k8s.io/kubernetes, package apps/validation,
`ValidateControllerRevisionUpdate`.
"""

from __future__ import annotations

from typing import Any

from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.status import Refused

RAW = {("apps", "controllerrevisions"): ("data",)}


def rewritten(kind: ResourceType, obj: Object) -> Object:
    """The object as an apply or a strategic merge patch leaves it: what is kept as text with its fields in order."""
    names = RAW.get(kind.storage, ())
    return {**obj, **{name: _ordered(obj[name]) for name in names if name in obj}} if names else obj


def entered(kind: ResourceType, obj: Object, old: Object, patch: Object) -> Object:
    """The object as a merge patch of `old` leaves it: each part that the patch goes into with its fields in order.

    Source: gopkg.in/evanphx/json-patch.v4, `MergePatch`.
    """
    names = [name for name in RAW.get(kind.storage, ()) if name in obj]
    parts = {name: _entered(obj[name], old.get(name), patch.get(name)) for name in names}
    return {**obj, **parts} if parts else obj


def check_strategic(kind: ResourceType, obj: Object, patch: Object) -> None:
    """Refuses (500) a strategic merge patch that merges within such a field: nothing is known of what is in it."""
    for name in RAW.get(kind.storage, ()):
        live, below = obj.get(name), patch.get(name)
        if not isinstance(live, dict) or not isinstance(below, dict):
            continue
        for key in sorted(below):
            if isinstance(below[key], dict | list) and type(live.get(key)) is type(below[key]):
                raise Refused(500, "", f'unable to find api field in struct RawExtension for the json field "{key}"')


def _entered(value: Any, old: Any, patch: Any) -> Any:
    if not (isinstance(value, dict) and isinstance(old, dict) and isinstance(patch, dict)):
        return value
    return {name: _entered(value[name], old.get(name), patch.get(name)) for name in sorted(value)}


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(item) for item in value] if isinstance(value, list) else value
