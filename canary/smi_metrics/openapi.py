"""The OpenAPI documents of the API, in versions 2 and 3: enough for `kubectl explain`, and for the API server to merge.

Source: Kubernetes, "The Kubernetes API", OpenAPI interface definition.
"""

from __future__ import annotations

from typing import Any

from canary import __version__
from canary.smi_metrics.kinds import EDGES, GROUP, PREFIX, SERVED, VERSION

_NAME = "io.smi-spec.metrics.v1alpha1.TrafficMetrics"
_INFO = {"title": "SMI traffic metrics", "version": __version__}
_TEXT = {"type": "string"}


def _object(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "description": description, "properties": properties}


def _described(description: str, shape: dict[str, Any] = _TEXT) -> dict[str, Any]:
    return {**shape, "description": description}


def _kind(kind: str) -> dict[str, str]:
    return {"group": GROUP, "kind": kind, "version": VERSION}


_REFERENCE = {
    "kind": _described("Kind of the object."),
    "namespace": _described("Its namespace; absent for a namespace."),
    "name": _described("Its name."),
}
_METRIC = {
    "name": _described(
        "p50_response_latency, p90_response_latency, p99_response_latency, success_count, failure_count."
    ),
    "unit": _described("ms for latencies."),
    "value": _described("A quantity. What is unknown is not listed."),
}
_EDGE = {
    "direction": _described("from: requests that the resource was sent; to: requests that it sent."),
    "side": _described("client: the sender's side measured it. Absent where the receiver's did."),
    "resource": _object("The other end; null where anybody is meant.", _REFERENCE),
}
SCHEMA: dict[str, Any] = {
    **_object(
        "Requests that an object was sent within a window, and how they were answered.",
        {
            "apiVersion": _TEXT,
            "kind": _TEXT,
            "metadata": {"type": "object", "description": "Name and namespace of the object."},
            "timestamp": _described("When the newest of the numbers was scraped."),
            "window": _described("The time that the numbers are of, as ?t asks for it: 30s without it."),
            "resource": _object("The object that the numbers are of.", _REFERENCE),
            "edge": _object("Whose requests they are.", _EDGE),
            "metrics": {"type": "array", "items": _object("One number.", _METRIC), "description": "The numbers."},
        },
    ),
    # Of the objects, and those by which kubectl finds this schema: see `Served.discovered`.
    "x-kubernetes-group-version-kind": [
        _kind(kind) for kind in ("TrafficMetrics", *(served.discovered for served in SERVED), EDGES)
    ],
}


def version_2() -> dict[str, Any]:
    """The document behind /openapi/v2."""
    return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {_NAME: SCHEMA}}


def index() -> dict[str, Any]:
    """The document behind /openapi/v3: where that of the group is."""
    return {"paths": {PREFIX.strip("/"): {"serverRelativeURL": f"/openapi/v3{PREFIX}?hash={__version__}"}}}


def version_3() -> dict[str, Any]:
    """The document of the group."""
    paths = {}
    for served in SERVED:
        scope = "/namespaces/{namespace}" if served.namespaced else ""
        paths[f"{PREFIX}{scope}/{served.plural}/{{name}}"] = {"get": _operation(served.discovered)}
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": {_NAME: SCHEMA}}}


def _operation(kind: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{_NAME}"}
    return {
        "operationId": f"read{kind}",
        "responses": {"200": {"description": "OK", "content": {"application/json": {"schema": schema}}}},
        "x-kubernetes-action": "get",
        "x-kubernetes-group-version-kind": _kind(kind),
    }
