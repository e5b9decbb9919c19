"""Creating and changing an object: metadata, isolation of subresources, versions, and the commit.

Source: Kubernetes API conventions, "Metadata", "Spec and Status" and "Concurrency Control and Consistency"; the
behaviour of k8s.io/apiserver, package registry/generic/registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from canary.sandbox.apiserver.admission import admitted, misfit
from canary.sandbox.apiserver.allocation import with_addresses
from canary.sandbox.apiserver.builtin import CRDS, NAMESPACES
from canary.sandbox.apiserver.cluster import Call, Cluster, finalizers
from canary.sandbox.apiserver.conversion import seen, to_storage
from canary.sandbox.apiserver.crds import defaulted_names, established
from canary.sandbox.apiserver.defaults import with_admission, without_empty
from canary.sandbox.apiserver.metadata import unfit, with_clean_meta
from canary.sandbox.apiserver.objects import Object, dig, edited, meta, with_meta
from canary.sandbox.apiserver.ownership import after_scaling, after_update, read_entries
from canary.sandbox.apiserver.raw import RAW
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.schema import Cause, causes
from canary.sandbox.apiserver.shapes import BUILTIN_ROOT, RawShape, SchemaShape, Shape
from canary.sandbox.apiserver.status import (
    Refused,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    not_found,
)
from canary.sandbox.apiserver.validity import name_problems

_GENERATED = "bcdfghjklmnpqrstvwxz2456789"
_ATTEMPTS = 8


def shape_of(kind: ResourceType) -> Shape:
    """How fields of `kind` merge."""
    if kind.custom:
        return SchemaShape(kind.schema or {}, root=True)
    return RawShape(RAW[kind.storage]) if kind.storage in RAW else BUILTIN_ROOT


def check_identity(call: Call, obj: Object, old: Object | None = None) -> Object:
    """`obj` with apiVersion, kind and namespace; a refusal when they or the name contradict the path.

    Metadata that is still the object's own, that of `old`, is known to be right.
    """
    kind, target = call.kind, call.target
    api_version, word = obj.get("apiVersion") or kind.api_version, obj.get("kind") or kind.kind
    if kind.custom and not obj.get("kind"):
        raise bad_request("Object 'Kind' is missing in the body of the request")
    if api_version != kind.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({kind.api_version})"
        )
    if word != kind.kind:
        raise _other_kind(call, word, meta(obj).get("name") or "")
    if old is None or obj.get("metadata") is not old["metadata"]:
        obj = with_clean_meta(call, obj)
    given = meta(obj).get("namespace") or target.namespace
    if given != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    name = meta(obj).get("name") or ""
    if target.name and name and name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    return with_meta({**obj, "apiVersion": kind.api_version, "kind": kind.kind}, namespace=given or None)


def _other_kind(call: Call, word: Any, name: str) -> Refused:
    kind = call.kind
    if kind.custom:
        return invalid(kind, name, [causes.invalid("kind", word, f"must be {kind.kind}")])
    return unfit(call, f"the kind in the data ({word}) does not match the expected kind ({kind.kind})")


def _check_namespace(cluster: Cluster, call: Call, name: str) -> None:
    namespace = call.target.namespace
    if not call.kind.namespaced:
        return
    found = cluster.get(NAMESPACES, ("", namespace))
    if found is None:
        raise not_found(NAMESPACES, namespace)
    if meta(found).get("deletionTimestamp"):
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        detail = f"namespace {namespace} is being terminated"
        raise forbidden(call.kind, name, why, [Cause("metadata.namespace", "NamespaceTerminating", detail)])


def _name_for(cluster: Cluster, call: Call, obj: Object) -> str:
    name, prefix = meta(obj).get("name") or "", meta(obj).get("generateName") or ""
    if name:
        return str(name)
    if not prefix:
        cause = causes.required("metadata.name", "name or generateName is required")
        raise invalid(call.kind, "", [cause])
    for _ in range(_ATTEMPTS):
        name = prefix[:58] + "".join(cluster.rng.choice(_GENERATED) for _ in range(5))
        if cluster.get(call.kind, (call.target.namespace, name)) is None:
            break
    return str(name)


def create(cluster: Cluster, call: Call, obj: Object) -> Object:
    """Store a new object and return it in the version of the call."""
    kind = call.kind
    obj = check_identity(call, obj)
    if meta(obj).get("resourceVersion"):
        raise Refused(500, "", "resourceVersion should not be set on objects to be created")
    name = _name_for(cluster, call, obj)
    _check_namespace(cluster, call, name)
    obj = with_meta(
        obj,
        name=name,
        uid=cluster.new_uid(),
        creationTimestamp=cluster.now(),
        # Where nobody counts, what the creator says stays.
        generation=1 if kind.counts_generations else meta(obj).get("generation"),
        selfLink=None,
    )
    if call.verb == "create":
        # A PUT or an apply that creates may bring these.
        obj = with_meta(obj, deletionTimestamp=None, deletionGracePeriodSeconds=None)
    if kind.status and kind.storage != ("", "nodes"):
        obj = edited(obj, status=None)
    found = list(name_problems(kind, name))
    if found:
        raise invalid(kind, name, found)
    obj = admitted(call, defaulted_names(obj) if kind is CRDS else obj, None)
    if call.verb != "apply":
        owned = edited(obj, status=None) if kind.status else obj
        obj = with_meta(obj, managedFields=_ownership(cluster, call, None, owned))
    if kind.custom and kind.status:
        # The defaults of a status are stored with the first update only.
        obj = edited(obj, status=None)
    # Addresses come after the owners are noted: what the server allocates belongs to nobody.
    obj = _with_allocations(cluster, kind, obj, None)
    if cluster.get(kind, (call.target.namespace, name)) is not None:
        raise already_exists(kind, name)
    return _finish(cluster, call.named(name), obj)


def _ownership(cluster: Cluster, call: Call, old: Object | None, new: Object) -> Any:
    if old is None:
        new = without_empty(call.kind.storage, new)
    elif call.target.subresource == "scale" and call.kind.scale is not None:
        return after_scaling(call.kind.scale.replicas, old, new, call.manager, cluster.now())
    if old is not None and lost_owners(cluster, call, old, new):
        return None
    return after_update(shape_of(call.kind), old, new, call.manager, cluster.now())


def lost_owners(cluster: Cluster, call: Call, old: Object, new: Object) -> str:
    """Why nobody can be told to own the fields of `new`; empty when that can be told.

    Managers of several versions are compared in each of them, to which an object is not pruned. When it does not fit
    one of them, an apply fails, and any other write forgets all managers. Source: sigs.k8s.io/structured-merge-diff,
    package merge, `Updater`; k8s.io/apimachinery, package util/managedfields, `FieldManager.UpdateNoErrors`.
    """
    kind = call.kind
    versions = {entry.manager.api_version for entry in read_entries(old).values()}
    if not kind.custom or versions == {kind.api_version}:
        return ""
    for version in sorted(versions | {kind.api_version}):
        other = cluster.registry.find(kind.group, version.rpartition("/")[2], kind.plural)
        details = (misfit(other, obj) for obj in (old, new)) if other is not None else ()
        if detail := next(filter(None, details), ""):
            return detail
    return ""


def _with_allocations(cluster: Cluster, kind: ResourceType, obj: Object, old: Object | None) -> Object:
    if kind.storage == ("", "services"):
        return with_addresses(cluster, obj, old)
    return with_admission(kind.storage, obj, old)


def _finish(cluster: Cluster, call: Call, obj: Object) -> Object:
    if call.kind is CRDS and not meta(obj).get("deletionTimestamp"):
        obj = established(obj, cluster.now())
    if call.dry_run:
        return seen(call.kind, obj)
    stored = cluster.commit(call, call.key, to_storage(call.kind, obj))
    return seen(call.kind, stored) if stored is not None else obj


def check_preconditions(call: Call, stored: Object, uid: Any, version: Any) -> None:
    """Refuses (409) when the object has another uid or resourceVersion than the caller expects."""
    found = meta(stored)
    for what, wanted, actual in (
        ("UID", uid, found.get("uid")),
        ("ResourceVersion", version, found.get("resourceVersion")),
    ):
        if wanted and wanted != actual:
            why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {actual}"
            raise conflict(call.kind, found.get("name", ""), why)


def _check_versions(call: Call, old: Object, new: Object) -> None:
    name = meta(old)["name"]
    version = meta(new).get("resourceVersion")
    if not version and call.verb == "update" and not call.kind.unconditional_update:
        cause = causes.invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(call.kind, name, [cause])
    if call.verb == "update":
        check_preconditions(call, old, meta(new).get("uid"), None)
    if version and not str(version).isdecimal():
        raise Refused(500, "", f'strconv.ParseUint: parsing "{version}": invalid syntax')
    if version and version != meta(old)["resourceVersion"]:
        raise conflict(call.kind, name)


def _uid_problems(old: Object, new: Object) -> Iterator[Cause]:
    if meta(new).get("uid") not in (None, meta(old)["uid"]):
        yield causes.invalid("metadata.uid", meta(new)["uid"], "field is immutable")


_KEPT_META = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "generateName",
    "resourceVersion",
)


# With the status of a built-in kind its metadata may be changed, too, but for this.
_KEPT_WITH_STATUS = {("", "pods"): ("ownerReferences",), ("apps", "deployments"): ("labels",)}


def _carried_over(call: Call, old: Object, new: Object) -> Object:
    """`new` with the metadata that no client may change, and without what its subresource may not touch."""
    kind = call.kind
    kept = {name: meta(old).get(name) for name in _KEPT_META}
    if call.target.subresource == "status":
        # What a client says of managers counts with the object itself only.
        kept["managedFields"] = meta(new if call.verb == "apply" else old).get("managedFields")
        metadata = old["metadata"] if kind.custom else new["metadata"]
        kept |= {name: meta(old).get(name) for name in _KEPT_WITH_STATUS.get(kind.storage, ())}
        return with_meta(edited(old, status=new.get("status"), metadata=metadata), **kept)
    new = with_meta(new, **kept, selfLink=None)
    return edited(new, status=old.get("status")) if kind.status else new


def update(cluster: Cluster, call: Call, stored: Object, produce: Callable[[Object], Object]) -> Object:
    """Store what `produce` makes of the object, and return it in the version of the call.

    Nothing is stored, and the resourceVersion stays, when nothing would change.
    """
    kind = call.kind
    old = seen(kind, stored)
    new = check_identity(call, produce(old), old)
    _check_versions(call, old, new)
    found = tuple(_uid_problems(old, new))
    new = _carried_over(call, old, new)
    _check_finalizers(call, old, new)
    if call.target.subresource != "status":
        new = _with_allocations(cluster, kind, defaulted_names(new) if kind is CRDS else new, old)
    new = admitted(call, new, old, found)
    if call.verb != "apply":
        new = with_meta(new, managedFields=_ownership(cluster, call, old, new))
    new = with_meta(new, generation=_generation(call, old, new))
    if to_storage(kind, new) == stored:
        return old
    if meta(new).get("deletionTimestamp") and not finalizers(new) and not _waits(kind, new):
        if not call.dry_run:
            cluster.commit(call, call.key, None)
        return new
    return _finish(cluster, call, new)


def _waits(kind: ResourceType, obj: Object) -> bool:
    """Whether something other than finalizers keeps a terminating object."""
    if kind is NAMESPACES:
        return bool(dig(obj, ("spec", "finalizers")))
    return bool(meta(obj).get("deletionGracePeriodSeconds"))


def _check_finalizers(call: Call, old: Object, new: Object) -> None:
    if not meta(old).get("deletionTimestamp"):
        return
    added = [name for name in finalizers(new) if name not in finalizers(old)]
    if added:
        listed = ", ".join(f'"{name}"' for name in added)
        detail = (
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
        )
        raise invalid(call.kind, meta(old)["name"], [causes.forbidden("metadata.finalizers", detail)])


def _generation(call: Call, old: Object, new: Object) -> int | None:
    before = meta(old).get("generation")
    if before is None or not call.kind.counts_generations or call.target.subresource == "status":
        return before
    return before + 1 if _desired(call.kind, old) != _desired(call.kind, new) else int(before)


def _desired(kind: ResourceType, obj: Object) -> Any:
    """The part of an object whose changes count as a new generation."""
    if kind.custom:
        left = edited(obj, metadata=None, apiVersion=None, kind=None)
        return edited(left, status=None) if kind.status else left
    if kind.storage == ("apps", "deployments"):
        return obj.get("spec"), meta(obj).get("annotations") or {}
    if kind.storage == ("discovery.k8s.io", "endpointslices"):
        return obj.get("endpoints"), obj.get("ports"), obj.get("addressType"), meta(obj).get("labels")
    return obj.get("spec")
