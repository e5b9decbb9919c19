"""One typed verdict for each metric and window.

A breach needs a number of bad requests, not only a bad share: at three requests a second, two failures in a window are
noise. When one window has too few, the windows since the hold began are pooled.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from canary.api.duration import format_duration
from canary.core.plan import Limit, Plan
from canary.core.window import Missing, Sample, SideReading, Window

_SHARE_ABOVE = {"p50": 0.50, "p90": 0.10, "p99": 0.01}


class Verdict(StrEnum):
    HEALTHY = "Healthy"
    COLLECTING = "Collecting"
    BREACH = "Breach"
    SHARED_DEGRADATION = "SharedDegradation"
    NO_DATA = "NoData"
    SOURCE_ERROR = "SourceError"


class Pool(msgspec.Struct, frozen=True):
    """Sums over the counted windows since the hold began; `slow` is the lower bound of requests above each limit."""

    requests: float = 0.0
    bad: float = 0.0
    slow: dict[str, float] = {}


class MetricVerdict(msgspec.Struct, frozen=True):
    """The verdict on one metric. `canary` and `stable` are percent or seconds; `severe` is beyond rollbackAt."""

    name: str
    verdict: Verdict
    canary: float | None = None
    stable: float | None = None
    severe: bool = False
    message: str = ""


class Judged(msgspec.Struct, frozen=True):
    """A window and what was made of it. Times are monotonic seconds, `wall_end` Unix seconds."""

    start: float
    end: float
    wall_end: float
    verdict: Verdict
    metrics: tuple[MetricVerdict, ...]
    requests: float = 0.0

    @property
    def severe(self) -> bool:
        return any(metric.severe for metric in self.metrics)

    @property
    def words(self) -> str:
        """The messages of the metrics that decided the verdict."""
        return "; ".join(m.message for m in self.metrics if m.verdict is self.verdict) or self.verdict.value


def judge(plan: Plan, window: Window, pool: Pool) -> Judged:
    """The verdicts on one window, given the sums of the earlier windows of this hold."""
    metrics = tuple(_judge_metric(plan, limit, window, pool) for limit in plan.limits)
    requests = window.canary.requests if isinstance(window.canary, Sample) else 0.0
    return Judged(window.start, window.end, window.wall_end, _worst(metrics), metrics, requests)


def pooled(plan: Plan, window: Window, pool: Pool) -> Pool:
    """The sums with this window added."""
    sample = window.canary
    if not isinstance(sample, Sample):
        return pool
    slow = {limit.name: _slow(limit.limit, sample) for limit in plan.limits if limit.quantile}
    return Pool(
        requests=pool.requests + sample.requests,
        bad=pool.bad + sample.failure,
        slow={name: pool.slow.get(name, 0.0) + count for name, count in slow.items()},
    )


_ORDER = (Verdict.BREACH, Verdict.NO_DATA, Verdict.COLLECTING, Verdict.HEALTHY)


def _worst(metrics: tuple[MetricVerdict, ...]) -> Verdict:
    # An empty list of metrics must never pass: nothing was measured.
    found = {metric.verdict for metric in metrics}
    return next((verdict for verdict in _ORDER if verdict in found), Verdict.NO_DATA)


def _judge_metric(plan: Plan, limit: Limit, window: Window, pool: Pool) -> MetricVerdict:
    stable = _value(limit, window.stable)
    if isinstance(window.canary, Missing):
        return MetricVerdict(limit.name, Verdict.NO_DATA, None, stable, message=f"{limit.name}: {window.canary.reason}")
    value = _value(limit, window.canary)
    if value is None:
        message = f"{limit.name}: the source has no {limit.quantile} latency for the canary"
        return MetricVerdict(limit.name, Verdict.NO_DATA, None, stable, message=message)
    judge_one = _latency if limit.quantile else _success
    verdict, severe = judge_one(plan, limit, window.canary, pool)
    return MetricVerdict(limit.name, verdict, value, stable, severe, _words(limit, verdict, value, window.canary))


def _success(plan: Plan, limit: Limit, sample: Sample, pool: Pool) -> tuple[Verdict, bool]:
    bad, requests = sample.failure, sample.requests
    if bad < plan.min_bad:
        bad, requests = bad + pool.bad, requests + pool.requests
    rate = 100.0 * (requests - bad) / requests
    enough = bad >= plan.min_bad
    if rate >= limit.limit:
        return Verdict.HEALTHY, False
    severe = enough and limit.rollback_at is not None and rate <= limit.rollback_at
    return (Verdict.BREACH if enough else Verdict.COLLECTING), severe


def _latency(plan: Plan, limit: Limit, sample: Sample, pool: Pool) -> tuple[Verdict, bool]:
    value = _value(limit, sample)
    if value is None or value <= limit.limit:
        return Verdict.HEALTHY, False
    slow = _slow(limit.limit, sample) + pool.slow.get(limit.name, 0.0)
    enough = slow >= plan.min_bad
    severe = enough and limit.rollback_at is not None and value >= limit.rollback_at
    return (Verdict.BREACH if enough else Verdict.COLLECTING), severe


def _slow(limit: float, sample: Sample) -> float:
    """At least this many requests were slower than `limit`: a quantile q above it leaves the share 1 − q there."""
    shares = [_SHARE_ABOVE[q] for q, value in sample.latency.items() if value > limit]
    return max(shares, default=0.0) * sample.requests


def _value(limit: Limit, side: SideReading) -> float | None:
    if isinstance(side, Missing):
        return None
    if limit.quantile:
        return next((value for quantile, value in side.latency.items() if quantile == limit.quantile), None)
    return 100.0 * side.success_rate


def show(limit: Limit, value: float | None) -> str:
    """A value of this metric for people: `98.71%` or `212ms`; empty when there is none."""
    if value is None:
        return ""
    return format_duration(value) if limit.quantile else f"{value:.4g}%" if value < 99 else f"{value:.2f}%"


def _words(limit: Limit, verdict: Verdict, value: float, sample: Sample) -> str:
    if limit.quantile:
        relation = "is within" if value <= limit.limit else "is above"
        sentence = f"{limit.name} {limit.quantile} {show(limit, value)} {relation} {show(limit, limit.limit)}"
        counts = f"{sample.requests:.0f} requests"
    else:
        within = verdict is Verdict.HEALTHY
        alone = "" if within is (value >= limit.limit) else "with the windows before it "
        relation = f"{alone}is {'at least' if within else 'below'}"
        sentence = f"{limit.name} {show(limit, value)} {relation} {limit.limit:g}%"
        counts = f"{sample.failure:.0f} of {sample.requests:.0f} failed"
    suffix = ", too few bad requests to judge" if verdict is Verdict.COLLECTING else ""
    return f"{sentence} ({counts}{suffix})"
