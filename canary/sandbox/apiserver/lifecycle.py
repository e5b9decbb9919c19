"""What follows from changes of namespaces and definitions: contents go first, then the thing itself.

Source: Kubernetes, "Namespaces" (phase Terminating) and "Delete a CustomResourceDefinition".
"""

from __future__ import annotations

from canary.sandbox.apiserver.builtin import CRDS, NAMESPACES, SERVICE_ACCOUNTS
from canary.sandbox.apiserver.cluster import Change, Cluster, finalizers
from canary.sandbox.apiserver.crds import CLEANUP_FINALIZER, types_of
from canary.sandbox.apiserver.deleting import Options, delete
from canary.sandbox.apiserver.garbage import own_call, release
from canary.sandbox.apiserver.objects import Object, dig, edited, meta
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.writing import create

ACCOUNT_AGENT = "kube-controller-manager/service-account-controller"
NAMESPACE_AGENT = "kube-controller-manager/namespace-controller"
DEFINITION_AGENT = "kube-apiserver/crd-finalizer"


def follow_namespaces(cluster: Cluster, change: Change) -> None:
    """Give a new namespace its account; empty one that is being deleted, and remove it once it is empty."""
    if change.kind is NAMESPACES:
        if change.new is not None and change.old is None:
            call = own_call(SERVICE_ACCOUNTS, (change.key[1], ""), "create", ACCOUNT_AGENT)
            create(cluster, call, {"metadata": {"name": "default"}})
        elif change.new is not None and meta(change.new).get("deletionTimestamp"):
            _empty_namespace(cluster, change.key[1])
            _finish_namespace(cluster, change.key[1])
    elif change.new is None and change.kind.namespaced:
        _finish_namespace(cluster, change.key[0])


def _empty_namespace(cluster: Cluster, namespace: str) -> None:
    for kind in cluster.registry.stored():
        if kind.namespaced:
            _delete_all(cluster, kind, cluster.in_namespace(kind, namespace), NAMESPACE_AGENT)


def _delete_all(cluster: Cluster, kind: ResourceType, objects: list[Object], agent: str) -> None:
    for obj in objects:
        if not meta(obj).get("deletionTimestamp"):
            key = (meta(obj).get("namespace", ""), meta(obj)["name"])
            delete(cluster, own_call(kind, key, "delete", agent), Options(propagation="Background"))


def _finish_namespace(cluster: Cluster, name: str) -> None:
    namespace = cluster.get(NAMESPACES, ("", name))
    if namespace is None or not meta(namespace).get("deletionTimestamp"):
        return
    if any(kind.namespaced and cluster.in_namespace(kind, name) for kind in cluster.registry.stored()):
        return
    call = own_call(NAMESPACES, ("", name), "update", NAMESPACE_AGENT)
    if finalizers(namespace):
        if dig(namespace, ("spec", "finalizers")):
            cluster.commit(call, ("", name), edited(namespace, spec={}))
    else:
        cluster.commit(call, ("", name), None)


def follow_definition(cluster: Cluster, change: Change) -> None:
    """Serve what a definition says; delete its objects with it."""
    if change.kind is not CRDS:
        _finish_definition_of(cluster, change)
        return
    name = change.key[1]
    if change.new is None:
        cluster.registry.set_custom(name, ())
        return
    if change.old is None or change.old.get("spec") != change.new.get("spec"):
        cluster.registry.set_custom(name, types_of(change.new))
    if meta(change.new).get("deletionTimestamp"):
        for kind in cluster.registry.custom(name)[:1]:
            objects = list(cluster.storage.objects(kind.storage).values())
            _delete_all(cluster, kind, objects, DEFINITION_AGENT)
        _finish_definition(cluster, name)


def _finish_definition_of(cluster: Cluster, change: Change) -> None:
    if change.new is None and change.kind.custom:
        group, plural = change.kind.storage
        _finish_definition(cluster, f"{plural}.{group}")


def _finish_definition(cluster: Cluster, name: str) -> None:
    crd = cluster.get(CRDS, ("", name))
    if crd is None or not meta(crd).get("deletionTimestamp") or CLEANUP_FINALIZER not in finalizers(crd):
        return
    storage = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
    if not cluster.storage.objects(storage):
        release(cluster, own_call(CRDS, ("", name), "update", DEFINITION_AGENT), CLEANUP_FINALIZER)
