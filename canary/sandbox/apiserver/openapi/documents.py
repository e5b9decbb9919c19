"""One OpenAPI document for each group and version, and the index of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from canary.sandbox.apiserver.openapi.builtin import KINDS
from canary.sandbox.apiserver.openapi.metadata import NAMES, TYPE_FIELDS, shared_schemas
from canary.sandbox.apiserver.openapi.paths import gvk, paths
from canary.sandbox.apiserver.openapi.shorthand import Schema, expand, reference
from canary.sandbox.apiserver.restype import ResourceType

Document = dict[str, Any]


def documents(kinds: Iterable[ResourceType]) -> dict[str, Document]:
    """The documents, by the path below `/openapi/v3/`: `api/v1`, `apis/apps/v1` … Costs some 10 ms: keep the answer."""
    by_version: dict[str, list[ResourceType]] = {}
    for kind in kinds:
        path = f"apis/{kind.group}/{kind.version}" if kind.group else f"api/{kind.version}"
        by_version.setdefault(path, []).append(kind)
    return {path: _document(served) for path, served in by_version.items()}


def index(found: Mapping[str, Document]) -> Document:
    """What `/openapi/v3` says. Clients cache by the hash in each address, which follows the content."""
    return {
        "paths": {
            path: {"serverRelativeURL": f"/openapi/v3/{path}?hash={_hash(document)}"}
            for path, document in found.items()
        }
    }


def _hash(document: Document) -> str:
    return hashlib.sha512(msgspec.json.encode(document)).hexdigest().upper()


def _document(kinds: Iterable[ResourceType]) -> Document:
    operations: dict[str, Any] = {}
    schemas = shared_schemas()
    for kind in kinds:
        name, list_name = schema_name(kind, kind.kind), schema_name(kind, kind.list_kind)
        operations.update(paths(kind, name, list_name))
        schemas[name] = {**_schema(kind), "x-kubernetes-group-version-kind": [gvk(kind)]}
        if "list" in kind.verbs:
            schemas[list_name] = _list_schema(kind, name)
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": "v1"},
        "paths": operations,
        "components": {"schemas": schemas},
    }


def schema_name(kind: ResourceType, word: str) -> str:
    """`io.k8s.api.apps.v1.Deployment`, `delivery.canary.v1beta1.Canary`."""
    if kind.custom or kind.group.startswith("apiextensions."):
        return ".".join((*reversed(kind.group.split(".")), kind.version, word))
    return f"io.k8s.api.{kind.group.split('.')[0] or 'core'}.{kind.version}.{word}"


def _schema(kind: ResourceType) -> Schema:
    if kind.custom:
        return _custom(kind.schema or {})
    fields = KINDS.get((kind.group, kind.kind))
    if fields is None:
        return {**expand(TYPE_FIELDS, NAMES), "x-kubernetes-preserve-unknown-fields": True}
    return expand({**fields, **TYPE_FIELDS}, NAMES)


def _custom(schema: Mapping[str, Any]) -> Schema:
    """The schema of a definition, with the fields of the type described as for other kinds."""
    shared = expand(TYPE_FIELDS, NAMES)["properties"]
    return {**schema, "type": "object", "properties": {**schema.get("properties", {}), **shared}}


def _list_schema(kind: ResourceType, name: str) -> Schema:
    list_of = {**gvk(kind), "kind": kind.list_kind}
    fields = expand({**TYPE_FIELDS, "metadata": "ListMeta | Where a watch can follow."}, NAMES)
    properties = {**fields["properties"], "items": {"type": "array", "items": reference(name)}}
    return {
        "description": f"A list of {kind.kind}.",
        "type": "object",
        "required": ["items"],
        "properties": properties,
        "x-kubernetes-group-version-kind": [list_of],
    }
