"""What a metrics source really said, read a second time and by other code than the controller's: what a raise and a
rollback may rest on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from canary.core.plan import Limit, Plan

GROUP = "/apis/metrics.smi-spec.io/"
_COUNT = re.compile(r"(\d{1,13})(m?)\Z")
_WINDOW = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")


class Answered(Protocol):
    """One answer with status 200 as it went out: `monotonic` is when it was made, `user_agent` who asked.

    An empty `user_agent` means that anybody may have asked.
    """

    @property
    def monotonic(self) -> float: ...
    @property
    def user_agent(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Witness:
    """What one answer says of one workload: requests and failures, and seconds by quantile where they are known.

    It says nothing of what single callers saw: metrics of one are not looked at.
    """

    start: float
    end: float
    requests: float
    failures: float
    latencies: Mapping[str, float]

    def allows(self, plan: Plan) -> str:
        """Why nothing may be raised on this; empty when something may."""
        # Fewer bad requests than minBad are pooled with those of the windows before.
        return self._beyond(plan, plan.min_bad)

    def breaks(self, plan: Plan) -> bool:
        """Whether it is beyond a limit, by however few requests."""
        return self.requests > 0 and bool(self._beyond(plan, 0))

    def _beyond(self, plan: Plan, min_bad: int) -> str:
        if self.requests <= 0:
            return "no requests"
        limits = (limit for limit in plan.limits if limit.peer is None)
        return next((words for limit in limits if (words := self._beyond_one(limit, min_bad))), "")

    def _beyond_one(self, limit: Limit, min_bad: int) -> str:
        if limit.quantile:
            seconds = self.latencies.get(limit.quantile)
            known = seconds is not None and seconds <= limit.limit
            return "" if known else f"{limit.name} is {seconds}"
        if limit.slower_than:
            return f"{limit.name} is unknown: the answer has no histogram"
        share = 100.0 * (self.requests - self.failures) / self.requests
        return "" if share >= limit.limit or self.failures < min_bad else f"{limit.name} is {share:.2f}%"


def is_worse(plan: Plan, canary: list[Witness], stable: list[Witness]) -> bool:
    """Whether, over all that was told, some tested limit is exceeded, or stable's share of failures by more than the
    tolerance: the least that a proof of it needs. Of latencies nothing is known here, so that any of them will do.
    """
    ours, theirs = _share_of_failures(canary), _share_of_failures(stable)
    return any(
        bool(limit.quantile or limit.slower_than)
        or (limit.sequential and ours > limit.bad_share)
        or (limit.tolerance is not None and ours > theirs * (1.0 + limit.tolerance))
        for limit in plan.limits
        if limit.is_tested
    )


def _share_of_failures(told: list[Witness]) -> float:
    requests = sum(witness.requests for witness in told)
    return sum(witness.failures for witness in told) / requests if requests else 0.0


@dataclass(slots=True)
class Evidence:
    """All answers, in order. The item of a Service's workload has the Service's name: so it is wherever this judges."""

    answers: Iterable[Answered] = ()

    def of(self, workload: str, reader: str, since: float, until: float) -> list[Witness]:
        """What `reader`, or anybody, was told of a workload in answers made between two moments of the world's time."""
        found = []
        for answer in self.answers:
            if since <= answer.monotonic <= until and (not reader or answer.user_agent in ("", reader)):
                witness = _witness(answer, workload)
                if witness is not None:
                    found.append(witness)
        return found


def _witness(answer: Answered, workload: str) -> Witness | None:
    """`None` for an answer that says nothing certain of the workload."""
    try:
        listed = json.loads(answer.body)
    except ValueError:
        return None
    if not isinstance(listed, dict) or listed.get("kind") != "TrafficMetricsList":
        return None
    mine = [item for item in listed.get("items") or () if _is_about(item, workload)]
    asked = _seconds(answer.query.get("t", ""))
    if len(mine) != 1 or asked is None or _seconds(str(mine[0].get("window"))) != asked:
        return None
    values = {metric["name"]: metric for metric in mine[0].get("metrics") or ()}
    good, bad = _count(values.get("success_count")), _count(values.get("failure_count"))
    if good is None or bad is None:
        return None
    latencies = {name[:3]: seconds for name in values if (seconds := _latency(name, values[name])) is not None}
    return Witness(answer.monotonic - asked, answer.monotonic, good + bad, bad, latencies)


def _is_about(item: Any, workload: str) -> bool:
    resource, edge = item.get("resource") or {}, item.get("edge") or {}
    received = edge.get("direction", "from") == "from"
    return resource.get("name") == workload and resource.get("kind") == "Deployment" and received


def _count(metric: Mapping[str, Any] | None) -> float | None:
    match = _COUNT.match(str(metric.get("value"))) if metric else None
    if match is None:
        return None
    return int(match[1]) / (1000 if match[2] else 1)


def _latency(name: str, metric: Mapping[str, Any]) -> float | None:
    if not name.endswith("_response_latency") or metric.get("unit") != "ms":
        return None
    value = _count(metric)
    return value / 1000 if value else None


def _seconds(text: str) -> float | None:
    match = _WINDOW.match(text)
    if match is None or not text:
        return None
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return math.fsum((3600 * hours, 60 * minutes, seconds))
