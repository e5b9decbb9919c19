"""Paths and operations of a resource.

kubectl finds the schema of a resource by its path, and sees by the parameter `fieldValidation` of PATCH that the server
validates fields itself. Strategic merge patches are served but not listed: kubectl would then want the merge keys of
every field from these schemas, which have only the most used ones; without them it takes those that it was built with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from canary.sandbox.apiserver.openapi.shorthand import Schema, reference
from canary.sandbox.apiserver.restype import ResourceType

_WRITE_PARAMETERS = ("dryRun", "fieldManager", "fieldValidation")
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")


def paths(kind: ResourceType, schema: str, list_schema: str) -> dict[str, Any]:
    """The path items of `kind`, whose schemas have these names."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    collection = f"{root}/{'namespaces/{namespace}/' if kind.namespaced else ''}{kind.plural}"
    space = ["namespace"] if kind.namespaced else []
    item = [*space, "name"]
    found = {
        collection: _item(kind, space, _collection(kind, schema, list_schema)),
        f"{collection}/{{name}}": _item(kind, item, _single(kind, schema)),
    }
    if kind.namespaced and "list" in kind.verbs:
        found[f"{root}/{kind.plural}"] = _item(kind, [], {"get": _operation(kind, "list", list_schema)})
    if kind.status:
        found[f"{collection}/{{name}}/status"] = _item(kind, item, _single(kind, schema, ("get", "update", "patch")))
    return {path: operations for path, operations in found.items() if len(operations) > 1}


def _collection(kind: ResourceType, schema: str, list_schema: str) -> dict[str, Any]:
    every = {
        "get": ("list", _operation(kind, "list", list_schema)),
        "post": ("create", _operation(kind, "post", schema, body=schema)),
        "delete": ("deletecollection", _operation(kind, "deletecollection", "")),
    }
    return {method: operation for method, (verb, operation) in every.items() if verb in kind.verbs}


def _single(kind: ResourceType, schema: str, verbs: Iterable[str] | None = None) -> dict[str, Any]:
    every = {
        "get": ("get", _operation(kind, "get", schema)),
        "put": ("update", _operation(kind, "put", schema, body=schema)),
        "patch": ("patch", _operation(kind, "patch", schema, media=_PATCHES)),
        "delete": ("delete", _operation(kind, "delete", "")),
    }
    allowed = set(kind.verbs if verbs is None else verbs)
    return {method: operation for method, (verb, operation) in every.items() if verb in allowed}


def _item(kind: ResourceType, names: Iterable[str], operations: dict[str, Any]) -> dict[str, Any]:
    where = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
    return {**operations, "parameters": where}


def _operation(
    kind: ResourceType, action: str, answer: str, *, body: str = "", media: Iterable[str] = ("application/json",)
) -> dict[str, Any]:
    content = {"application/json": {"schema": reference(answer) if answer else {"type": "object"}}}
    operation: dict[str, Any] = {
        "tags": [f"{kind.group or 'core'}_{kind.version}"],
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": gvk(kind),
        "responses": {"200": {"description": "OK", "content": content}},
    }
    if action in ("post", "put", "patch"):
        named = (*_WRITE_PARAMETERS, "force") if action == "patch" else _WRITE_PARAMETERS
        operation["parameters"] = [_parameter(name) for name in named]
        sent: Schema = reference(body) if body else {"type": "object"}
        operation["requestBody"] = {"required": True, "content": {name: {"schema": sent} for name in media}}
    return operation


def _parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": "boolean" if name == "force" else "string"}}


def gvk(kind: ResourceType) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
