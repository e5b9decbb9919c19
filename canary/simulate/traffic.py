"""Modelled traffic: what a rollout's two sides answer while its canary has some weight.

Requests arrive as a Poisson process. All times of events count from the first request to the canary, so that they mean
the same to rollouts that begin at different moments.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import pi, sin
from typing import NamedTuple

from canary.core.plan import Plan
from canary.core.window import Missing, Quantile, Sample, SideReading, Window
from canary.simulate.clusters import Clusters
from canary.simulate.draws import poisson_once
from canary.simulate.latency import Latency
from canary.simulate.play import EPOCH

DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Outage:
    """Both sides fail `errors` (0.0 to 1.0) of requests for `lasts` seconds, `after` seconds into the rollout."""

    after: float
    lasts: float
    errors: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What both sides have in common: requests per second, the share of them that fails (0.0 to 1.0), latencies.

    `drift` is by how much the load swings up and down around `rate`, once in `period` seconds; at which point of that a
    rollout begins is up to chance.
    """

    rate: float = 100.0
    errors: float = 0.001
    latency: Latency = field(default_factory=Latency)
    drift: float = 0.0
    period: float = DAY
    outage: Outage | None = None
    clusters: Clusters = field(default_factory=Clusters)


@dataclass(frozen=True, slots=True)
class Regression:
    """What is wrong with the canary: `errors` (0.0 to 1.0) instead of the usual ones, latencies `slower` times as long.

    It is there `onset` seconds after the first traffic, and grows from nothing to its full size over `ramp` seconds.
    """

    name: str = "healthy"
    errors: float | None = None
    slower: float = 1.0
    onset: float = 0.0
    ramp: float = 0.0

    @property
    def healthy(self) -> bool:
        return self.errors is None and self.slower == 1.0

    def grown(self, seconds: float) -> float:
        """How much of it is there, 0.0 to 1.0, so long after the first traffic."""
        if self.healthy or seconds < self.onset:
            return 0.0
        return min(1.0, (seconds - self.onset) / self.ramp) if self.ramp else 1.0


class Needs(NamedTuple):
    """What a plan judges by beside counts: quantiles, and the edges of histogram buckets in seconds."""

    quantiles: tuple[Quantile, ...] = ()
    edges: tuple[float, ...] = ()


def needs_of(plan: Plan) -> Needs:
    """No more than that is drawn."""
    quantiles = {limit.quantile for limit in plan.limits}
    edges = {limit.slower_than for limit in plan.limits if limit.slower_than}
    return Needs(tuple(name for name in ("p50", "p90", "p99") if name in quantiles), tuple(sorted(edges)))


class Stream:
    """The traffic of one rollout, as a `canary.simulate.play.Source`: asked stretch by stretch, in order."""

    def __init__(
        self, traffic: Traffic, regression: Regression, needs: Needs, rng: random.Random, epoch: float = EPOCH
    ) -> None:
        self._traffic, self._regression, self._needs, self._rng, self._epoch = traffic, regression, needs, rng, epoch
        self._phase = rng.random() if traffic.drift else 0.0
        self._exposed: float | None = None

    @property
    def onset(self) -> float | None:
        """When the regression began, in seconds of the rollout; `None` before the canary had traffic."""
        return None if self._exposed is None else self._exposed + self._regression.onset

    def __call__(self, start: float, end: float, weight: int) -> Window:
        if weight and self._exposed is None:
            self._exposed = start
        canary, stable, slower = _Side(), _Side(), 0.0
        share = weight / 100.0
        for begin, until in self._pieces(start, end):
            seconds, middle = until - begin, (begin + until) / 2.0
            grown = 0.0 if self._exposed is None else self._regression.grown(middle - self._exposed)
            usual = self._errors(middle)
            load = self._load(middle) * seconds
            if share > 0.0:
                canary.add(*self._counts(load * share, self._canary_errors(usual, grown), share * seconds))
            if share < 1.0:
                stable.add(*self._counts(load * (1.0 - share), usual, (1.0 - share) * seconds))
            slower += (1.0 + (self._regression.slower - 1.0) * grown) * seconds / (end - start)
        return Window(start, end, self._epoch + end, self._reading(canary, slower), self._reading(stable, 1.0))

    def _pieces(self, start: float, end: float) -> Iterator[tuple[float, float]]:
        """The stretch, cut where something sets in or is over."""
        cuts = [] if self._exposed is None else [self._exposed + moment for moment in self._moments()]
        edges = [start, *sorted(cut for cut in cuts if start < cut < end), end]
        yield from pairwise(edges)

    def _moments(self) -> Iterator[float]:
        if not self._regression.healthy:
            yield self._regression.onset
            yield self._regression.onset + self._regression.ramp
        if self._traffic.outage is not None:
            yield self._traffic.outage.after
            yield self._traffic.outage.after + self._traffic.outage.lasts

    def _load(self, at: float) -> float:
        traffic = self._traffic
        if not traffic.drift:
            return traffic.rate
        return traffic.rate * (1.0 + traffic.drift * sin(2.0 * pi * (self._phase + at / traffic.period)))

    def _errors(self, at: float) -> float:
        outage = self._traffic.outage
        if outage is None or self._exposed is None:
            return self._traffic.errors
        return outage.errors if 0.0 <= at - self._exposed - outage.after < outage.lasts else self._traffic.errors

    def _canary_errors(self, usual: float, grown: float) -> float:
        errors = self._regression.errors
        # An outage does not become smaller by a release that fails less.
        return usual if errors is None else max(usual, self._traffic.errors + (errors - self._traffic.errors) * grown)

    def _counts(self, requests: float, errors: float, pod_share: float) -> tuple[int, int]:
        clusters = self._traffic.clusters
        return clusters.counts(self._rng, requests, errors, clusters.pods * pod_share, poisson_once)

    def _reading(self, side: _Side, slower: float) -> SideReading:
        requests = side.good + side.bad
        if not requests:
            return Missing("no requests")
        latency, needs = self._traffic.latency.times(slower), self._needs
        return Sample(
            float(side.good),
            float(side.bad),
            latency.quantiles(self._rng, requests, needs.quantiles) if needs.quantiles else {},
            latency.histogram(self._rng, requests, needs.edges),
        )


@dataclass(slots=True)
class _Side:
    good: int = 0
    bad: int = 0

    def add(self, good: int, bad: int) -> None:
        self.good += good
        self.bad += bad
