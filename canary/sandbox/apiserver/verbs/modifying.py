"""create, update, patch and server-side apply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from canary.api.merge_patch import merge_patch
from canary.kube.transport import Response
from canary.sandbox.apiserver import content
from canary.sandbox.apiserver.admission import check_applied_fields, check_fields, check_types
from canary.sandbox.apiserver.apply import applied
from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.content import (
    answer,
    decode,
    decode_apply,
    decode_object,
    media_type,
    negotiated,
    one,
    warning,
)
from canary.sandbox.apiserver.defaults import without_empty
from canary.sandbox.apiserver.objects import Object, edited, meta, with_meta
from canary.sandbox.apiserver.patch import json_patch
from canary.sandbox.apiserver.raw import check_strategic, entered, rewritten
from canary.sandbox.apiserver.status import Refused, bad_request, conflict, not_found, unsupported_media_type
from canary.sandbox.apiserver.strategic import strategic_merge
from canary.sandbox.apiserver.writing import check_identity, check_preconditions, create, lost_owners, shape_of, update

Produce = Callable[[Object], Object]


def post(cluster: Cluster, call: Call) -> Response:
    obj = decode_object(call.request)
    view = negotiated(call.request, cluster.clock)
    warnings = check_fields(call, obj)
    with warning(warnings):
        check_types(call, obj)
        return answer(201, one(call.kind, create(cluster, call, obj), view), warnings)


def put(cluster: Cluster, call: Call) -> Response:
    obj = decode_object(call.request)
    view = negotiated(call.request, cluster.clock)
    warnings = check_fields(call, obj)
    with warning(warnings):
        check_types(call, obj)
        return _put(cluster, call, check_identity(call, obj), view, warnings)


def _put(cluster: Cluster, call: Call, obj: Object, view: content.View, warnings: tuple[str, ...]) -> Response:
    if not meta(obj).get("name"):
        raise bad_request("the name of the object must be set")
    stored = cluster.get(call.kind, call.key)
    if stored is not None or call.kind.creates_on_update:
        # Whoever names a uid means that object and no other: that is looked at first, even where there is none.
        check_preconditions(call, stored or {"metadata": {"name": call.target.name}}, meta(obj).get("uid"), None)
    if stored is None:
        if not call.kind.creates_on_update or call.target.subresource:
            raise not_found(call.kind, call.target.name)
        return answer(201, one(call.kind, _created(cluster, call, obj), view), warnings)
    return answer(200, one(call.kind, update(cluster, call, stored, lambda _: obj), view), warnings)


def _created(cluster: Cluster, call: Call, obj: Object) -> Object:
    """A new object that was to be changed; in a dry run no new version takes the place of the one that was sent."""
    created = create(cluster, call, with_meta(obj, resourceVersion=None))
    return with_meta(created, resourceVersion=meta(obj).get("resourceVersion")) if call.dry_run else created


def patch(cluster: Cluster, call: Call) -> Response:
    """Any patch but an apply."""
    view = negotiated(call.request, cluster.clock)
    produce = producer(call)
    stored = cluster.get(call.kind, call.key)
    if stored is None:
        raise not_found(call.kind, call.target.name)
    warnings: list[str] = []

    def checked(old: Object) -> Object:
        new = produce(old)
        warnings.extend(check_fields(call, new, old))
        check_types(call, new)
        return new

    with warning(warnings):
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
        return lambda old: entered(call.kind, _merged(old, body), old, body)
    return lambda old: _strategic(call, old, body)


def _strategic(call: Call, old: Object, patch: Object) -> Object:
    check_strategic(call.kind, old, patch)
    return rewritten(call.kind, strategic_merge(shape_of(call.kind), old, patch))


def _merged(old: Object, patch: Object) -> Object:
    merged: Object = merge_patch(old, patch)
    return merged


def apply(cluster: Cluster, call: Call) -> Response:
    """Server-side apply; creates what does not exist."""
    call = replace(call, verb="apply")
    view = negotiated(call.request, cluster.clock)
    force = call.request.flag("force")
    config = check_identity(call, _configuration(call))
    stored = cluster.get(call.kind, call.key)
    if stored is None and call.target.subresource:
        raise not_found(call.kind, call.target.name)
    check_applied_fields(call, config)
    warnings = check_fields(call, config)
    if stored is None:
        return _create_applied(cluster, call, config, force=force, view=view, warnings=warnings)

    def produce(old: Object) -> Object:
        def finish(merged: Object) -> Object:
            if detail := lost_owners(cluster, call, old, merged):
                raise Refused(500, "", f"failed to convert new object: {detail}")
            # One empty map more is a change, although it is not kept. Source: `Updater.Apply`, as for `lost_owners`.
            changed = with_meta(merged, managedFields=None) != with_meta(old, managedFields=None)
            return rewritten(call.kind, merged) if changed else merged

        before = without_empty(call.kind.storage, old)
        if call.kind.status and not call.target.subresource:
            before = edited(before, status=None)
        new = applied(
            *(shape_of(call.kind), old, config, call.manager, cluster.now()), force=force, before=before, finish=finish
        )
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
    if uid := meta(config).get("uid"):
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise conflict(call.kind, call.target.name, why)
    named = with_meta({key: config[key] for key in ("apiVersion", "kind")}, name=call.target.name)
    version = meta(config).get("resourceVersion")
    config = with_meta(config, resourceVersion=None)
    obj = rewritten(call.kind, applied(shape_of(call.kind), named, config, call.manager, cluster.now(), force=force))
    created = _created(cluster, call, with_meta(obj, resourceVersion=version))
    return answer(201, one(call.kind, created, view), warnings)
