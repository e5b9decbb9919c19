"""get and list.

Source: Kubernetes API concepts, "Resource versions" and "Retrieving large results sets in chunks".
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from canary.kube.transport import Response
from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.content import answer, many, negotiated, one
from canary.sandbox.apiserver.conversion import seen
from canary.sandbox.apiserver.objects import Object
from canary.sandbox.apiserver.selectors import Predicate, combined, field_selector, label_selector
from canary.sandbox.apiserver.status import Refused, bad_request, expired, not_found, too_large_version
from canary.sandbox.apiserver.storage import Compacted, Key

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results."
)


def get(cluster: Cluster, call: Call) -> Response:
    view = negotiated(call.request, cluster.clock)
    version_asked(cluster, call)
    stored = cluster.get(call.kind, call.key)
    if stored is None:
        raise not_found(call.kind, call.target.name)
    return answer(200, one(call.kind, seen(call.kind, stored), view))


def version_asked(cluster: Cluster, call: Call) -> int | None:
    """The resourceVersion parameter; `None` when unset. Raises `Refused` for a bad one or one of the future."""
    text = call.request.query.get("resourceVersion", "")
    if not text:
        return None
    if not text.isdecimal():
        message = f'Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise Refused(500, "", message) if call.verb == "watch" else bad_request(message)
    version = int(text)
    if version > cluster.storage.version:
        raise too_large_version(version, cluster.storage.version)
    return version


def predicate_of(call: Call) -> Predicate | None:
    """What the selectors of a call select among stored objects; a name in the path counts as one."""
    query = call.request.query
    fields = field_selector(call.kind, query.get("fieldSelector", ""))
    labels = label_selector(query.get("labelSelector", ""))
    if call.target.name:
        name = call.target.name
        return combined(lambda obj: obj["metadata"]["name"] == name, fields, labels)
    return combined(labels, fields)


def listing(cluster: Cluster, call: Call, past: int | None = None) -> Response:
    """A list, or one page of it; as of the resourceVersion `past` when a fault makes it stale."""
    view = negotiated(call.request, cluster.clock)
    query = call.request.query
    limit = _number(query.get("limit", ""))
    start, version = _from_where(cluster, call, past)
    try:
        objects = cluster.storage.snapshot(call.kind.storage, version)
    except Compacted:
        raise expired(
            _EXPIRED if start is not None else f"The resourceVersion for the provided list is too old: {version}"
        ) from None
    predicate = predicate_of(call)
    left = _left(objects, call.target.namespace, start)
    found, looked_at = _page(left, predicate, limit)
    metadata: dict[str, Any] = {"resourceVersion": str(version)}
    if looked_at < len(left):
        # Whether anything is selected of what is left is not known yet.
        metadata["continue"] = _token(version, found[-1][0])
        if predicate is None:
            metadata["remainingItemCount"] = len(left) - looked_at
    return answer(200, many(call.kind, [seen(call.kind, obj) for _, obj in found], metadata, view))


Found = list[tuple[Key, Object]]


def _left(objects: dict[Key, Object], namespace: str, start: Key | None) -> Found:
    """The objects of a namespace, or all, that come after `start`."""
    return sorted(
        (key, obj)
        for key, obj in objects.items()
        if (not namespace or key[0] == namespace) and (start is None or key > start)
    )


def _page(objects: Found, predicate: Predicate | None, limit: int) -> tuple[Found, int]:
    """The first `limit` that are selected, or all; and how many had to be looked at for that."""
    found: Found = []
    for looked_at, (key, obj) in enumerate(objects, 1):
        if predicate is None or predicate(obj):
            found.append((key, obj))
        if limit and len(found) == limit:
            return found, looked_at
    return found, len(objects)


def _from_where(cluster: Cluster, call: Call, past: int | None) -> tuple[Key | None, int]:
    """After which key a list starts, and at which version it is read."""
    query = call.request.query
    token = query.get("continue", "")
    current = cluster.storage.version
    if token:
        if query.get("resourceVersion") not in (None, "", "0"):
            raise bad_request("specifying resource version is not allowed when using continue")
        version, key = _parsed_token(token)
        return key, version
    asked = version_asked(cluster, call)
    if asked and query.get("resourceVersionMatch") == "Exact":
        return None, asked
    oldest = max(cluster.storage.oldest(call.kind.storage), asked or 0)
    return None, current if past is None else max(oldest, past)


def _number(text: str) -> int:
    if not text:
        return 0
    if not text.isdecimal():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def _token(version: int, key: Key) -> str:
    raw = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": version, "start": list(key)})
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _parsed_token(token: str) -> tuple[int, Key]:
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        value = msgspec.json.decode(raw)
        namespace, name = value["start"]
        return int(value["rv"]), (str(namespace), str(name))
    except (binascii.Error, msgspec.DecodeError, KeyError, ValueError, TypeError):
        raise bad_request("continue key is not valid: illegal base64 data or unknown version") from None
