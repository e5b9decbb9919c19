"""What the controller tells, as Prometheus metrics.

What belongs to one Canary is kept in one small value and becomes series only when somebody asks: a thousand Canaries
cost neither memory nor time for the tens of thousands of series that they have. `sample` runs in the event loop and
takes what a scrape shows; `render` may then run in a thread of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector
from prometheus_client import disable_created_metrics as _disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from canary.controller.telemetry import Silent
from canary.core.decision import Act, Change, Decision
from canary.core.memory import Memory
from canary.core.observed import Observed
from canary.core.phases import Phase
from canary.core.state import State
from canary.core.status import phase_of
from canary.core.verdict import Verdict
from canary.kube.errors import BadRequest, Conflict, Forbidden, Invalid, TooLarge
from canary.kube.observed_transport import Call
from canary.kube.store import Key
from canary.server import catalogue
from canary.server.catalogue import Family
from canary.traffic.fence import TooOld

PHASES = (*(phase.value for phase in Phase), "Invalid")
# A series that says when another one began doubles what is sent and is asked for by nobody.
_disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types for it

Counts = Mapping[str, int]
Samples = Iterable[tuple[tuple[str, ...], float]]
_NONE: Counts = MappingProxyType({})


class Row(NamedTuple):
    """One Canary; never changed, only replaced, so that a scrape can read it from another thread."""

    weight: int = 0
    phase: str = ""
    step: int = 0
    failed: int = 0
    values: tuple[tuple[str, str, float], ...] = ()
    limits: tuple[tuple[str, float], ...] = ()
    evidence: tuple[tuple[str, float, float], ...] = ()
    verdicts: Counts = _NONE
    rollouts: Counts = _NONE


class Metrics(Silent):
    """The metrics of one process, in a registry of its own; a `Telemetry` of the controller."""

    def __init__(self, process: Callable[[], Iterator[tuple[Family, Samples]]] = lambda: iter(())) -> None:
        """`process` tells what is read off at the time of a scrape; it is called in the event loop."""
        self.registry = CollectorRegistry()
        self._rows: dict[Key, Row] = {}
        self._process = process
        self._taken = _Taken()
        self.registry.register(self._taken)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._writes = _counter(catalogue.SPLIT_WRITES, self.registry)
        self._breach = _histogram(catalogue.BREACH_TO_SAFE, self.registry)
        self._waited = _histogram(catalogue.QUEUE_SECONDS, self.registry)
        self._worked = _histogram(catalogue.WORK_SECONDS, self.registry)
        self._requests = _counter(catalogue.API_REQUESTS, self.registry)
        self._request_seconds = _histogram(catalogue.API_SECONDS, self.registry)
        self._bound: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}

    def looked(self, key: Key, observed: Observed, state: State | None, memory: Memory, decision: Decision) -> None:
        """See `Telemetry`."""
        known = state or State()
        plan = observed.plan or observed.last_plan
        sides = (
            (m.name, side, value) for m in memory.shown for side, value in (("canary", m.canary), ("stable", m.stable))
        )
        self._rows[key] = self._row(key)._replace(
            weight=known.weight,
            phase=phase_of(observed, known),
            step=known.step,
            failed=known.failed,
            values=tuple((name, side, value) for name, side, value in sides if value is not None),
            limits=tuple((limit.name, limit.limit) for limit in plan.limits) if plan else (),
            evidence=tuple((m.name, m.evidence, m.needed) for m in memory.shown if m.needed),
        )

    def judged(self, key: Key, verdict: Verdict) -> None:
        """See `Telemetry`."""
        row = self._row(key)
        self._rows[key] = row._replace(verdicts=_more(row.verdicts, verdict.value))

    def wrote(
        self, key: Key, change: Change, *, before: State | None, after: State | None, since_breach: float | None
    ) -> None:
        """See `Telemetry`."""
        self._writes.labels(change.direction.value, "Accepted").inc()
        outcome = outcome_of(change)
        if outcome:
            row = self._row(key)
            self._rows[key] = row._replace(rollouts=_more(row.rollouts, outcome))
        if since_breach is not None:
            self._breach.observe(since_breach)

    def refused(self, key: Key, change: Change, error: Exception) -> None:
        """See `Telemetry`."""
        self._writes.labels(change.direction.value, _fate(error)).inc()

    def dropped(self, key: Key) -> None:
        """See `Telemetry`."""
        self._rows.pop(key, None)

    def worked(self, key: Key, waited: float, worked: float) -> None:
        """See `Telemetry`."""
        self._waited.observe(waited)
        self._worked.observe(worked)

    def called(self, call: Call) -> None:
        """A request to the API server has ended."""
        bound = self._bound.get(call[:3])
        if bound is None:
            children = self._requests.labels(*call[:3]), self._request_seconds.labels(*call[:2])
            bound = self._bound[call[:3]] = children
        bound[0].inc()
        bound[1].observe(call.seconds)

    def sample(self) -> None:
        """Take what the next `render` shows. Call it in the event loop."""
        self._taken.rows = self._rows.copy()
        self._taken.process = [(family, tuple(samples)) for family, samples in self._process()]

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The text and its content type, in the best format that the header `accept` allows. For any thread."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type

    def _row(self, key: Key) -> Row:
        return self._rows.get(key) or Row()


class _Taken(Collector):
    """What was taken by `sample`."""

    def __init__(self) -> None:
        self.rows: Mapping[Key, Row] = {}
        self.process: list[tuple[Family, tuple[tuple[tuple[str, ...], float], ...]]] = []

    def collect(self) -> Iterator[Metric]:
        for family, samples in (*self.process, *_of_rows(self.rows)):
            made = _EMPTY[family.kind](family.name, family.help, labels=family.labels)
            for labels, value in samples:
                made.add_metric(labels, value)
            yield made

    def describe(self) -> Iterator[Metric]:
        """Names that nothing else may take."""
        for family in catalogue.FAMILIES:
            if family.labels[:2] == catalogue.CANARY:
                yield _EMPTY[family.kind](family.name, family.help, labels=family.labels)


_EMPTY: dict[str, type[GaugeMetricFamily] | type[CounterMetricFamily]] = {
    "gauge": GaugeMetricFamily,
    "counter": CounterMetricFamily,
}


def _of_rows(rows: Mapping[Key, Row]) -> Iterator[tuple[Family, Samples]]:
    # A row that has only counted, and was never looked at, has nothing to show yet.
    seen = [(key, row) for key, row in rows.items() if row.phase]
    yield catalogue.WEIGHT, ((key, row.weight) for key, row in seen)
    yield catalogue.PHASE, (((*key, phase), phase == row.phase) for key, row in seen for phase in PHASES)
    yield catalogue.STEP, ((key, row.step) for key, row in seen)
    yield catalogue.FAILED_WINDOWS, ((key, row.failed) for key, row in seen)
    yield catalogue.VALUE, (((*key, name, side), value) for key, row in seen for name, side, value in row.values)
    yield catalogue.LIMIT, (((*key, name), limit) for key, row in seen for name, limit in row.limits)
    yield catalogue.EVIDENCE, (((*key, name), odds) for key, row in seen for name, odds, _ in row.evidence)
    yield catalogue.EVIDENCE_NEEDED, (((*key, name), needed) for key, row in seen for name, _, needed in row.evidence)
    yield catalogue.VERDICTS, (((*key, word), n) for key, row in rows.items() for word, n in row.verdicts.items())
    yield catalogue.ROLLOUTS, (((*key, word), n) for key, row in rows.items() for word, n in row.rollouts.items())


def outcome_of(change: Change) -> str:
    """How the rollout ended, if this write ends one: Promoted, or the reason of its rollback; else empty."""
    if change.act not in (Act.UPDATE, Act.CREATE):
        return ""
    for said in change.state.said:
        if said.reason == "Promoted":
            return "Promoted"
        if said.reason == "RollbackStarted":
            return change.state.reason
    return ""


def _fate(error: Exception) -> str:
    match error:
        case Conflict():
            return "Conflict"
        case TooOld():
            return "TooOld"
        case Invalid() | Forbidden() | BadRequest() | TooLarge():
            return "Refused"
    return "Failed"


def _more(counts: Counts, word: str) -> Counts:
    return {**counts, word: counts.get(word, 0) + 1}


def _counter(family: Family, registry: CollectorRegistry) -> Counter:
    return Counter(family.name, family.help, family.labels, registry=registry)


def _histogram(family: Family, registry: CollectorRegistry) -> Histogram:
    return Histogram(family.name, family.help, family.labels, registry=registry, buckets=family.buckets)
