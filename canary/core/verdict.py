"""One typed verdict for each metric and window.

A breach needs a number of bad requests, not only a bad share: at three requests a second, two failures in a window are
noise. When one window has too few, the windows since the hold began are pooled.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from canary.api.duration import format_duration
from canary.core.plan import Limit, Plan
from canary.core.window import Missing, Sample, SideReading, Sides, Window

_SHARE_ABOVE = {"p50": 0.50, "p90": 0.10, "p99": 0.01}


class Verdict(StrEnum):
    HEALTHY = "Healthy"
    COLLECTING = "Collecting"
    BREACH = "Breach"
    SHARED_DEGRADATION = "SharedDegradation"
    NO_DATA = "NoData"
    SOURCE_ERROR = "SourceError"


class Sums(msgspec.Struct, frozen=True):
    """What one metric counts: requests, and the bad ones among them.

    Bad is what failed or was too slow: by a histogram, or, for a quantile, at least that many.
    """

    requests: float = 0.0
    bad: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.requests + other.requests, self.bad + other.bad)


class Pool(msgspec.Struct, frozen=True):
    """Sums over the counted windows since the hold began: the canary's requests, and those of each metric by name."""

    requests: float = 0.0
    metrics: dict[str, Sums] = {}

    def of(self, limit: Limit) -> Sums:
        return self.metrics.get(limit.name, Sums())


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
    metrics = tuple(_judge_metric(plan, limit, window.seen_by(limit.peer), pool.of(limit)) for limit in plan.limits)
    return Judged(window.start, window.end, window.wall_end, _worst(metrics), metrics, _requests(window.canary))


def with_stable(plan: Plan, window: Window, judged: Judged) -> Judged:
    """The verdict of a window in which stable runs the revision under trial, too: its breach is one of the revision."""
    edges = {peer: Sides(sides.stable, sides.canary) for peer, sides in window.edges.items()}
    swapped = Window(window.start, window.end, window.wall_end, window.stable, window.canary, edges)
    breached = {m.name: m for m in judge(plan, swapped, Pool()).metrics if m.verdict is Verdict.BREACH}
    if not breached:
        return judged
    metrics = tuple(_of_stable(breached[m.name]) if m.name in breached else m for m in judged.metrics)
    return msgspec.structs.replace(judged, verdict=_worst(metrics), metrics=metrics)


def _of_stable(verdict: MetricVerdict) -> MetricVerdict:
    message = f"on the stable copy, {verdict.message}"
    return msgspec.structs.replace(verdict, canary=verdict.stable, stable=verdict.canary, message=message)


def pooled(plan: Plan, window: Window, pool: Pool) -> Pool:
    """The sums with this window added."""
    sums = {limit.name: pool.of(limit) + _sums(limit, window.seen_by(limit.peer).canary) for limit in plan.limits}
    return Pool(pool.requests + _requests(window.canary), sums)


def _requests(side: SideReading) -> float:
    return side.requests if isinstance(side, Sample) else 0.0


_ORDER = (Verdict.BREACH, Verdict.NO_DATA, Verdict.COLLECTING, Verdict.HEALTHY)


def _worst(metrics: tuple[MetricVerdict, ...]) -> Verdict:
    # An empty list of metrics must never pass: nothing was measured.
    found = {metric.verdict for metric in metrics}
    return next((verdict for verdict in _ORDER if verdict in found), Verdict.NO_DATA)


def _judge_metric(plan: Plan, limit: Limit, sides: Sides, earlier: Sums) -> MetricVerdict:
    sample, stable = sides.canary, _value(limit, sides.stable)
    value = _value(limit, sample)
    if isinstance(sample, Missing) or value is None:
        message = f"{limit.name}{_seen_by(limit)}: {_why_unknown(limit, sample)}"
        return MetricVerdict(limit.name, Verdict.NO_DATA, None, stable, message=message)
    verdict, severe = _verdict(plan, limit, *_decisive(plan, limit, value, _sums(limit, sample), earlier))
    return MetricVerdict(limit.name, verdict, value, stable, severe, _words(limit, verdict, value, sample))


