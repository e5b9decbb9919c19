"""Which Canaries care about which Service: so that one changed endpoint wakes only those."""

from __future__ import annotations

from collections.abc import Iterable

from canary.kube.store import Key


class Interests:
    """A two-way map between Canaries and the Services (root and backends) of their namespace."""

    def __init__(self) -> None:
        self._services: dict[Key, frozenset[str]] = {}
        self._canaries: dict[tuple[str, str], set[Key]] = {}
        self._namespaces: dict[str, set[Key]] = {}

    def set(self, key: Key, services: Iterable[str]) -> bool:
        """Say what `key` cares about; whether that is news."""
        new, old = frozenset(services), self._services.get(key, frozenset())
        if new == old and key in self._services:
            return False
        namespace = key[0]
        for service in old - new:
            keys = self._canaries[namespace, service]
            keys.discard(key)
            if not keys:
                del self._canaries[namespace, service]
        for service in new - old:
            self._canaries.setdefault((namespace, service), set()).add(key)
        self._services[key] = new
        self._namespaces.setdefault(namespace, set()).add(key)
        return True

    def drop(self, key: Key) -> None:
        """`key` is gone."""
        if key not in self._services:
            return
        self.set(key, ())
        del self._services[key]
        keys = self._namespaces[key[0]]
        keys.discard(key)
        if not keys:
            del self._namespaces[key[0]]

    def canaries(self, namespace: str, service: str) -> frozenset[Key]:
        return frozenset(self._canaries.get((namespace, service), ()))

    def in_namespace(self, namespace: str) -> frozenset[Key]:
        return frozenset(self._namespaces.get(namespace, ()))

    def services(self, namespace: str) -> frozenset[str]:
        """All Services of a namespace that anybody cares about."""
        found: set[str] = set()
        for key in self._namespaces.get(namespace, ()):
            found |= self._services[key]
        return frozenset(found)
