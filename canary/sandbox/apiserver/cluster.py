"""The state that all verbs share: objects, served resources, clock, identities and the log of commits."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from canary.kube.clock import Clock
from canary.sandbox.apiserver.commitlog import Commit, CommitLog
from canary.sandbox.apiserver.objects import Object, meta, with_meta
from canary.sandbox.apiserver.ownership import APPLY, UPDATE, Manager
from canary.sandbox.apiserver.registry import Registry
from canary.sandbox.apiserver.request import Request, Target
from canary.sandbox.apiserver.restype import ResourceType
from canary.sandbox.apiserver.storage import Key, Storage


@dataclass(frozen=True, slots=True)
class Call:
    """One request on one resource, after routing."""

    request: Request
    target: Target
    kind: ResourceType
    verb: str

    @property
    def key(self) -> Key:
        return self.target.namespace, self.target.name

    @property
    def dry_run(self) -> bool:
        return bool(self.request.query.get("dryRun"))

    @property
    def manager_name(self) -> str:
        """The field manager: the parameter, else the user agent up to its first slash."""
        given = self.request.query.get("fieldManager", "")
        return given or self.request.user_agent.split("/")[0][:128] or "unknown"

    @property
    def manager(self) -> Manager:
        operation = APPLY if self.verb == "apply" else UPDATE
        return Manager(self.manager_name, operation, self.kind.api_version, self.target.subresource)

    def named(self, name: str, namespace: str | None = None) -> Call:
        """The same call about another object."""
        space = self.target.namespace if namespace is None else namespace
        return replace(self, target=replace(self.target, name=name, namespace=space))


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as `metav1.Time`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(slots=True)
class Change:
    """A commit that the server's own controllers have yet to look at."""

    kind: ResourceType
    key: Key
    old: Object | None
    new: Object | None


class Cluster:
    """Storage and what stands around it. One per server."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.clock = clock
        self.rng = rng
        self.storage = Storage()
        self.registry = Registry()
        self.commits = CommitLog()
        self.changes: list[Change] = []
        self.recording = True

    def now(self) -> str:
        return timestamp(self.clock.now())

    def new_uid(self) -> str:
        bits = f"{(self.rng.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62)) | (4 << 76) | (2 << 62):032x}"
        return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"

    def get(self, kind: ResourceType, key: Key) -> Object | None:
        return self.storage.get(kind.storage, key)

    def commit(self, call: Call, key: Key, new: Object | None) -> Object | None:
        """Make `new` (in the storage version) the state of the object, or remove it, and return it as stored."""
        event = self.storage.put(
            call.kind.storage,
            key,
            lambda version: None if new is None else with_meta(new, resourceVersion=str(version)),
        )
        self.changes.append(Change(call.kind, key, event.old, event.new))
        if self.recording:
            self.commits.append(self._commit(call, key, event.version, event.old, event.new))
        return event.new

    def _commit(self, call: Call, key: Key, version: int, old: Object | None, new: Object | None) -> Commit:
        group, plural = call.kind.storage
        return Commit(
            resource_version=version,
            monotonic=self.clock.monotonic(),
            wall=self.clock.now(),
            verb=call.verb,
            group=group,
            plural=plural,
            subresource=call.target.subresource,
            namespace=key[0],
            name=key[1],
            user_agent=call.request.user_agent,
            manager=call.manager_name,
            old=old,
            new=new,
        )

    def ago(self, versions: int, seconds: float) -> int:
        """The resourceVersion of `versions` ago, or of `seconds` ago if that is newer.

        Without a record of writes nobody knows what time a version is of: then only `versions` counts.
        """
        since = self.clock.monotonic() - seconds
        older = next((write.resource_version for write in reversed(self.commits) if write.monotonic <= since), 0)
        return max(older, self.storage.version - versions)

    def in_namespace(self, kind: ResourceType, namespace: str) -> list[Object]:
        objects = self.storage.objects(kind.storage)
        return [obj for (space, _), obj in objects.items() if space == namespace]


def finalizers(obj: Object) -> list[str]:
    return list(meta(obj).get("finalizers") or ())
