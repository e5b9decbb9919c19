"""A report as plain values for programs."""

from __future__ import annotations

from typing import Any

import msgspec

from canary.lint.case import Case
from canary.lint.check import Report
from canary.lint.finding import Finding, Level
from canary.lint.timetable import Held


def plain(report: Report) -> dict[str, Any]:
    """The whole report: counts, findings and plans. Durations are seconds, weights percent, shares 0.0 to 1.0."""
    return {
        "canaries": report.canaries,
        **{f"{level.value}s": report.count(level) for level in Level},
        "findings": [_finding(finding) for finding in report.findings],
        "plans": [plan(case) for case in report.cases],
    }


def plan(case: Case) -> dict[str, Any]:
    """How long a rollout takes, and what each of its steps gets to see."""
    return {
        "file": case.subject.file,
        "canary": case.subject.name,
        "leastSeconds": case.table.least,
        "timeoutSeconds": case.table.timeout,
        "approvals": list(case.table.approvals),
        "steps": [_step(case, held) for held in case.table.held],
    }


def breach_from(case: Case, held: Held) -> float | None:
    """The least share of failures that is a breach in this step: beyond every limit, and `minBad` of them.

    `None` without a known traffic or without a limit for failures; above 1.0 there is none.
    """
    requests = case.requests(held)
    limits = [limit.bad_share for limit in case.plan.limits if limit.is_rate]
    if not limits or requests is None:
        return None
    return max(min(limits), case.plan.min_bad / requests)


def _step(case: Case, held: Held) -> dict[str, Any]:
    return {
        "number": held.number,
        "weight": held.stage.weight,
        "leastSeconds": held.least,
        "seconds": held.whole,
        "windows": held.windows,
        "requests": case.requests(held),
        "breachFrom": breach_from(case, held),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(finding)
    place = found.pop("place")
    return {
        "file": found.pop("file"),
        "line": place["line"],
        "column": place["column"],
        **({"endColumn": place["end_column"]} if place["end_column"] else {}),
        **{name: value for name, value in found.items() if value},
    }
