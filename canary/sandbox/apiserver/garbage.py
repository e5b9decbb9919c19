"""Garbage collection: dependents go when their owners are gone, before them, or stay as orphans.

It works at once, inside the request that gave rise to it, where a real cluster takes a moment.
Source: Kubernetes, "Garbage Collection" and "Owners and Dependents"; k8s.io/kubernetes, controller/garbagecollector.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from canary.sandbox.apiserver.cluster import Call, Change, Cluster, finalizers
from canary.sandbox.apiserver.conversion import restored
from canary.sandbox.apiserver.deleting import FOREGROUND, ORPHAN, Options, delete
from canary.sandbox.apiserver.objects import Object, dig, meta, with_meta
from canary.sandbox.apiserver.request import Request, Target
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.storage import Key

Node = tuple[ResourceType, Key]

_SOLID, _GONE, _WAITING = "solid", "gone", "waiting"


def own_call(kind: ResourceType, key: Key, verb: str, agent: str) -> Call:
    """A call that one of the server's own controllers makes."""
    request = Request("", "", headers={"user-agent": agent})
    return Call(request, Target(kind.group, kind.version, kind.plural, key[0], key[1]), kind, verb)


class GarbageCollector:
    """Looks at every change; `dependents` maps the uid of an owner to the objects that name it."""

    AGENT = "kube-controller-manager/garbage-collector"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._dependents: dict[str, dict[tuple[tuple[str, str], Key], ResourceType]] = {}

    def observe(self, change: Change) -> Iterator[Node]:
        """Take note of a change and name the objects that have to be looked at."""
        self._index(change)
        obj = change.new or change.old
        if obj is None:
            return
        uid = meta(obj).get("uid", "")
        if change.new is None or meta(change.new).get("deletionTimestamp"):
            yield from self._below(uid)
        if change.new is None:
            # An owner that waits for this one may be done now.
            yield from self._owners(obj)
        elif (
            meta(change.new).get("ownerReferences")
            or FOREGROUND in finalizers(change.new)
            or ORPHAN in finalizers(change.new)
        ):
            yield change.kind, change.key
            if change.old is not None:
                yield from self._owners(change.old)

    def _index(self, change: Change) -> None:
        place = (change.kind.storage, change.key)
        for reference in meta(change.old or {}).get("ownerReferences") or ():
            self._dependents.get(reference.get("uid", ""), {}).pop(place, None)
        for reference in meta(change.new or {}).get("ownerReferences") or ():
            self._dependents.setdefault(reference.get("uid", ""), {})[place] = change.kind

    def _below(self, uid: str) -> list[Node]:
        return [(kind, key) for (_, key), kind in self._dependents.get(uid, {}).items()]

    def _owners(self, obj: Object) -> Iterator[Node]:
        for reference in meta(obj).get("ownerReferences") or ():
            kind = self._cluster.registry.by_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
            if kind is not None:
                yield kind, self._owner_key(kind, obj, reference)

    @staticmethod
    def _owner_key(kind: ResourceType, obj: Object, reference: Object) -> Key:
        return (meta(obj).get("namespace", "") if kind.namespaced else ""), reference.get("name", "")

    def look(self, node: Node) -> None:
        """Do what is due to one object."""
        kind, key = node
        obj = self._cluster.get(kind, key)
        if obj is None:
            return
        if meta(obj).get("deletionTimestamp"):
            self._look_at_owner(kind, key, obj)
            return
        if meta(obj).get("ownerReferences"):
            self._look_at_dependent(kind, key, obj)

    def _look_at_owner(self, kind: ResourceType, key: Key, obj: Object) -> None:
        uid = meta(obj)["uid"]
        if ORPHAN in finalizers(obj):
            for below_kind, below_key in self._below(uid):
                self._disown(below_kind, below_key, {uid})
            self._release(kind, key, ORPHAN)
        elif FOREGROUND in finalizers(obj) and not any(True for _ in self._blocking(uid)):
            self._release(kind, key, FOREGROUND)

    def _blocking(self, uid: str) -> Iterator[Node]:
        for kind, key in self._below(uid):
            obj = self._cluster.get(kind, key) or {}
            for reference in meta(obj).get("ownerReferences") or ():
                if reference.get("uid") == uid and reference.get("blockOwnerDeletion"):
                    yield kind, key

    def _standing(self, obj: Object, reference: Object) -> str:
        kind = self._cluster.registry.by_kind(reference.get("apiVersion", ""), reference.get("kind", ""))
        if kind is None:
            # A kind that is not served cannot be looked up, so nothing is known and nothing done.
            return _SOLID
        owner = self._cluster.get(kind, self._owner_key(kind, obj, reference))
        if owner is None or meta(owner)["uid"] != reference.get("uid"):
            return _GONE
        return _WAITING if meta(owner).get("deletionTimestamp") and FOREGROUND in finalizers(owner) else _SOLID

    def _look_at_dependent(self, kind: ResourceType, key: Key, obj: Object) -> None:
        references = meta(obj)["ownerReferences"]
        standing: dict[str, Any] = {
            reference.get("uid", ""): self._standing(obj, reference) for reference in references
        }
        lost = {uid for uid, state in standing.items() if state != _SOLID}
        if not lost:
            return
        if len(lost) < len(standing):
            self._disown(kind, key, lost)
            return
        has_dependents = bool(self._below(meta(obj)["uid"]))
        foreground = _WAITING in standing.values() and has_dependents
        policy = "Foreground" if foreground else ""
        if not policy and not {ORPHAN, FOREGROUND} & set(finalizers(obj)):
            policy = "Background"
        call = own_call(kind, key, "delete", self.AGENT)
        delete(self._cluster, call, Options(propagation=policy, uid=meta(obj)["uid"]))

    def _disown(self, kind: ResourceType, key: Key, uids: set[str]) -> None:
        obj = self._cluster.get(kind, key)
        if obj is None:
            return
        kept = [item for item in meta(obj).get("ownerReferences") or () if item.get("uid") not in uids]
        call = own_call(kind, key, "patch", self.AGENT)
        self._cluster.commit(call, key, with_meta(restored(kind, obj), ownerReferences=kept or None))

    def _release(self, kind: ResourceType, key: Key, finalizer: str) -> None:
        release(self._cluster, own_call(kind, key, "patch", self.AGENT), finalizer)


def release(cluster: Cluster, call: Call, finalizer: str) -> None:
    """Take a finalizer off a terminating object; the last one takes the object with it."""
    obj = cluster.get(call.kind, call.key)
    if obj is None:
        return
    left = [name for name in finalizers(obj) if name != finalizer]
    waits = meta(obj).get("deletionGracePeriodSeconds") or dig(obj, ("spec", "finalizers"))
    gone = not left and not waits
    cluster.commit(call, call.key, None if gone else with_meta(restored(call.kind, obj), finalizers=left or None))
