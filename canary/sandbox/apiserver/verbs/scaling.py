"""The /scale subresource: one number for every kind that has replicas.

Source: Kubernetes API reference, Scale v1 autoscaling; "Scale subresource" of custom resources.
"""

from __future__ import annotations

from typing import Any

from canary.kube.transport import Response
from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.content import answer, decode_object
from canary.sandbox.apiserver.conversion import seen
from canary.sandbox.apiserver.objects import Object, Path, dig, meta, planted, with_meta
from canary.sandbox.apiserver.restype import ScalePaths
from canary.sandbox.apiserver.schema import causes
from canary.sandbox.apiserver.status import bad_request, invalid, not_found
from canary.sandbox.apiserver.verbs.modifying import producer
from canary.sandbox.apiserver.writing import update


def _path(text: str) -> Path:
    return tuple(part for part in text.split(".") if part)


def _selector(value: Any) -> str:
    """A label selector as text."""
    if not isinstance(value, dict):
        return str(value or "")
    labels = value.get("matchLabels") or {}
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels))


def _scale(call: Call, paths: ScalePaths, obj: Object) -> Object:
    names = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    metadata = {name: meta(obj)[name] for name in names if name in meta(obj)}
    status: Object = {"replicas": dig(obj, _path(paths.status)) or 0}
    if paths.selector:
        status["selector"] = _selector(dig(obj, _path(paths.selector)))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": dig(obj, _path(paths.spec)) or 0},
        "status": status,
    }


def scale(cluster: Cluster, call: Call) -> Response:
    """get, update or patch."""
    paths, stored = call.kind.scale, cluster.get(call.kind, call.key)
    if stored is None or paths is None:
        raise not_found(call.kind, call.target.name)
    now = _scale(call, paths, seen(call.kind, stored))
    if call.verb == "get":
        return answer(200, now)
    wanted = decode_object(call.request) if call.verb == "update" else producer(call)(now)
    replicas = dig(wanted, ("spec", "replicas")) or 0
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise bad_request("json: cannot unmarshal value into Go struct field ScaleSpec.spec.replicas of type int32")
    if replicas < 0:
        cause = causes.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid(call.kind, call.target.name, [cause])
    expected = {name: meta(wanted).get(name) for name in ("uid", "resourceVersion")}

    def produce(old: Object) -> Object:
        kept = {name: value or meta(old)[name] for name, value in expected.items()}
        return with_meta(planted(old, _path(paths.spec), replicas), **kept)

    return answer(200, _scale(call, paths, update(cluster, call, stored, produce)))
