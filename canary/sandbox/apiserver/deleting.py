"""Deleting: preconditions, finalizers, grace, and what becomes of dependents.

Source: Kubernetes, "Finalizers", "Garbage Collection" and "Use Cascading Deletion in a Cluster".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from canary.sandbox.apiserver.builtin import CRDS, NAMESPACES, PODS
from canary.sandbox.apiserver.cluster import Call, Cluster, finalizers, timestamp
from canary.sandbox.apiserver.conversion import restored, seen
from canary.sandbox.apiserver.crds import CLEANUP_FINALIZER
from canary.sandbox.apiserver.objects import Object, dig, meta, with_meta
from canary.sandbox.apiserver.options import unknown_dry_run
from canary.sandbox.apiserver.schema import causes
from canary.sandbox.apiserver.status import bad_request, forbidden, invalid_options, not_found
from canary.sandbox.apiserver.writing import check_preconditions

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
# Source: k8s.io/apiserver, package admission/plugin/namespace/lifecycle.
_IMMORTAL = ("default", "kube-public", "kube-system")
_POLICIES = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class Options:
    """DeleteOptions; an empty `propagation` leaves the choice to the kind."""

    propagation: str = ""
    grace: int | None = None
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


def options_of(call: Call, body: Object) -> Options:
    """From the body and the parameters of a DELETE; the body wins. Raises `Refused` for a bad one."""
    query = call.request.query
    preconditions = body.get("preconditions") or {}
    propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or ""
    orphan = body.get("orphanDependents", query.get("orphanDependents"))
    if not propagation and orphan is not None:
        propagation = "Orphan" if orphan in (True, "true", "1") else "Background"
    if propagation and propagation not in _POLICIES:
        cause = causes.not_supported("propagationPolicy", propagation, ("Foreground", "Background", "Orphan", "nil"))
        raise invalid_options("DeleteOptions", [cause])
    dry = body.get("dryRun") or []
    if dry not in ([], ["All"]):
        raise invalid_options("DeleteOptions", [unknown_dry_run(dry)])
    grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
    try:
        seconds = None if grace is None else int(grace)
    except ValueError:
        raise bad_request(f"invalid gracePeriodSeconds: {grace}") from None
    uid, version = preconditions.get("uid") or "", preconditions.get("resourceVersion") or ""
    return Options(propagation, seconds, uid, version, dry_run=call.dry_run or bool(dry))


def _finalizers_for(call: Call, stored: Object, propagation: str) -> list[str]:
    present = finalizers(stored)
    policy = propagation
    if not policy:
        policy = "Orphan" if ORPHAN in present else "Foreground" if FOREGROUND in present else ""
    policy = policy or call.kind.default_propagation
    if not call.kind.collected:
        policy = ""
    kept = [name for name in present if name not in (FOREGROUND, ORPHAN)]
    kept += {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])
    if call.kind is CRDS and CLEANUP_FINALIZER not in kept:
        kept.append(CLEANUP_FINALIZER)
    return kept


def _grace(call: Call, stored: Object, wanted: int | None) -> int:
    """Only a Pod that is bound to a node is given time; the rest goes at once."""
    if call.kind is not PODS:
        return 0
    if meta(stored).get("deletionTimestamp") and wanted is not None:
        return wanted
    if not dig(stored, ("spec", "nodeName")) or dig(stored, ("status", "phase")) in ("Succeeded", "Failed"):
        return 0
    if wanted is None:
        wanted = int(dig(stored, ("spec", "terminationGracePeriodSeconds")) or 0)
    return wanted if wanted >= 0 else 1


def _pending(call: Call, stored: Object, wanted: int | None) -> bool:
    """Whether a Pod is terminating already, in no more than the time that is `wanted`: nothing changes then."""
    metadata = meta(stored)
    if call.kind is not PODS or not metadata.get("deletionTimestamp"):
        return False
    return wanted is None or wanted >= int(metadata.get("deletionGracePeriodSeconds") or 0)


def delete(cluster: Cluster, call: Call, options: Options) -> tuple[Object, bool]:
    """Delete one object, or mark it as being deleted; the object as it was or is now, and whether it is gone.

    Raises `Refused`: 404, or 409 for an unmet precondition.
    """
    stored = cluster.get(call.kind, call.key)
    if stored is None:
        raise not_found(call.kind, call.target.name)
    if call.kind is NAMESPACES and call.target.name in _IMMORTAL:
        raise forbidden(call.kind, call.target.name, "this namespace may not be deleted")
    check_preconditions(call, stored, options.uid, options.resource_version)
    if _pending(call, stored, options.grace):
        return seen(call.kind, stored), False
    keep = _finalizers_for(call, stored, options.propagation)
    grace = _grace(call, stored, options.grace)
    waits = bool(keep or grace or (call.kind is NAMESPACES and dig(stored, ("spec", "finalizers"))))
    if waits or call.kind is PODS:
        # A Pod is marked even when it goes at once.
        marked = _marked(cluster, call, restored(call.kind, stored), keep, grace)
        stored = marked if options.dry_run or marked == stored else cluster.commit(call, call.key, marked) or marked
    if not waits and not options.dry_run:
        cluster.commit(call, call.key, None)
        stored = with_meta(stored, resourceVersion=str(cluster.storage.version))
    return seen(call.kind, stored), not waits


def _marked(cluster: Cluster, call: Call, stored: Object, keep: list[str], grace: int) -> Object:
    changes: dict[str, Any] = {"finalizers": keep or None}
    generation = meta(stored).get("generation")
    moment = cluster.clock.now() + timedelta(seconds=grace)
    if not meta(stored).get("deletionTimestamp"):
        # Namespaces know no grace.
        given = None if call.kind is NAMESPACES else grace
        changes.update(deletionTimestamp=timestamp(moment), deletionGracePeriodSeconds=given)
        if generation:
            changes["generation"] = generation + 1
    elif call.kind is PODS:
        changes.update(deletionTimestamp=timestamp(moment), deletionGracePeriodSeconds=grace)
    marked = with_meta(stored, **changes)
    if call.kind is NAMESPACES:
        marked = {**marked, "status": {**(marked.get("status") or {}), "phase": "Terminating"}}
    return marked
