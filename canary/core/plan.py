"""A valid spec in the form the decision reads: seconds instead of texts, one list of stages whether steps or ramp."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

import msgspec

from canary.api.canary import Analysis, CanarySpec, Metric, Step
from canary.api.duration import parse_duration
from canary.core.evidence import requests_to_show
from canary.core.window import Peer

SURE_ENOUGH = 0.05
"""The probability of an error in what a step shows of the canary, beside that of a rollback, which the user chooses."""
DEFAULT_CONFIDENCE = "99"
DEFAULT_TOLERANCE = "20"
_FEWEST_PLANNED = 30


class Stage(msgspec.Struct, frozen=True):
    """One stage: a weight that is held for `hold` seconds, or an approval by name."""

    weight: int = 0
    hold: float = 0.0
    min_requests: int = 0
    approval: str = ""


class Limit(msgspec.Struct, frozen=True):
    """One metric's limit.

    With a `quantile`, the highest latency in seconds; with `slower_than` seconds, the highest share in percent of
    requests that took longer; with neither, the lowest success rate in percent. With a `peer`, only its requests count.

    With a `tolerance`, a share of 1.0, the canary is compared with stable. `sequential` says that the limit is judged
    by evidence. Either of them needs a `sample` of so many requests in each step before it can pass.
    """

    name: str
    limit: float
    rollback_at: float | None = None
    quantile: str = ""
    slower_than: float = 0.0
    peer: Peer | None = None
    tolerance: float | None = None
    sequential: bool = False
    sample: float = 0.0

    @property
    def bad_share(self) -> float:
        """The highest share of bad requests that is allowed, 0.0 to 1.0; of a quantile, those above it."""
        if self.quantile:
            return 1.0 - float(self.quantile[1:]) / 100.0
        return (100.0 - self.limit if self.is_rate else self.limit) / 100.0

    @property
    def is_tested(self) -> bool:
        """By evidence: compared with stable, or held against its limit over all windows."""
        return self.tolerance is not None or self.sequential

    @property
    def is_rate(self) -> bool:
        """A success rate, of which less is worse; of all others more is."""
        return not self.quantile and not self.slower_than

    def allows(self, value: float) -> bool:
        return value >= self.limit if self.is_rate else value <= self.limit

    def ends_at(self, value: float) -> bool:
        """Whether one window with this value ends the rollout."""
        if self.rollback_at is None:
            return False
        return value <= self.rollback_at if self.is_rate else value >= self.rollback_at


class Plan(msgspec.Struct, frozen=True):
    """Everything that a rollout of one Canary obeys. Durations are seconds, weights percent.

    `alpha` is the probability of a false alarm that each test of evidence may have, `horizon` how many windows are
    planned, `early` whether a step ends when enough is shown.
    """

    root: str
    stable: str
    canary: str
    stages: tuple[Stage, ...]
    hash: str
    limits: tuple[Limit, ...]
    interval: float = 30.0
    warmup: float = 60.0
    settle: float = 10.0
    failure_limit: int = 3
    min_bad: int = 5
    no_data_timeout: float = 300.0
    no_data_action: str = "Hold"
    source_timeout: float = 900.0
    source_action: str = "Hold"
    deadline: float = 600.0
    suspend: bool = False
    alpha: float = 0.01
    horizon: int = _FEWEST_PLANNED
    early: bool = False
    label: str = ""
    source: str = "SMI"
    target: str = ""
    """The user's Deployment in managed mode; empty in services mode."""
    canary_scale: str | int = "Proportional"

    @property
    def peers(self) -> tuple[Peer, ...]:
        """Whose requests some metric judges by themselves, each once."""
        return tuple(dict.fromkeys(limit.peer for limit in self.limits if limit.peer is not None))

    @property
    def plain(self) -> Plan:
        """The plan of a promotion: both sides may run the same, so that nothing is compared, and no step is passed."""
        limits = tuple(msgspec.structs.replace(limit, tolerance=None, sample=0.0) for limit in self.limits)
        return msgspec.structs.replace(self, limits=limits)

    def stage(self, step: int) -> Stage:
        """The stage with number `step`, counted from 1; number 0 is the time before the first."""
        return self.stages[step - 1] if 0 < step <= len(self.stages) else Stage()

    def next_weight(self, step: int) -> int:
        """The weight of the first weighted stage after `step`; 100 when there is none."""
        return next((s.weight for s in self.stages[step:] if not s.approval), 100)

    def step_for(self, weight: int) -> int:
        """The last stage whose weight is not above `weight`; 0 when all are."""
        return max((n for n, s in enumerate(self.stages, 1) if not s.approval and s.weight <= weight), default=0)


