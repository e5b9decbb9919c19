"""One typed verdict for each metric and window.

A breach needs a number of bad requests, not only a bad share: at three requests a second, two failures in a window are
noise. When one window has too few, the windows since the hold began are pooled.

A metric that compares with stable, or whose limit is judged by evidence, ends the rollout when that is proven, passes
no step before its sample is large enough, and is no breach where stable is beyond the limit as well.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

import msgspec

from canary.core.comparison import NOTHING, Shown, questions_of
from canary.core.plan import Limit, Plan
from canary.core.verdict_words import counts, odds, proof, reach, seen_by, show, within
from canary.core.window import Missing, Sample, SideReading, Sides, Window

_SHARE_ABOVE = {"p50": 0.50, "p90": 0.10, "p99": 0.01}


SUSPICION = 10**0.5
"""Evidence of so many to 1 is more than "barely worth mentioning" (Jeffreys, "Theory of Probability", 3rd edition 1961,
appendix B): no step passes on it. It ends nothing either; more requests make it a proof, or refute it.
"""
_NO_EVIDENCE: Shown = MappingProxyType({})


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
    """The verdict on one metric. `canary` and `stable` are percent or seconds.

    `severe` is beyond rollbackAt, `proven` by evidence: either ends the rollout. `evidence` against the canary is so
    many to 1, and `needed` what proves it; both are 0 where nothing is tested.
    """

    name: str
    verdict: Verdict
    canary: float | None = None
    stable: float | None = None
    severe: bool = False
    message: str = ""
    proven: bool = False
    evidence: float = 0.0
    needed: float = 0.0


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
    def ends(self) -> bool:
        """Whether this window ends the rollout, whatever came before."""
        return self.severe or any(metric.proven for metric in self.metrics)

    @property
    def words(self) -> str:
        """The messages of the metrics that decided the verdict."""
        return "; ".join(m.message for m in self.metrics if m.verdict is self.verdict) or self.verdict.value


def judge(plan: Plan, window: Window, pool: Pool, shown: Shown = _NO_EVIDENCE) -> Judged:
    """The verdicts on one window, given the sums of the earlier windows of this hold, and the evidence with it."""
    metrics = tuple(
        _judge_metric(plan, limit, window.seen_by(limit.peer), pool.of(limit), shown) for limit in plan.limits
    )
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


_ORDER = (
    Verdict.BREACH, Verdict.NO_DATA, Verdict.SHARED_DEGRADATION, Verdict.COLLECTING, Verdict.HEALTHY,
)  # fmt: skip


def _worst(metrics: tuple[MetricVerdict, ...]) -> Verdict:
    # An empty list of metrics must never pass: nothing was measured.
    found = {metric.verdict for metric in metrics}
    return next((verdict for verdict in _ORDER if verdict in found), Verdict.NO_DATA)


def _judge_metric(plan: Plan, limit: Limit, sides: Sides, earlier: Sums, shown: Shown) -> MetricVerdict:
    sample, stable = sides.canary, _value(limit, sides.stable)
    value = _value(limit, sample)
    if isinstance(sample, Missing) or value is None:
        message = f"{limit.name}{seen_by(limit)}: {_why_unknown(limit, sample)}"
        return MetricVerdict(limit.name, Verdict.NO_DATA, None, stable, message=message)
    sums = _sums(limit, sample)
    verdict, severe = _verdict(plan, limit, *_decisive(plan, limit, value, sums, earlier))
    found = MetricVerdict(limit.name, verdict, value, stable, severe, _words(limit, verdict, value, sample))
    return _tested(plan, limit, found, sums + earlier, shown) if limit.is_tested else found


def _tested(plan: Plan, limit: Limit, found: MetricVerdict, total: Sums, shown: Shown) -> MetricVerdict:
    """The verdict on a metric with evidence. `total` are the sums of this hold, `found` the verdict without it."""
    tests = [(question, shown.get(question.name, NOTHING)) for question in questions_of(plan, limit)]
    if not tests:
        return found
    proven = next(((question, evidence) for question, evidence in tests if evidence.shows(question.test)), None)
    question, strongest = proven or max(tests, key=lambda test: test[1].log_odds)
    found = msgspec.structs.replace(found, evidence=strongest.odds, needed=question.test.needed)
    if found.severe:
        return found
    if proven is not None:
        return msgspec.structs.replace(found, verdict=Verdict.BREACH, proven=True, message=proof(question, strongest))
    # Without requests to stable nothing can refute a suspicion against it, however long one waits.
    suspected = strongest.odds > SUSPICION and not (question.compares and found.stable is None)
    verdict, why = _undecided(limit, found, total, suspected=suspected)
    against = f"evidence {odds(strongest.odds, question.test.needed)} against it"
    words = (found.message, why, against, reach(plan, question, strongest))
    return msgspec.structs.replace(found, verdict=verdict, message="; ".join(filter(None, words)))


def _undecided(limit: Limit, found: MetricVerdict, total: Sums, *, suspected: bool) -> tuple[Verdict, str]:
    """The verdict while nothing is proven, and what to say of it beside the value."""
    beyond = found.verdict is Verdict.BREACH
    if limit.sequential:
        beyond = not limit.allows(_share(limit, total))
    if beyond and limit.tolerance is not None and found.stable is not None and not limit.allows(found.stable):
        return Verdict.SHARED_DEGRADATION, f"so is stable with {show(limit, found.stable)}: it is not the canary alone"
    if limit.sequential:
        if beyond:
            return Verdict.COLLECTING, ""
    elif found.verdict is not Verdict.HEALTHY:
        return found.verdict, ""
    if total.requests < limit.sample:
        return Verdict.COLLECTING, f"{total.requests:.0f} of {limit.sample:.0f} requests that are needed to show it"
    if suspected:
        return Verdict.COLLECTING, "too much speaks against it to go on"
    return Verdict.HEALTHY, ""


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
    return _share(limit, sums), sums.bad


def _share(limit: Limit, sums: Sums) -> float:
    """What the limit is held against, in percent: of good requests for a success rate, else of slow ones."""
    return 100.0 * (sums.requests - sums.bad if limit.is_rate else sums.bad) / sums.requests


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


def _words(limit: Limit, verdict: Verdict, value: float, sample: Sample) -> str:
    healthy = verdict is Verdict.HEALTHY
    told = counts(limit, sample.requests, 0.0 if limit.quantile else _bad(limit, sample))
    suffix = ", too few bad requests to judge" if verdict is Verdict.COLLECTING else ""
    return within(limit, value, healthy=healthy, pooled=healthy is not limit.allows(value), counts=told + suffix)
