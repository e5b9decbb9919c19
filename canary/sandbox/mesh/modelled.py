"""A mesh without sockets: what a proxy would have counted, computed from weights, rates and behaviours.

For simulations in virtual time. Traffic is told by an annotation of the root Service,
`sandbox.canary.delivery/request-rate` in requests per second. Without a random source every window has its expected
counts, which may be fractions, as those of real servers may be. With one, requests arrive as a Poisson process: counts
are drawn second by second, so that windows which overlap agree, and quantiles scatter as those of that many samples do.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from canary.kube.client import Client
from canary.kube.clock import Clock
from canary.kube.resources import PODS, SERVICES
from canary.kube.store import Key
from canary.sandbox.mesh.behaviour import PREFIX, Behaviour
from canary.sandbox.mesh.mixture import Mixture
from canary.sandbox.mesh.observations import Reading, Source
from canary.sandbox.mesh.population import UNREACHABLE, behaviour_in, source_of
from canary.sandbox.mesh.routes import Routes
from canary.sandbox.mesh.timeline import Flow, Timeline
from canary.sandbox.mirror import Mirror
from canary.sandbox.workloads.objects import Pod, Service

RATE_ANNOTATION = f"{PREFIX}/request-rate"


@dataclass(slots=True)
class _Tally:
    """What one source got in a window, by behaviour."""

    requests: float = 0.0
    failures: float = 0.0
    weights: dict[Behaviour, float] = field(default_factory=lambda: defaultdict(float))


class ModelledMesh:
    """Follows splits, endpoints, pods and Services by watch; `readings` are what the metrics API serves.

    `seed` `None` gives expected values; `retention` bounds the windows, in seconds; `rng` spreads retries of watches.
    """

    def __init__(
        self, client: Client, clock: Clock, rng: random.Random, seed: int | None = None, retention: float = 3600.0
    ) -> None:
        self._clock, self._seed, self._retention = clock, seed, retention
        self.routes = Routes(client, clock, rng)
        self._pods = Mirror(client, PODS, Pod, clock, rng)
        self._services = Mirror(client, SERVICES, Service, clock, rng)
        self._timelines: dict[tuple[str, str], Timeline] = {}
        self._roots: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.routes.subscribe(self._root_changed)
        self._pods.subscribe(self._pod_changed)
        self._services.subscribe(self._service_changed)

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in (self.routes, self._pods, self._services):
                tasks.create_task(part.run())

    async def synced(self) -> None:
        """Return when the first lists have been read."""
        await self.routes.synced()
        await self._pods.wait_synced()
        await self._services.wait_synced()

    def readings(self, plural: str, namespace: str | None, seconds: float) -> Sequence[Reading]:
        """See `Observations`; with a seed the window begins and ends with a whole second."""
        end = self._clock.monotonic()
        tallies: dict[tuple[str, str], _Tally] = defaultdict(_Tally)
        for (home, _), timeline in self._timelines.items():
            if namespace in (None, home):
                self._count(timeline, end - seconds, end, plural, tallies)
        return [
            self._reading(plural, key, tally, end, seconds) for key, tally in sorted(tallies.items()) if tally.requests
        ]

    def versions(self, namespace: str, root: str, seconds: float) -> dict[str, tuple[float, float]]:
        """Requests to a root in the last `seconds` by the version that was asked, and how many failed.

        The version is `""` where nobody could be asked.
        """
        end = self._clock.monotonic()
        found: dict[str, tuple[float, float]] = {}
        for flow, good, bad in self._requests(self._timelines[namespace, root], end - seconds, end):
            asked, failed = found.get(flow.behaviour.version, (0.0, 0.0))
            found[flow.behaviour.version] = asked + good + bad, failed + bad
        return found

    def _count(
        self, timeline: Timeline, start: float, end: float, plural: str, into: dict[tuple[str, str], _Tally]
    ) -> None:
        for flow, good, bad in self._requests(timeline, start, end):
            name = flow.source.subject(plural)
            if name:
                tally = into[flow.source.namespace, name]
                tally.requests += good + bad
                tally.failures += bad
                tally.weights[flow.behaviour] += good + bad

    def _requests(self, timeline: Timeline, start: float, end: float) -> Iterator[tuple[Flow, float, float]]:
        timeline.trim(end - self._retention)
        if timeline.rng is None:
            for flow, seconds in timeline.between(start, end):
                bad = flow.behaviour.error_percent / 100.0
                yield flow, flow.rate * seconds * (1.0 - bad), flow.rate * seconds * bad
            return
        timeline.draw(timeline.rng, end, self._retention)
        for second in range(math.floor(start), math.floor(end)):
            yield from timeline.drawn.get(second, ())

    def _reading(self, plural: str, key: tuple[str, str], tally: _Tally, end: float, seconds: float) -> Reading:
        mixture = Mixture(tally.weights)
        if self._seed is None:
            latencies = mixture.quantiles()
        else:
            words = (self._seed, plural, *key, math.floor(end - seconds), math.floor(end))
            latencies = mixture.sampled(random.Random(repr(words)), round(tally.requests))
        return Reading(*key, tally.requests - tally.failures, tally.failures, latencies)

    def _root_changed(self, namespace: str, root: str) -> None:
        rate = rate_of(self._services.get(namespace, root))
        if rate > 0 or (namespace, root) in self._timelines:
            self._set(namespace, root, rate)

    def _service_changed(self, key: Key, before: Service | None, after: Service | None) -> None:
        self._root_changed(*key)

    def _pod_changed(self, key: Key, before: Pod | None, after: Pod | None) -> None:
        roots = self._roots.get(key, ()) if after is not None else self._roots.pop(key, ())
        for root in tuple(roots):
            self._root_changed(key[0], root)

    def _set(self, namespace: str, root: str, rate: float) -> None:
        key = (namespace, root)
        timeline = self._timelines.get(key)
        if timeline is None:
            rng = None if self._seed is None else random.Random(repr((self._seed, *key)))
            timeline = self._timelines[key] = Timeline(rng)
        timeline.set(self._clock.monotonic(), self._flows(*key, rate) if rate > 0 else ())

    def _flows(self, namespace: str, root: str, rate: float) -> tuple[Flow, ...]:
        flows = []
        for backend in self.routes.route(namespace, root).backends:
            share = rate * backend.share
            if not backend.endpoints:
                flows.append(Flow(Source(namespace, backend.service, "", ""), share, UNREACHABLE))
            for endpoint in backend.endpoints:
                self._roots[namespace, endpoint.pod].add(root)
                source = source_of(self._pods, namespace, backend.service, endpoint.pod)
                behaviour = behaviour_in(self._pods, namespace, endpoint.pod)
                flows.append(Flow(source, share / len(backend.endpoints), behaviour))
        return tuple(flows)


def rate_of(service: Service | None) -> float:
    """Requests per second to a root Service; 0 without a readable annotation."""
    try:
        rate = float("0" if service is None else service.metadata.annotations.get(RATE_ANNOTATION, "0"))
    except ValueError:
        return 0.0
    return rate if math.isfinite(rate) else 0.0
