"""Advice on metrics: which of the limits the sample can carry, and what else stands beside them."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

from canary.core.evidence import requests_to_show
from canary.core.plan import SURE_ENOUGH, Limit
from canary.core.verdict_words import show_limit
from canary.lint.case import Case
from canary.lint.finding import Finding, Level
from canary.lint.timetable import Held
from canary.lint.words import at_least, count, lasting

SCRAPES, SCRAPE = 4, 15.0
"""Scrapes that a window of Prometheus needs, and the seconds between them unless the administrator says otherwise."""
SMI_WINDOW = 30.0
"""Seconds of a window of the SMI metrics API where nobody asks for another. Source: SMI, Traffic Metrics."""


def metric_advice(case: Case) -> Iterator[Finding]:
    """Everything about the analysis."""
    for number, limit in enumerate(case.plan.limits):
        # Of the requests of one caller nobody knows how many there are.
        if limit.peer is None and not limit.sample:
            yield from _sample(case, limit, f"spec.analysis.metrics[{number}].{field_of(limit)}")
    if not any(limit.is_rate for limit in case.plan.limits):
        words = "no metric has a `min`: a canary that fails fast has a good latency"
        yield case.subject.finding("no-success-rate", "spec.analysis.metrics", words)
    if case.plan.no_data_action == "Advance":
        words = f"the weight rises without any measurement after {lasting(case.plan.no_data_timeout)} without data"
        yield case.subject.finding("advance-without-data", "spec.analysis.noData.action", words)
    yield from _window(case)


def field_of(limit: Limit) -> str:
    """The field that has the limit."""
    return "min" if limit.is_rate else "max" if limit.quantile else "maxShare"


def _sample(case: Case, limit: Limit, field: str) -> Iterator[Finding]:
    needed = requests_to_show(limit.bad_share, SURE_ENOUGH)
    if needed is None:
        words = f"no number of requests shows that none fails; it is a breach from {case.plan.min_bad} failures on"
        yield case.subject.finding("limit-beyond-sample", field, words, level=Level.NOTE)
        return
    # At 100 % it is too late to learn it.
    below = case.compared
    best, which = max(below or case.table.held, key=Held.share), "step below 100%" if below else "step"
    takes = f"{show_limit(limit)} takes {count(ceil(needed))} requests to show (confidence 95%)"
    requests = case.requests(best)
    if requests is None:
        enough = at_least(needed / best.share())
        words = f"{takes}: with fewer than {enough} requests/s in all, no {which} has as many"
        yield case.subject.finding("limit-beyond-sample", field, words, level=Level.NOTE)
    elif requests < needed:
        per_second = requests / best.counted
        hold = case.plan.settle + case.plan.interval * ceil(needed / per_second / case.plan.interval)
        words = (
            f"{takes}, and no {which} has more than {count(requests)}: one that is worse may pass; "
            f"{best.stage.weight}% has enough in {lasting(hold)}"
        )
        yield case.subject.finding("limit-beyond-sample", field, words)


def _window(case: Case) -> Iterator[Finding]:
    interval = case.plan.interval
    if case.plan.source == "Prometheus" and interval < SCRAPES * SCRAPE:
        words = (
            f"the controller refuses a window below {SCRAPES} scrapes: for {lasting(interval)} Prometheus must scrape "
            f"each {lasting(interval / SCRAPES)}, not each {lasting(SCRAPE)}"
        )
        yield case.subject.finding("short-window", "spec.analysis.interval", words)
    elif case.plan.source == "SMI" and interval < SMI_WINDOW:
        words = (
            f"servers of the SMI metrics API take {lasting(SMI_WINDOW)} unless told otherwise: see that theirs are "
            f"scraped each {lasting(interval / SCRAPES)}"
        )
        yield case.subject.finding("short-window", "spec.analysis.interval", words)
