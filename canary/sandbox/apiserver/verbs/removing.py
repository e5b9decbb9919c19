"""delete and deletecollection."""

from __future__ import annotations

from canary.kube.transport import Response
from canary.sandbox.apiserver.cluster import Call, Cluster
from canary.sandbox.apiserver.content import View, answer, decode_object, many
from canary.sandbox.apiserver.conversion import seen
from canary.sandbox.apiserver.deleting import Options, delete, options_of
from canary.sandbox.apiserver.objects import Object, meta
from canary.sandbox.apiserver.verbs.reading import predicate_of


def _options(call: Call) -> Options:
    return options_of(call, decode_object(call.request) if call.request.body.strip() else {})


def delete_one(cluster: Cluster, call: Call) -> Response:
    obj, gone = delete(cluster, call, _options(call))
    if not gone or call.kind.returns_deleted:
        return answer(200, obj)
    return answer(200, _success(call, obj))


def _success(call: Call, obj: Object) -> Object:
    details = {"name": meta(obj)["name"], "kind": call.kind.plural, "uid": meta(obj)["uid"]}
    if call.kind.group:
        details["group"] = call.kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def delete_many(cluster: Cluster, call: Call) -> Response:
    options = _options(call)
    predicate = predicate_of(call)
    namespace = call.target.namespace
    chosen = [
        (key, obj)
        for key, obj in sorted(cluster.storage.objects(call.kind.storage).items())
        if (not namespace or key[0] == namespace) and (predicate is None or predicate(obj))
    ]
    for key, _ in chosen:
        delete(cluster, call.named(key[1], key[0]), options)
    metadata = {"resourceVersion": str(cluster.storage.version)}
    return answer(200, many(call.kind, [seen(call.kind, obj) for _, obj in chosen], metadata, View(cluster.clock)))
