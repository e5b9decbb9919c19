"""Advice on steps: whether they last long enough, and whether anything is to be seen in them."""

from __future__ import annotations

from collections.abc import Iterator

from canary.core.comparison import questions
from canary.lint.case import Case
from canary.lint.finding import Finding, Level
from canary.lint.timetable import Held, empty_windows, first_window, windows_for
from canary.lint.words import at_least, count, lasting, percent

_OFTEN = 0.05
"""The share of empty windows from which on they are no accident."""


def step_advice(case: Case) -> Iterator[Finding]:
    """Everything about single steps, and about the first weight."""
    for held in case.steps:
        yield from _hold(case, held)
        yield from _min_requests(case, held)
        yield from _sight(case, held)
    yield from _windows(case)
    yield from _weights(case)


def _hold(case: Case, held: Held) -> Iterator[Finding]:
    plan, hold = case.plan, held.stage.hold
    first = first_window(plan)
    parts = f"settle ({lasting(plan.settle)}) and one window ({lasting(plan.interval)}) take {lasting(first)}"
    if not hold and held.stage.weight < 100:
        words = f"has no hold: it ends with its first Healthy window ({parts}), and that one decides"
        yield case.subject.finding("no-hold", held.field, words)
    elif 0 < hold < first:
        words = f"ends before a window can: {parts}, which is how long the step lasts at least"
        yield case.subject.finding("short-hold", f"{held.field}.hold", words)
    elif hold and held.stage.weight < 100 and (fewest := _fewest(case)) > held.windows:
        words = (
            f"has room for {_windows_of(held.windows)}, and no fewer than {fewest} decide a comparison: none ends in it"
        )
        yield case.subject.finding("short-hold", f"{held.field}.hold", words)


def _fewest(case: Case) -> int:
    """How many windows the tests of counts need; none without such a test."""
    return max((question.test.fewest for question in questions(case.plan)), default=0)


def _windows_of(number: int) -> str:
    return "1 window" if number == 1 else f"{number} windows"


def _min_requests(case: Case, held: Held) -> Iterator[Finding]:
    plan, wanted = case.plan, held.stage.min_requests
    field, per_second = f"{held.field}.minRequests", case.traffic.canary(held.stage.weight)
    usual = max(held.stage.hold, first_window(plan))
    if not wanted or not per_second:
        covered = plan.interval * case.windows_in(usual)
        if wanted:
            enough = at_least(wanted / (covered * held.stage.weight / 100.0))
            words = f"take longer than the hold with fewer than {enough} requests/s in all"
            yield case.subject.finding("min-requests", field, words, level=Level.NOTE)
        return
    windows = windows_for(wanted, per_second, plan.interval)
    lasts = plan.settle + windows * plan.interval
    if lasts > usual:
        words = (
            f"takes {windows} windows at {count(per_second)} requests/s to the canary: the step lasts "
            f"{lasting(lasts)} at least, and its hold is {lasting(held.stage.hold)}"
        )
        yield case.subject.finding("min-requests", field, words)


def _sight(case: Case, held: Held) -> Iterator[Finding]:
    requests, least = case.requests(held), case.plan.min_bad
    if requests is None or requests >= least:
        return
    words = (
        f"the canary has about {count(requests)} requests in {lasting(held.counted)}, and fewer than {least} bad ones "
        "(minBad) are no breach: one that fails them all would pass"
    )
    yield case.subject.finding("blind-step", held.field, words)


def _windows(case: Case) -> Iterator[Finding]:
    for held in case.steps:
        per_second = case.traffic.canary(held.stage.weight)
        if per_second is None:
            return
        expected = per_second * case.plan.interval
        if (empty := empty_windows(expected)) >= _OFTEN:
            words = (
                f"a window of {lasting(case.plan.interval)} has about {count(expected)} requests of the canary: "
                f"{percent(empty)} of the windows have none, which is no data"
            )
            yield case.subject.finding("empty-windows", held.field, words)
            return


def _weights(case: Case) -> Iterator[Finding]:
    first = case.table.held[0] if case.table.held else None
    if first is not None and first.stage.weight == 100:
        where = first.field or case.start
        yield case.subject.finding(
            "all-at-once", where, "the first weight is 100: all requests go to the canary at once"
        )
    for held in case.steps:
        if held.stage.weight == 100 and case.plan.target:
            words = "the stable copy takes the revision over without this step, which needs as many pods again"
            yield case.subject.finding("full-weight", held.field, words)
