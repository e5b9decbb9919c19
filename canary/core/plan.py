"""A valid spec in the form the decision reads: seconds instead of texts, one list of stages whether steps or ramp."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import msgspec

from canary.api.canary import CanarySpec, Metric, Step
from canary.api.duration import parse_duration


class Stage(msgspec.Struct, frozen=True):
    """One stage: a weight that is held for `hold` seconds, or an approval by name."""

    weight: int = 0
    hold: float = 0.0
    min_requests: int = 0
    approval: str = ""


class Limit(msgspec.Struct, frozen=True):
    """One metric's limit. A success rate (`quantile` empty) in percent, else a latency quantile in seconds."""

    name: str
    limit: float
    rollback_at: float | None = None
    quantile: str = ""


class Plan(msgspec.Struct, frozen=True):
    """Everything that a rollout of one Canary obeys. Durations are seconds, weights percent."""

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
    label: str = ""

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
    """The plan of a spec that `canary.api.validation` accepted. A plan that ends below 100 gets 100 appended."""
    stages = tuple(_stages(spec))
    if not any(stage.weight == 100 for stage in stages):
        stages += (Stage(weight=100),)
    analysis = spec.analysis
    return Plan(
        root=spec.service.name,
        stable=spec.backends.stable,
        canary=spec.backends.canary,
        stages=stages,
        hash=hashlib.sha256(msgspec.json.encode(stages)).hexdigest()[:12],
        limits=tuple(_limit(metric) for metric in analysis.metrics),
        interval=parse_duration(analysis.interval),
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
        label=spec.revision,
    )


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


def _limit(metric: Metric) -> Limit:
    if metric.quantile is not None:
        severe = None if metric.rollback_at is None else parse_duration(str(metric.rollback_at))
        return Limit(metric.name, parse_duration(metric.max or "0s"), severe, metric.quantile)
    severe = None if metric.rollback_at is None else float(metric.rollback_at)
    return Limit(metric.name, float(metric.min or 0), severe)
