"""The tests that a plan asks for, what of a window each of them counts, and what they have shown so far.

Evidence belongs to one rollout. It is kept by the name of its test, which changes with everything that the test is
about: an edited limit or tolerance begins anew, another confidence goes on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from canary.core.evidence import (
    Counts,
    Early,
    Evidence,
    Finding,
    Gauge,
    RateLimit,
    RateRatio,
    Test,
    WindowCounts,
    count,
    failures,
    fewest_windows,
    sign,
    sign_test,
    slower,
)
from canary.core.plan import SURE_ENOUGH, Limit, Plan
from canary.core.window import Missing, SideReading, Sides, Window

Shown = Mapping[str, Evidence]
"""What each test of a rollout has shown, by `Question.name`."""
NOTHING = Evidence()
Side = Counts | Missing


class Question(NamedTuple):
    """One test of one metric: whether the canary is worse than stable, or beyond the metric's limit."""

    name: str
    limit: Limit
    test: Test
    compares: bool

    def counts(self, sides: Sides) -> tuple[Side, Side]:
        """What it counts of the canary and of stable."""
        if self.compares and self.limit.quantile:
            return _signs(self.limit, sides), Missing("a sign is one of both sides")
        return counted(self.limit, sides.canary), counted(self.limit, sides.stable)


def questions(plan: Plan) -> Iterator[Question]:
    """The tests of all metrics, in the order of the metrics."""
    for limit in plan.limits:
        yield from questions_of(plan, limit)


def questions_of(plan: Plan, limit: Limit) -> Iterator[Question]:
    """The tests of one metric: none, one or two."""
    fewest, alpha, horizon = fewest_windows(plan.interval), plan.alpha, plan.horizon
    if limit.tolerance is not None:
        ratio = RateRatio(alpha=alpha, horizon=horizon, fewest=fewest, ratio=1.0 + limit.tolerance)
        test = sign_test(alpha, horizon=horizon) if limit.quantile else ratio
        yield Question(_name(limit, "stable", limit.tolerance), limit, test, compares=True)
    if limit.sequential:
        beyond = RateLimit(alpha=alpha, horizon=horizon, fewest=fewest, limit=limit.bad_share)
        yield Question(_name(limit, "limit", limit.limit), limit, beyond, compares=False)


def _name(limit: Limit, what: str, value: float) -> str:
    about = msgspec.json.encode([what, value, limit.quantile, limit.slower_than, limit.peer])
    return f"{limit.name}/{what}/{hashlib.sha256(about).hexdigest()[:6]}"


def counted(limit: Limit, side: SideReading) -> Side:
    """The requests of a side and the bad ones among them, as a metric that counts requests defines them."""
    return slower(side, limit.slower_than) if limit.slower_than else failures(side)


def _signs(limit: Limit, sides: Sides) -> Side:
    canary, stable = _gauge(limit, sides.canary), _gauge(limit, sides.stable)
    if isinstance(canary, Missing):
        return canary
    if isinstance(stable, Missing):
        return stable
    return sign(canary, stable, 1.0 - limit.bad_share, limit.tolerance or 0.0)


def _gauge(limit: Limit, side: SideReading) -> Gauge | Missing:
    if isinstance(side, Missing):
        return side
    value = next((value for quantile, value in side.latency.items() if quantile == limit.quantile), None)
    return Missing(f"no {limit.quantile} latency") if value is None else Gauge(value, side.requests)


def weigh(plan: Plan, window: Window, before: Shown, *, new: bool, together: bool = False) -> dict[str, Evidence]:
    """The evidence with one window added; that of tests which the plan no longer has is dropped.

    Windows are told apart by Unix time, which all processes share. `new` says that this process has seen the window
    begin after the last one that it added: then a clock that was set back does not make it one that was counted.
    `together` says that both sides run the revision, so that limits count the requests of both.
    """
    after = {}
    for question in questions(plan):
        so_far = before.get(question.name, NOTHING)
        counts = _at(window, so_far.end if new else 0.0, question, together=together)
        after[question.name] = count(question.test, so_far, counts).evidence
    return after


def _at(window: Window, earliest: float, question: Question, *, together: bool) -> WindowCounts:
    length = window.end - window.start
    start = max(window.wall_end - length, earliest)
    canary, stable = question.counts(window.seen_by(question.limit.peer))
    if together and not question.compares and isinstance(canary, Counts) and isinstance(stable, Counts):
        canary = canary + stable
    return WindowCounts(start, start + length, canary, stable)


def newest(ours: Shown, stored: Shown) -> Shown:
    """Of each test the evidence that goes further: another process may have gone on, or this one just begun."""
    further = {name: found for name, found in stored.items() if found.end > ours.get(name, NOTHING).end}
    return {**ours, **further} if further else ours


def worth_storing(plan: Plan, ours: Shown, stored: Shown) -> bool:
    """Whether a restart would lose a factor of ten of some evidence: nobody wants to wait for that twice."""
    ten = 2.302585
    return any(
        ours[q.name].peak >= max(stored.get(q.name, NOTHING).peak, 0.0) + ten for q in questions(plan) if q.name in ours
    )


class Enough(msgspec.Struct, frozen=True):
    """What a step has shown so far, of each metric that counts requests and is tested: see `Early`.

    `said` is whether all of them have shown enough.
    """

    metrics: dict[str, Evidence] = {}
    said: bool = False


def enough(plan: Plan, window: Window, before: Enough) -> Enough:
    """With one window more."""
    if not plan.early:
        return before
    shown, said = {}, []
    for limit in plan.limits:
        if not limit.is_tested or limit.quantile:
            continue
        early, sides = Early(alpha=SURE_ENOUGH, limit=limit.bad_share), window.seen_by(limit.peer)
        # By the clock of this process: a step that another one has begun begins anew.
        counts = WindowCounts(window.start, window.end, counted(limit, sides.canary), counted(limit, sides.stable))
        step = count(early.test, before.metrics.get(limit.name, NOTHING), counts).evidence
        shown[limit.name] = step
        said.append(step.windows >= early.fewest and early.finding(step) is Finding.SHOWN)
    return Enough(shown, bool(said) and all(said))
