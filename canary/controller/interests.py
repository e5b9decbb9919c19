"""Which Canaries care about which Service: so that one changed endpoint wakes only those."""

from __future__ import annotations

from collections.abc import Iterable

from canary.kube.store import Key


class Interests:
    """A two-way map between Canaries and the Services (root and backends) of their namespace."""

    def __init__(self) -> None:
        self._services: dict[Key, frozenset[str]] = {}
        # Not sets: who is woken first must not hang on how strings are hashed.
        self._canaries: dict[tuple[str, str], dict[Key, None]] = {}
        self._namespaces: dict[str, dict[Key, None]] = {}

    def set(self, key: Key, services: Iterable[str]) -> bool:
        """Say what `key` cares about; whether that is news."""
        new, old = frozenset(services), self._services.get(key, frozenset())
        if new == old and key in self._services:
            return False
        namespace = key[0]
        for service in old - new:
            keys = self._canaries[namespace, service]
            keys.pop(key, None)
            if not keys:
                del self._canaries[namespace, service]
        for service in new - old:
            self._canaries.setdefault((namespace, service), {})[key] = None
        self._services[key] = new
        self._namespaces.setdefault(namespace, {})[key] = None
        return True

    def drop(self, key: Key) -> None:
        """`key` is gone."""
        if key not in self._services:
            return
        self.set(key, ())
        del self._services[key]
        keys = self._namespaces[key[0]]
        keys.pop(key, None)
        if not keys:
            del self._namespaces[key[0]]

    def canaries(self, namespace: str, service: str) -> tuple[Key, ...]:
        """Who cares about a Service, in the order in which they said so."""
        return tuple(self._canaries.get((namespace, service), ()))

    def in_namespace(self, namespace: str) -> tuple[Key, ...]:
        """Who cares about anything in a namespace."""
        return tuple(self._namespaces.get(namespace, ()))

    def services(self, namespace: str) -> frozenset[str]:
        """All Services of a namespace that anybody cares about."""
        found: set[str] = set()
        for key in self._namespaces.get(namespace, ()):
            found |= self._services[key]
        return frozenset(found)