def plan_of(spec: CanarySpec) -> Plan:
    """The plan of a spec that `canary.api.validation` accepted.

    In services mode a plan that ends below 100 gets 100 appended: success leaves all traffic where it is. In managed
    mode the stable side takes the revision over, at whatever weight the plan ends.
    """
    stages = tuple(_stages(spec))
    if spec.target_ref is None and not any(stage.weight == 100 for stage in stages):
        stages += (Stage(weight=100),)
    analysis = spec.analysis
    stable, canary = _backends(spec)
    interval = parse_duration(analysis.interval)
    return Plan(
        root=spec.service.name,
        stable=stable,
        canary=canary,
        stages=stages,
        hash=hashlib.sha256(msgspec.json.encode(stages)).hexdigest()[:12],
        limits=tuple(_limit(metric) for metric in analysis.metrics),
        interval=interval,
        warmup=parse_duration(analysis.warmup),
        settle=parse_duration(spec.traffic.settle),
        failure_limit=analysis.failure_limit,
        min_bad=analysis.min_bad,
        no_data_timeout=parse_duration(analysis.no_data.timeout),
        no_data_action=analysis.no_data.action,
        source_timeout=parse_duration(analysis.source_error.timeout),
        source_action=analysis.source_error.action,
        deadline=parse_duration(spec.progress_deadline),
        suspend=spec.suspend,
        alpha=_alpha(analysis),
        horizon=max(math.ceil(sum(stage.hold for stage in stages) / interval), _FEWEST_PLANNED),
        early=analysis.early,
        label=spec.revision,
        source=analysis.source,
        target=spec.target_ref.name if spec.target_ref else "",
        canary_scale=spec.canary_scale or "Proportional",
    )


def _backends(spec: CanarySpec) -> tuple[str, str]:
    """The names of the stable and the canary Service: the user's, or, in managed mode, ours."""
    if spec.backends is not None:
        return spec.backends.stable, spec.backends.canary
    return f"{spec.service.name}-stable", f"{spec.service.name}-canary"


def _stages(spec: CanarySpec) -> Iterator[Stage]:
    if spec.ramp is not None:
        ramp = spec.ramp
        weights = [*range(ramp.from_, ramp.to, ramp.increment), ramp.to]
        yield from (Stage(weight, parse_duration(ramp.hold), ramp.min_requests or 0) for weight in weights)
    else:
        yield from (_stage(step) for step in spec.steps or ())


def _stage(step: Step) -> Stage:
    if step.approval is not None:
        return Stage(approval=step.approval)
    return Stage(step.weight or 0, parse_duration(step.hold or "0s"), step.min_requests or 0)


def _alpha(analysis: Analysis) -> float:
    """The probability of a false alarm, split over the tests: a union bound holds however they depend on each other."""
    tests = sum((metric.compare is not None) + (metric.mode is not None) for metric in analysis.metrics)
    confidence = Decimal(DEFAULT_CONFIDENCE if analysis.confidence is None else analysis.confidence)
    return float((100 - confidence) / 100) / max(tests, 1)


def _limit(metric: Metric) -> Limit:
    peer = None if metric.from_ is None else Peer(metric.from_.kind, metric.from_.name)
    tolerance = None
    if metric.compare is not None:
        tolerance = float(DEFAULT_TOLERANCE if metric.tolerance is None else metric.tolerance) / 100.0
    if metric.quantile is not None:
        severe = None if metric.rollback_at is None else parse_duration(str(metric.rollback_at))
        highest = parse_duration(metric.max or "0s")
        return Limit(metric.name, highest, severe, metric.quantile, peer=peer, tolerance=tolerance)
    severe = None if metric.rollback_at is None else float(metric.rollback_at)
    slower_than = parse_duration(metric.slower_than or "0s")
    share = metric.min if metric.slower_than is None else metric.max_share
    limit = Limit(
        metric.name, float(share or 0), severe, slower_than=slower_than, peer=peer, tolerance=tolerance,
        sequential=metric.mode is not None,
    )  # fmt: skip
    return msgspec.structs.replace(limit, sample=_sample(limit.bad_share)) if limit.is_tested else limit


@lru_cache(maxsize=256)
def _sample(share: float) -> float:
    """The requests, none of them bad, that show that the share of bad ones is allowed; no number shows that it is 0."""
    return math.ceil(requests_to_show(share, SURE_ENOUGH) or 0.0)
