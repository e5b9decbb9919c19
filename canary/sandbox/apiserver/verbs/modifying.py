"""create, update, patch and server-side apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from canary.kube.transport import Response
from canary.sandbox.apiserver import content
from canary.sandbox.apiserver.admission import check_applied_fields, check_fields
from canary.sandbox.apiserver.apply import applied
from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.content import answer, decode, decode_apply, decode_object, media_type, negotiated, one
from canary.sandbox.apiserver.objects import Object, edited, meta, with_meta
from canary.sandbox.apiserver.patch import json_patch, merge_patch
from canary.sandbox.apiserver.status import bad_request, conflict, not_found, unsupported_media_type
from canary.sandbox.apiserver.strategic import strategic_merge
from canary.sandbox.apiserver.writing import check_identity, create, shape_of, update

Produce = Callable[[Object], Object]


def post(cluster: Cluster, call: Call) -> Response:
    obj = decode_object(call.request)
    view = negotiated(call.request, cluster.clock)
    warnings = check_fields(call, obj)
    return answer(201, one(call.kind, create(cluster, call, obj), view), warnings)


def put(cluster: Cluster, call: Call) -> Response:
    obj = decode_object(call.request)
    view = negotiated(call.request, cluster.clock)
    warnings = check_fields(call, obj)
    obj = check_identity(call, obj)
    if not meta(obj).get("name"):
        raise bad_request("the name of the object must be set")
    stored = cluster.get(call.kind, call.key)
    if stored is None:
        if not call.kind.creates_on_update or call.target.subresource:
            raise not_found(call.kind, call.target.name)
        return answer(201, one(call.kind, create(cluster, call, with_meta(obj, resourceVersion=None)), view), warnings)
    return answer(200, one(call.kind, update(cluster, call, stored, lambda _: obj), view), warnings)


def patch(cluster: Cluster, call: Call) -> Response:
    """Any patch but an apply."""
    view = negotiated(call.request, cluster.clock)
    produce = producer(call)
    stored = cluster.get(call.kind, call.key)
    if stored is None:
        raise not_found(call.kind, call.target.name)
    warnings: tuple[str, ...] = ()

    def checked(old: Object) -> Object:
        nonlocal warnings
        new = produce(old)
        warnings = check_fields(call, new, old)
        return new

    return answer(200, one(call.kind, update(cluster, call, stored, checked), view), warnings)


def producer(call: Call) -> Produce:
    """What the patch in the body does to an object. Raises `Refused`: 400 or 415."""
    sort, body = media_type(call.request), decode(call.request)
    if sort == content.JSON_PATCH:
        return lambda old: json_patch(old, body)
    supported = [content.JSON_PATCH, content.MERGE, content.APPLY]
    if not call.kind.custom:
        supported.append(content.STRATEGIC)
    if sort not in supported:
        raise unsupported_media_type(sort or "none", supported)
    if not isinstance(body, dict):
        raise bad_request("the patch must be an object")
    if sort == content.MERGE:
        return lambda old: _merged(old, body)
    shape = shape_of(call.kind)
    return lambda old: strategic_merge(shape, old, body)


def _merged(old: Object, patch: Object) -> Object:
    merged: Object = merge_patch(old, patch)
    return merged


def apply(cluster: Cluster, call: Call) -> Response:
    """Server-side apply; creates what does not exist."""
    call = replace(call, verb="apply")
    view = negotiated(call.request, cluster.clock)
    force = call.request.flag("force")
    config = check_identity(call, _configuration(call))
    check_applied_fields(call, config)
    warnings = check_fields(call, config)
    stored = cluster.get(call.kind, call.key)
    if stored is None:
        return _create_applied(cluster, call, config, force=force, view=view, warnings=warnings)

    def produce(old: Object) -> Object:
        new = applied(shape_of(call.kind), old, config, call.manager, cluster.now(), force=force)
        # An apply that names a version or uid insists on it.
        version, uid = meta(config).get("resourceVersion"), meta(config).get("uid")
        return with_meta(new, resourceVersion=version or meta(old)["resourceVersion"], uid=uid or meta(old)["uid"])

    return answer(200, one(call.kind, update(cluster, call, stored, produce), view), warnings)


def _configuration(call: Call) -> Object:
    config = decode_apply(call.request)
    for name in ("apiVersion", "kind"):
        if not config.get(name):
            raise bad_request(f"error decoding YAML: Object '{name}' is missing")
    if meta(config).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    subresource = call.target.subresource
    if call.kind.status:
        # Each endpoint owns its part only.
        config = _status_only(config) if subresource == "status" else edited(config, status=None)
    return config


def _status_only(config: Object) -> Object:
    kept: Object = {name: config[name] for name in ("apiVersion", "kind", "status") if name in config}
    names = {
        name: value for name, value in meta(config).items() if name in ("name", "namespace", "uid", "resourceVersion")
    }
    return {**kept, "metadata": names}


def _create_applied(
    cluster: Cluster, call: Call, config: Object, *, force: bool, view: content.View, warnings: tuple[str, ...]
) -> Response:
    if call.target.subresource:
        raise not_found(call.kind, call.target.name)
    if uid := meta(config).get("uid"):
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(call.kind, call.target.name, why)
    named = with_meta({key: config[key] for key in ("apiVersion", "kind")}, name=call.target.name)
    obj = applied(shape_of(call.kind), named, config, call.manager, cluster.now(), force=force)
    return answer(201, one(call.kind, create(cluster, call, obj), view), warnings)
