"""What the metrics API of the benchmark says: every workload is well, except those that were told not to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bench.population import NAMESPACES, name_of, namespace_of
from canary.kube.transport import Response
from canary.sandbox.apiserver.request import Request
from canary.sandbox.mesh.observations import Reading
from canary.sandbox.smi_metrics import MetricsApi

_LATENCIES = (0.02, 0.03, 0.05)


class Script:
    """Observations of `count` applications. `failing` holds the names of those whose canary fails one in five."""

    def __init__(self, count: int) -> None:
        self.failing: frozenset[str] = frozenset()
        self._names = {
            namespace_of(first): [name_of(number) for number in range(first, count, NAMESPACES)]
            for first in range(min(count, NAMESPACES))
        }

    def readings(self, plural: str, namespace: str | None, seconds: float) -> Sequence[Reading]:
        if plural != "deployments" or namespace is None:
            return ()
        requests = 20.0 * seconds
        found = []
        for name in self._names.get(namespace, ()):
            bad = requests * 0.2 if name in self.failing else 0.0
            found.append(Reading(namespace, f"{name}-v1", 9 * requests, 0.0, _LATENCIES))
            found.append(Reading(namespace, f"{name}-v2", requests - bad, bad, _LATENCIES))
        return found


class CountedMetrics:
    """The metrics API, and how often each list was asked for, by path and window."""

    def __init__(self, api: MetricsApi) -> None:
        self._api = api
        self.calls: Counter[str] = Counter()

    def __call__(self, request: Request) -> Response:
        self.calls[f"{request.path}?t={request.query.get('t', '')}"] += 1
        return self._api(request)
