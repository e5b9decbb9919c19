"""Waiting that has lasted too long: no pods, no sample, no metrics source."""

from __future__ import annotations

from canary.api.duration import format_duration
from canary.core.decision import Decision
from canary.core.phases import Phase, Trigger
from canary.core.plan import Plan
from canary.core.rules.safety import roll_back
from canary.core.situation import Situation
from canary.core.verdict import Judged, Verdict


def pods(s: Situation) -> Decision | None:
    """progressDeadline counts only while a rollout waits for ready pods."""
    since, plan = s.memory.waiting_since, s.plan
    if plan is None or since is None or not s.state.running or not s.reached(since + plan.deadline):
        return None
    patience = format_duration(plan.deadline)
    if s.state.phase is Phase.PROMOTING:
        words = f"the stable copy did not become ready within {patience}{_trouble(s)}"
        return roll_back(s, Trigger.DEADLINE, "PromotionFailed", words)
    if s.state.weight and s.workload is None:
        return None
    if s.state.restart:
        words = f"pods that have read an earlier configuration still got requests after {patience}"
    elif s.canary_side.ready:
        words = f"{s.canary_side.ready} of {s.pods_needed} pods became ready within {patience}{_trouble(s)}"
    else:
        words = f"Service {s.state.canary} had no ready endpoint for {patience}{_trouble(s)}"
    return roll_back(s, Trigger.DEADLINE, "ProgressDeadlineExceeded", words)


def _trouble(s: Situation) -> str:
    """In managed mode, what keeps the pods from being ready."""
    w = s.workload
    if w is None:
        return ""
    side = w.stable if s.state.phase is Phase.PROMOTING else w.candidate
    return f": {side.trouble}" if side is not None and side.trouble else ""


def no_data(s: Situation) -> Decision | None:
    since, plan = s.memory.no_data_since, s.plan
    if plan is None or plan.no_data_action != "Rollback" or since is None or not s.state.running:
        return None
    if not s.reached(since + plan.no_data_timeout):
        return None
    reason, words = unusable(s.memory.latest, plan)
    return roll_back(s, Trigger.NO_DATA, reason, words)


def unusable(latest: Judged | None, plan: Plan) -> tuple[str, str]:
    """What there was instead of a usable sample for as long as noData.timeout, in a word and a sentence."""
    patience = format_duration(plan.no_data_timeout)
    if latest is not None and latest.verdict is Verdict.SHARED_DEGRADATION:
        return "SharedDegradation", f"both sides were beyond the limit for {patience}: {latest.words}"
    return "NoData", f"no usable sample for {patience}{f': {latest.words}' if latest else ''}"


def source_error(s: Situation) -> Decision | None:
    since, plan = s.memory.failing_since, s.plan
    if plan is None or plan.source_action != "Rollback" or since is None or not s.state.running:
        return None
    if s.state.weight == 0 or not s.reached(since + plan.source_timeout):
        return None
    words = f"the metrics source failed for {format_duration(plan.source_timeout)}: {s.memory.source_reason}"
    return roll_back(s, Trigger.SOURCE_ERROR, "SourceError", words)