def _why_unknown(limit: Limit, side: SideReading) -> str:
    if isinstance(side, Missing):
        return side.reason
    return f"the source has no {f'{limit.quantile} latency for the canary' if limit.quantile else 'histogram'}"


def _decisive(plan: Plan, limit: Limit, value: float, sums: Sums, earlier: Sums) -> tuple[float, float]:
    """The value to judge, and how many bad requests speak for it.

    A quantile is that of this window; the earlier ones count only towards how many must have been slow. A share is that
    of this window, or of all since the hold began where that alone has too few bad requests.
    """
    if limit.quantile:
        return value, sums.bad + earlier.bad
    if sums.bad < plan.min_bad:
        sums = sums + earlier
    counted = sums.requests - sums.bad if limit.is_rate else sums.bad
    return 100.0 * counted / sums.requests, sums.bad


def _verdict(plan: Plan, limit: Limit, value: float, bad: float) -> tuple[Verdict, bool]:
    if limit.allows(value):
        return Verdict.HEALTHY, False
    if bad < plan.min_bad:
        return Verdict.COLLECTING, False
    return Verdict.BREACH, limit.ends_at(value)


def _sums(limit: Limit, side: SideReading) -> Sums:
    if isinstance(side, Missing) or (limit.slower_than and not side.histogram):
        return Sums()
    return Sums(side.requests, _bad(limit, side))


def _bad(limit: Limit, sample: Sample) -> float:
    """How many requests were bad; by quantiles, at least: a p99 above the limit is a hundredth."""
    if limit.slower_than:
        return (sample.slower_than(limit.slower_than) or 0.0) * sample.requests
    if limit.quantile:
        shares = [_SHARE_ABOVE[q] for q, value in sample.latency.items() if value > limit.limit]
        return max(shares, default=0.0) * sample.requests
    return sample.failure


def _value(limit: Limit, side: SideReading) -> float | None:
    if isinstance(side, Missing):
        return None
    if limit.quantile:
        return next((value for quantile, value in side.latency.items() if quantile == limit.quantile), None)
    if limit.slower_than:
        share = side.slower_than(limit.slower_than)
        return None if share is None else 100.0 * share
    return 100.0 * side.success_rate


def show(limit: Limit, value: float | None) -> str:
    """A value of this metric for people: `98.71%` or `212ms`; empty when there is none."""
    if value is None:
        return ""
    return format_duration(value) if limit.quantile else f"{value:.4g}%" if value < 99 else f"{value:.2f}%"


def show_limit(limit: Limit) -> str:
    """The limit of this metric for people: `min 99%`, `max 500ms` or `max 1% slower than 500ms`."""
    if limit.slower_than:
        return f"max {limit.limit:g}% slower than {format_duration(limit.slower_than)}"
    return f"max {show(limit, limit.limit)}" if limit.quantile else f"min {limit.limit:g}%"


def _words(limit: Limit, verdict: Verdict, value: float, sample: Sample) -> str:
    name = f"{limit.name}{_seen_by(limit)}"
    if limit.quantile:
        relation = "is within" if limit.allows(value) else "is above"
        sentence = f"{name} {limit.quantile} {show(limit, value)} {relation} {show(limit, limit.limit)}"
        counts = f"{sample.requests:.0f} requests"
    else:
        within = verdict is Verdict.HEALTHY
        alone = "" if within is limit.allows(value) else "with the windows before it "
        inside, outside = ("at least", "below") if limit.is_rate else ("at most", "above")
        sentence = f"{name} {show(limit, value)} {alone}is {inside if within else outside} {limit.limit:g}%"
        counts = f"{_bad(limit, sample):.0f} of {sample.requests:.0f} {_what(limit)}"
    suffix = ", too few bad requests to judge" if verdict is Verdict.COLLECTING else ""
    return f"{sentence} ({counts}{suffix})"


def _what(limit: Limit) -> str:
    return f"took longer than {format_duration(limit.slower_than)}" if limit.slower_than else "failed"


def _seen_by(limit: Limit) -> str:
    return f" seen by {limit.peer.kind} {limit.peer.name}" if limit.peer else ""
