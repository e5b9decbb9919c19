"""The /scale subresource: one number for every kind that has replicas.

Source: Kubernetes API reference, Scale v1 autoscaling; "Scale subresource" of custom resources.
"""

from __future__ import annotations

from typing import Any

from canary.kube.transport import Response
from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.content import answer, decode_object
from canary.sandbox.apiserver.conversion import seen
from canary.sandbox.apiserver.objects import Object, dig, meta, planted, with_meta
from canary.sandbox.apiserver.restype import ScalePaths, steps
from canary.sandbox.apiserver.schema import causes
from canary.sandbox.apiserver.selectors import as_text
from canary.sandbox.apiserver.status import bad_request, invalid, invalid_patch, not_found
from canary.sandbox.apiserver.verbs.modifying import producer
from canary.sandbox.apiserver.writing import update


def _selector(value: Any) -> str:
    """A label selector as text."""
    if not isinstance(value, dict):
        return str(value or "")
    return as_text(value)


def _scale(call: Call, paths: ScalePaths, obj: Object) -> Object:
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {name: meta(obj)[name] for name in names if name in meta(obj)}
    status: Object = {"replicas": dig(obj, steps(paths.status)) or 0}
    if paths.selector:
        status["selector"] = _selector(dig(obj, steps(paths.selector)))
    replicas = dig(obj, paths.replicas) or 0
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        # Zero is left out of JSON.
        "spec": {"replicas": replicas} if replicas else {},
        "status": status,
    }


def scale(cluster: Cluster, call: Call) -> Response:
    """get, update or patch."""
    # A body is judged before the object is looked for.
    given = _judged(call, decode_object(call.request)) if call.verb == "update" else {}
    paths, stored = call.kind.scale, cluster.get(call.kind, call.key)
    if stored is None or paths is None:
        raise not_found(call.kind, call.target.name)
    now = _scale(call, paths, seen(call.kind, stored))
    if call.verb == "get":
        return answer(200, now)
    wanted = given if call.verb == "update" else _judged(call, producer(call)(now))
    replicas = dig(wanted, ("spec", "replicas")) or 0
    if replicas < 0:
        cause = causes.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(call.kind, call.target.name, [cause])
    expected = {name: meta(wanted).get(name) for name in ("uid", "resourceVersion")}

    def produce(old: Object) -> Object:
        kept = {name: value or meta(old)[name] for name, value in expected.items()}
        return with_meta(planted(old, paths.replicas, replicas), **kept)

    return answer(200, _scale(call, paths, update(cluster, call, stored, produce)))


def _judged(call: Call, scale: Object) -> Object:
    """`scale`, if its number is one. Raises `Refused`: 400, or 422 for a patch."""
    replicas = dig(scale, ("spec", "replicas"))
    if isinstance(replicas, bool) or not isinstance(replicas, int | None):
        detail = "json: cannot unmarshal value into Go struct field ScaleSpec.spec.replicas of type int32"
        raise invalid_patch(detail) if call.verb == "patch" else bad_request(detail)
    return scale
