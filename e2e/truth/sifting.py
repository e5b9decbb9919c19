"""What of a server is the sequence's own: other objects, and what controllers write, are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canary.kube.resources import ENDPOINT_SLICES, NAMESPACES, Resource
from e2e.truth.playable import CONTROLLED

_NAMES = frozenset({"web", "other", "end"})
_REVISION = "deployment.kubernetes.io/revision"


def is_ours(resource: Resource, obj: Mapping[str, Any]) -> bool:
    return resource == NAMESPACES or obj["metadata"]["name"] in _NAMES


def narrowed(resource: Resource, query: Mapping[str, str], namespace: str) -> dict[str, str]:
    """Of Namespaces, only the sequence's own; of EndpointSlices, only those that no controller makes."""
    if resource == NAMESPACES:
        return {**query, "fieldSelector": f"metadata.name={namespace}"}
    if resource == ENDPOINT_SLICES and "labelSelector" not in query:
        return {**query, "labelSelector": "!endpointslice.kubernetes.io/managed-by"}
    return dict(query)


def ending(resource: Resource, query: Mapping[str, str], namespace: str) -> dict[str, str]:
    """`query` as a selection by which the object that ends a watch is seen."""
    query = narrowed(resource, query, namespace)
    if resource != NAMESPACES and query.get("fieldSelector") == "metadata.name=web":
        query["fieldSelector"] = "metadata.name!=other"
    if query.get("labelSelector") not in (None, "app=x", "app in (x, y)"):
        query["labelSelector"] = "app=x"
    return query


def shown(obj: Any) -> Any:
    """What is compared of an object: of what has a controller not what that writes."""
    if not isinstance(obj, dict) or "template" not in (obj.get("spec") or {}):
        return obj
    metadata = dict(obj["metadata"])
    annotations = {key: value for key, value in metadata.get("annotations", {}).items() if key != _REVISION}
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    entries = metadata.get("managedFields", ())
    metadata["managedFields"] = [entry for entry in entries if entry["manager"] != "kube-controller-manager"]
    return {**{key: value for key, value in obj.items() if key != "status"}, "metadata": metadata}


def sifted(resource: Resource, events: list[Any]) -> list[Any]:
    """The events of a watch without those about what the server's own controllers have made or changed."""
    kept: list[Any] = []
    for event in events:
        if "object" in event and not is_ours(resource, event["object"]):
            continue
        if resource in CONTROLLED and event["type"] == "MODIFIED" and _is_last(event["object"], kept):
            continue
        # How often progress is told is up to the server.
        if event["type"] == "BOOKMARK" and not event["annotations"]:
            continue
        kept.append(event)
    return kept


def _is_last(obj: Any, events: list[Any]) -> bool:
    """Whether the last of `events` about an object has told the same of it."""
    objects = [event["object"] for event in events if "object" in event]
    about = [other for other in objects if other["metadata"]["name"] == obj["metadata"]["name"]]
    return about[-1:] == [obj]
