"""The objects of managed mode as watches keep them, and, until those have followed, as our own writes left them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from canary.api.manifest import Manifest
from canary.kube.clock import Clock
from canary.kube.own_writes import PATIENCE, OwnWrites, version_of
from canary.kube.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    SCALED_OBJECTS,
    SECRETS,
    Resource,
)
from canary.kube.store import Key, Store

KINDS = (DEPLOYMENTS, CONTROLLER_REVISIONS, AUTOSCALERS, DISRUPTION_BUDGETS, CONFIG_MAPS, SECRETS, SCALED_OBJECTS)


class _Service(NamedTuple):
    """Which versions of a Service are older than our last write of it, and until when (monotonic) that counts."""

    older: frozenset[str]
    made: str
    until: float


class Manifests:
    """One store for each kind. A write of this process is seen at once: a watch tells of it a little later."""

    def __init__(self, clock: Clock) -> None:
        self.stores: dict[Resource, Store[Manifest]] = {kind: Store({"namespace": _namespace}) for kind in KINDS}
        self.changes: Counter[str] = Counter()
        """How often anything in a namespace has changed: equal numbers mean that nothing has."""
        for store in self.stores.values():
            store.subscribe(self._changed)
        self.clock = clock
        self._written: OwnWrites[tuple[Resource, Key], Manifest] = OwnWrites(clock.monotonic)
        self._services: dict[Key, _Service] = {}

    def _changed(self, key: Key, old: Manifest | None, new: Manifest | None) -> None:
        self.changes[key[0]] += 1

    def get(self, kind: Resource, namespace: str, name: str) -> Manifest | None:
        """The object as it is, as far as this process knows; `None` when it does not exist."""
        key, stored = (kind, (namespace, name)), self.stores[kind].get(namespace, name)
        if key not in self._written:
            return stored
        found = self._written.current(key, stored)
        if key not in self._written:
            self.changes[namespace] += 1
        return found

    def all(self, kind: Resource, namespace: str) -> Iterable[Manifest]:
        """Every object of a kind in a namespace, by name."""
        names = {stored.metadata.name for stored in self.stores[kind].indexed("namespace", namespace)}
        names |= {key[1] for resource, key in self._written if resource is kind and key[0] == namespace}
        found = (self.get(kind, namespace, name) for name in sorted(names))
        return [manifest for manifest in found if manifest is not None]

    def wrote_service(self, namespace: str, name: str, over: str, made: str) -> None:
        """A write of ours to a Service was accepted; versions are empty where there was none, or is none any more."""
        before = self._services.get((namespace, name))
        older = frozenset({over}) if before is None else before.older | {over, before.made}
        self._services[namespace, name] = _Service(older, made, self.clock.monotonic() + PATIENCE)

    def late_services(self, root: str, namespace: str, version: Callable[[str], str]) -> bool:
        """Whether the watch has not told of our last write of a Service of this root.

        `version` gives the version of a Service that the watch has told of last.
        """
        late = False
        for name in (root, f"{root}-stable", f"{root}-canary"):
            written = self._services.get((namespace, name))
            if written is None:
                continue
            if version(name) in written.older and self.clock.monotonic() < written.until:
                late = True
            else:
                del self._services[namespace, name]
        return late

    def wrote(self, kind: Resource, namespace: str, name: str, made: Manifest | None) -> None:
        """A write of ours was accepted: `made` is what the server has now, `None` when the object is gone."""
        self.read(kind, (namespace, name), made, over=self.told(kind, namespace, name))

    def read(self, kind: Resource, key: Key, made: Manifest | None, *, over: str) -> None:
        """What a live read said, where the watch still told of version `over` when it was sent."""
        self.changes[key[0]] += 1
        self._written.note((kind, key), made, over=over)

    def told(self, kind: Resource, namespace: str, name: str) -> str:
        """The version that the watch has told of last; empty for none."""
        return version_of(self.stores[kind].get(namespace, name))


def _namespace(manifest: Manifest) -> tuple[str, ...]:
    return (manifest.metadata.namespace,)
