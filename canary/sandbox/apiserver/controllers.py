"""The controllers without which an API server is no cluster, run inside the request that gives them work."""

from __future__ import annotations

from collections import deque

from canary.sandbox.apiserver.cluster import Cluster
from canary.sandbox.apiserver.garbage import GarbageCollector, Node
from canary.sandbox.apiserver.lifecycle import follow_definition, follow_namespaces


class Controllers:
    """Garbage collection, the ends of namespaces and definitions."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._garbage = GarbageCollector(cluster)

    def settle(self) -> None:
        """Follow up every change since the last call until nothing is left to do."""
        queue: deque[Node] = deque()
        while self._cluster.changes or queue:
            while self._cluster.changes:
                change = self._cluster.changes.pop(0)
                follow_definition(self._cluster, change)
                follow_namespaces(self._cluster, change)
                queue.extend(self._garbage.observe(change))
            if queue:
                self._garbage.look(queue.popleft())
