"""What the proxy counts, as the numbers of the scripted SMI metrics server: real requests judged by way of its API."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping

from e2e.dataplane.admin import Admin, AdminError
from e2e.dataplane.stats import Cluster, Stats, quantile
from e2e.smi_endpoint import SmiEndpoint
from e2e.smi_wire import Numbers

PERIOD = 0.25
WINDOW = 1.0
"""Seconds over which rates are taken: the shortest window that a Canary may have."""
SLOWEST = 60_000.0
"""Milliseconds that stand for an answer beyond the last bucket."""


class Feed:
    """Reads a proxy's statistics in a thread of its own, from `start` to `stop`.

    `workloads` gives for each cluster the name of its Deployment. What cannot be read leaves the last numbers.
    """

    def __init__(self, admin: Admin, smi: SmiEndpoint, namespace: str, workloads: Mapping[str, str]) -> None:
        self._admin = admin
        self._smi = smi
        self._namespace = namespace
        self._workloads = workloads
        self._seen: deque[tuple[float, Stats]] = deque()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stopping what was never started is fine."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(PERIOD):
            try:
                self._look(time.monotonic(), self._admin.stats())
            except AdminError:
                continue

    def _look(self, now: float, stats: Stats) -> None:
        self._seen.append((now, stats))
        # The oldest look that is kept is the youngest one from before the window.
        while len(self._seen) > 2 and self._seen[1][0] <= now - WINDOW:
            self._seen.popleft()
        then, before = self._seen[0]
        for cluster, workload in self._workloads.items():
            if cluster in stats and now > then:
                numbers = numbers_between(before.get(cluster, Cluster()), stats[cluster], now - then)
                self._smi.set(self._namespace, workload, numbers)


def numbers_between(before: Cluster, after: Cluster, seconds: float) -> Numbers:
    """The numbers of the requests from one look to another, `seconds` later."""
    requests, failed = after.total - before.total, after.failed - before.failed
    buckets = {bound: count - before.buckets.get(bound, 0) for bound, count in after.buckets.items()}
    p50, p90, p99 = (min(quantile(buckets, q), SLOWEST) for q in (0.5, 0.9, 0.99))
    return Numbers(requests / seconds, failed / requests if requests else 0.0, p50, p90, p99)
