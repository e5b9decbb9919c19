"""Advice on tests by evidence: what the traffic can show at all, and how long the sample takes that they need."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from canary.core import evidence
from canary.core.comparison import Question, questions_of
from canary.core.evidence import Gauge, detectable_rate, sign, windows_to_detect
from canary.core.plan import Limit
from canary.core.verdict_words import show_limit
from canary.core.window import Missing
from canary.lint.case import Case
from canary.lint.finding import Finding, Level
from canary.lint.limits import field_of
from canary.lint.timetable import Held, first_window, windows_for
from canary.lint.words import at_least, count, lasting, percent

FOLD = 5.0
"""A regression that should not pass: so many times as many bad requests as are usual."""
LOW = 0.1
"""The probability of a false alarm from which on it is worth a word."""
_MOST = 1e6
"""Requests per second: more than any Service has."""


def comparison_advice(case: Case) -> Iterator[Finding]:
    """Everything about `compare`, `mode: Sequential`, `tolerance` and `confidence`."""
    for number, limit in enumerate(case.plan.limits):
        metric = f"spec.analysis.metrics[{number}]"
        yield from _tolerance(case, limit, f"{metric}.tolerance")
        if limit.peer is not None:
            continue  # Of the requests of one caller nobody knows how many there are.
        if limit.sample:
            yield from _sample(case, limit, f"{metric}.{field_of(limit)}")
        for question in questions_of(case.plan, limit):
            field = f"{metric}.{'compare' if question.compares else 'mode'}"
            yield from _signs(case, question, field) if limit.quantile else _reach(case, question, field)
    yield from _confidence(case)
    yield from _at_100(case)


def _tolerance(case: Case, limit: Limit, field: str) -> Iterator[Finding]:
    if limit.tolerance == 0.0 and not limit.quantile:
        words = "with much traffic a canary is rolled back for a difference that nobody notices"
        yield case.subject.finding("small-tolerance", field, words)
    elif limit.tolerance is not None and limit.tolerance < 0.1 and limit.quantile:
        yield case.subject.finding("small-tolerance", field, "a latency quantile is compared with a tolerance of 10")


def _sample(case: Case, limit: Limit, field: str) -> Iterator[Finding]:
    """A step in which a limit is tested goes on until the sample is there, whatever its hold."""
    plan, takes = case.plan, f"{show_limit(limit)} takes {count(limit.sample)} requests in each step"
    held = [each for each in case.table.held if each.sample]
    if case.traffic.rps is None:
        enough = max((limit.sample / (_seconds(case, each) * each.stage.weight / 100.0) for each in held), default=0.0)
        if enough:
            words = f"{takes}: with fewer than {at_least(enough)} requests/s in all, some last longer than their hold"
            yield case.subject.finding("sample-beyond-hold", field, words, level=Level.NOTE)
        return
    for each in held:
        per_second = case.traffic.canary(each.stage.weight) or 0.0
        lasts = plan.settle + plan.interval * windows_for(limit.sample, per_second, plan.interval)
        if lasts > max(each.stage.hold, first_window(plan)):
            words = (
                f"{takes}: at {each.stage.weight}% they are there after {lasting(lasts)}, "
                f"and the hold is {lasting(each.stage.hold)}"
            )
            yield case.subject.finding("sample-beyond-hold", field, words)
            return


def _seconds(case: Case, held: Held) -> float:
    """Seconds of full windows in the hold, or in the one window that there always is."""
    return case.plan.interval * case.windows_in(max(held.stage.hold, first_window(case.plan)))


def _reach(case: Case, question: Question, field: str) -> Iterator[Finding]:
    """What a test of counts can show within one step; without a known traffic, which traffic shows a five-fold rise."""
    usual = question.limit.bad_share
    where = f"where stable has {percent(usual)}" if question.compares else f"where {percent(usual)} are allowed"
    if case.traffic.rps is None:
        enough = _enough(case, question, FOLD * usual)
        if enough is not None:
            words = (
                f"with fewer than {at_least(enough)} requests/s in all, no step shows {percent(FOLD * usual)} {where}"
            )
            yield case.subject.finding("detectable", field, words)
            return
    found = _best(case, question, case.traffic.rps or _MOST)
    if found is None:
        words = "no step below 100% shows even a canary of which every request is bad"
        yield case.subject.finding("blind-comparison", field, words)
    elif case.traffic.rps is not None:
        held, rate = found
        words = f"{held.stage.weight}% for {lasting(held.counted)} shows {percent(rate)} or more {where}"
        yield case.subject.finding("detectable", field, words)


def _best(case: Case, question: Question, rps: float) -> tuple[Held, float] | None:
    """The step below 100 % that shows the smallest rate, and that rate."""
    rates = [(_rate(case, question, held, rps), held) for held in case.compared]
    found = [(rate, -held.number, held) for rate, held in rates if rate is not None]
    if not found:
        return None
    rate, _, held = min(found, key=lambda each: each[:2])
    return held, rate


def _rate(case: Case, question: Question, held: Held, rps: float) -> float | None:
    canary = rps * case.plan.interval * held.stage.weight / 100.0
    stable = rps * case.plan.interval - canary
    traffic = evidence.Traffic(canary, stable, question.limit.bad_share if question.compares else 0.0)
    return detectable_rate(question.test, traffic, held.windows)


def _enough(case: Case, question: Question, rate: float) -> float | None:
    """Requests per second with which some step shows that rate; `None` when none does, or the rate is none."""

    def shows(rps: float) -> bool:
        best = _best(case, question, rps)
        return best is not None and best[1] <= rate

    if not 0.0 < rate < 1.0 or not shows(_MOST):
        return None
    low, high = 1e-3, _MOST
    while high / low > 1.01:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def _signs(case: Case, question: Question, field: str) -> Iterator[Finding]:
    """A latency quantile is one number a window: only who was slower in how many windows can be counted."""
    plan, limit = case.plan, question.limit
    windows = windows_to_detect(question.test, evidence.Traffic(1.0, 0.0), 1.0) or 0
    longest = max((held.windows for held in case.compared), default=0)
    if longest < windows:
        words = (
            f"a canary that is always slower is shown by {windows} windows in a row "
            f"({lasting(windows * plan.interval)}), and no step below 100% has more than {longest}"
        )
        yield case.subject.finding("blind-comparison", field, words)
    if case.traffic.rps is None:
        return
    reasons = [_unusable(case, limit, held, case.traffic.rps) for held in case.compared]
    if reasons and all(reasons):
        yield case.subject.finding("blind-comparison", field, f"no step below 100% can be compared: {reasons[-1]}")


def _unusable(case: Case, limit: Limit, held: Held, rps: float) -> str:
    canary = rps * case.plan.interval * held.stage.weight / 100.0
    slow, fast = Gauge(2.0, float(ceil(canary))), Gauge(1.0, float(ceil(rps * case.plan.interval - canary)))
    found = sign(slow, fast, 1.0 - limit.bad_share, limit.tolerance or 0.0)
    return found.reason if isinstance(found, Missing) else ""


def _confidence(case: Case) -> Iterator[Finding]:
    given = case.spec.analysis.confidence
    if given is not None and 1.0 - float(given) / 100.0 > LOW:
        words = f"up to {100.0 - float(given):.4g} of 100 healthy releases are rolled back by chance"
        yield case.subject.finding("low-confidence", "spec.analysis.confidence", words)


def _at_100(case: Case) -> Iterator[Finding]:
    compares = any(limit.tolerance is not None for limit in case.plan.limits)
    for held in case.steps:
        if compares and held.stage.weight == 100 and held.stage.hold:
            words = "nothing is left to compare with: in this step the limits alone count"
            yield case.subject.finding("no-comparison", held.field, words)
