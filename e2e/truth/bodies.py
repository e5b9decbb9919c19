"""The bodies of requests, once it is known which versions and identities the objects have."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from canary.kube.resources import NAMESPACES, Resource
from e2e.truth.objects import owner
from e2e.truth.operations import Operation, Which
from e2e.truth.playable import Kind
from e2e.truth.probe import typed

_NOBODY = "12345678-0000-4000-8000-000000000000"


@dataclass(slots=True)
class Bodies:
    """What one run of a sequence has seen of each object, oldest first, and the bodies that refer to that.

    `start` is the resourceVersion before the sequence.
    """

    namespace: str
    start: str = ""
    _seen: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def name(self, resource: Resource, name: str) -> str:
        """There is but the namespace of the sequence."""
        return self.namespace if resource == NAMESPACES else name

    def see(self, resource: Resource, name: str, obj: dict[str, Any]) -> None:
        self._seen.setdefault(self._key(resource, name), []).append(obj)

    def see_instead(self, resource: Resource, name: str, obj: dict[str, Any]) -> None:
        """`obj` is what became of the object that was seen last."""
        self._seen.setdefault(self._key(resource, name), [])[-1:] = [obj]

    def known(self, operation: Operation, which: Which, field_name: str) -> str:
        """The `resourceVersion` or `uid` that an operation refers to."""
        seen = self._of(operation.resource, operation.name)
        if which is Which.FOREIGN or not seen:
            return _NOBODY if field_name == "uid" else self.start
        value: str = seen[-1 if which is Which.FRESH else 0]["metadata"].get(field_name) or self.start
        return value

    def of(self, operation: Operation) -> Any:
        """The body of a request of any verb that has one."""
        match operation.verb:
            case "create":
                return self._created(operation)
            case "update":
                return self._whole(operation)
            case "scale":
                return self._scale(operation)
            case "patch":
                return self._patch(operation)
            case "apply":
                return self._applied(operation)
            case "delete":
                return self._options(operation)
            case _:
                return None

    def built(self, kind: Kind, name: str) -> dict[str, Any]:
        """An object as its kind makes it."""
        made = kind.build(self.name(kind.resource, name))
        filled: dict[str, Any] = json.loads(json.dumps(made).replace("NAMESPACE", self.namespace))
        return filled

    def _created(self, operation: Operation) -> Any:
        made = merged(self.built(operation.kind, operation.name), operation.body)
        if operation.owner is not None:
            parents = self._of(operation.owner, "web")
            parent = parents[-1] if parents else {"metadata": {"name": "web", "uid": _NOBODY}}
            made["metadata"]["ownerReferences"] = [owner(operation.owner, parent, blockOwnerDeletion=True)]
        return {**typed(operation.resource), **made}

    def _whole(self, operation: Operation) -> Any:
        base = self.built(operation.kind, operation.name)
        seen = self._of(operation.resource, operation.name)
        if operation.base is not Which.NONE and seen:
            base = seen[-1 if operation.base is Which.FRESH else 0]
        whole = merged({**base, **typed(operation.resource)}, operation.body)
        # Of the base neither counts.
        identity = {"resourceVersion": None, "uid": None, **self._identity(operation)}
        return merged(whole, {"metadata": identity})

    def _scale(self, operation: Operation) -> Any:
        metadata = {"name": operation.name, "namespace": self.namespace, **self._identity(operation)}
        return {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, **operation.body}

    def _patch(self, operation: Operation) -> Any:
        if not isinstance(operation.body, dict):
            return operation.body
        identity = self._identity(operation)
        return merged(operation.body, {"metadata": identity}) if identity else operation.body

    def _applied(self, operation: Operation) -> Any:
        built = {"metadata": {}} if operation.sub else self.built(operation.kind, operation.name)
        whole = merged({**typed(operation.resource), **built}, operation.body)
        name = self.name(operation.resource, operation.name)
        return merged(whole, {"metadata": {"name": name, **self._identity(operation)}})

    def _options(self, operation: Operation) -> Any:
        conditions = self._identity(operation)
        return {**operation.body, "preconditions": conditions} if conditions else operation.body

    def _identity(self, operation: Operation) -> dict[str, Any]:
        parts = (("resourceVersion", operation.version), ("uid", operation.uid))
        return {name: self.known(operation, which, name) for name, which in parts if which is not Which.NONE}

    def _of(self, resource: Resource, name: str) -> list[dict[str, Any]]:
        return self._seen.get(self._key(resource, name), [])

    def _key(self, resource: Resource, name: str) -> tuple[str, str]:
        return resource.plural, self.name(resource, name)


def merged(base: Any, edit: Any) -> Any:
    """`base` with a merge patch in it. Source: RFC 7386."""
    if not isinstance(edit, dict):
        return edit
    result = dict(base) if isinstance(base, dict) else {}
    for key, value in edit.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result
