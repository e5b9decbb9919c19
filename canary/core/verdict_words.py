"""Values, limits, verdicts and evidence in words: counts first."""

from __future__ import annotations

from functools import lru_cache
from math import log10

from canary.api.duration import format_duration
from canary.core.comparison import Question
from canary.core.evidence import Counts, Evidence, Test, Traffic, detectable_rate
from canary.core.plan import Limit, Plan

_SOON = 300.0
"""Seconds within which people would like to know of a regression."""


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


def within(limit: Limit, value: float, *, healthy: bool, pooled: bool, counts: str) -> str:
    """How a value stands to its limit: `success-rate 98.00% is below 99% (2 of 100 failed)`."""
    name = f"{limit.name}{seen_by(limit)}"
    if limit.quantile:
        relation = "is within" if limit.allows(value) else "is above"
        return f"{name} {limit.quantile} {show(limit, value)} {relation} {show(limit, limit.limit)} ({counts})"
    alone = "with the windows before it " if pooled else ""
    inside, outside = ("at least", "below") if limit.is_rate else ("at most", "above")
    return f"{name} {show(limit, value)} {alone}is {inside if healthy else outside} {limit.limit:g}% ({counts})"


def counts(limit: Limit, requests: float, bad: float) -> str:
    """`2 of 100 failed`, or, for a quantile, `100 requests`."""
    return f"{requests:.0f} requests" if limit.quantile else f"{bad:.0f} of {requests:.0f} {_what(limit)}"


def seen_by(limit: Limit) -> str:
    return f" seen by {limit.peer.kind} {limit.peer.name}" if limit.peer else ""


def odds(evidence: float, needed: float) -> str:
    """`2.4:1 of 100:1`: the evidence against the canary, and what ends the rollout; empty where nothing is tested."""
    return f"{_odds(evidence)} of {_odds(needed)}" if needed else ""


def proof(question: Question, evidence: Evidence) -> str:
    """Why a rollout ends: `success-rate: 15 of 300 failed (5%), stable 27 of 2700 (1%), more than 20% worse: …`."""
    limit, canary, stable = question.limit, evidence.canary, evidence.stable
    name = f"{limit.name}{seen_by(limit)}"
    enough = f"evidence {_odds(evidence.odds)}, {_odds(question.test.needed)} is enough"
    if question.compares and limit.quantile:
        above = f"more than {_percent(max(limit.tolerance or 0.0, 0.1))} above stable's"
        return f"{name}: {limit.quantile} {above} in {canary.bad:.0f} of {canary.requests:.0f} windows: {enough}"
    told = f"{name}: {_share(canary, _what(limit))}"
    if question.compares:
        return f"{told}, stable {_share(stable)}, more than {_percent(limit.tolerance or 0.0)} worse: {enough}"
    return f"{told}, {_percent(limit.bad_share)} is allowed: {enough}"


def reach(plan: Plan, question: Question, evidence: Evidence) -> str:
    """What this traffic can show at all: `a 6.5-fold rise (to 6.5%) shows within 5m`; empty where nobody can tell."""
    if not evidence.windows or question.limit.quantile:
        return ""
    windows = max(round(_SOON / plan.interval), question.test.fewest)
    patience = format_duration(windows * plan.interval)
    usual = _rough(evidence.stable.rate) if question.compares else question.limit.bad_share
    canary, stable = (_rough(side.requests / evidence.windows) for side in (evidence.canary, evidence.stable))
    found = _detectable(question.test, canary, stable, usual, windows)
    if found is None:
        return f"at this traffic nothing shows within {patience}"
    fold = f"a {found / usual:.2g}-fold rise (to {_percent(found)})" if usual else f"a rise to {_percent(found)}"
    return f"{fold} shows within {patience}"


@lru_cache(maxsize=1024)
def _detectable(test: Test, canary: float, stable: float, rate: float, windows: int) -> float | None:
    return detectable_rate(test, Traffic(canary, stable, rate), windows)


def _rough(value: float) -> float:
    """One of twelve values in each power of ten: closer ones would be worked out anew in each window for nobody."""
    return 10.0 ** (round(12.0 * log10(value)) / 12.0) if value > 0.0 else 0.0


def _odds(value: float) -> str:
    return f"{value:.2g}:1" if value < 10.0 else f"{value:.0f}:1" if value < 1e6 else "over 1000000:1"


def _share(side: Counts, what: str = "") -> str:
    return f"{side.bad:.0f} of {side.requests:.0f} {what}".rstrip() + f" ({_percent(side.rate)})"


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g}%"


def _what(limit: Limit) -> str:
    return f"took longer than {format_duration(limit.slower_than)}" if limit.slower_than else "failed"
