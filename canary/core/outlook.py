"""What a Canary waits for, in words, and when it must be looked at again."""

from __future__ import annotations

from canary.api.duration import format_duration
from canary.core.actions.leaving import patience
from canary.core.decision import Outlook
from canary.core.memory import GONE_AFTER, left
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.core.rollout_words import awaited, draining, in_the_way, promoting, scaling_reason, steady
from canary.core.rules.deadlines import unusable
from canary.core.rules.revisions import LABEL_PATIENCE
from canary.core.rules.steps import awaited_approval, canary_ready, stable_follows, stable_judged, unrestorable
from canary.core.situation import Situation, stable_unavailable
from canary.core.verdict import Verdict


def wake_at(s: Situation) -> float | None:
    """The earliest moment (monotonic) at which time alone may change the decision; `None` when none will."""
    memory, plan = s.memory, s.observed.plan or s.observed.last_plan
    moments: list[float | None] = []
    if s.state.running:
        moments += [memory.hold_until, memory.settled_at, memory.warm_at]
        # While no watch is open, nothing else would bring this back.
        unwatched = s.state.weight > 0 and s.canary_side.gone and memory.gone_since is None
        moments.append(_after(s.now.monotonic if unwatched else memory.gone_since, GONE_AFTER))
    if plan is not None:
        moments.append(_after(memory.waiting_since, plan.deadline))
        moments.append(_after(memory.no_data_since, plan.no_data_timeout))
        moments.append(_after(memory.failing_since, plan.source_timeout))
    moments.append(_after(memory.label_since, LABEL_PATIENCE))
    if s.workload is not None:
        moments += [memory.pointed_at, memory.settled_at]
        if plan is not None and s.state.phase is Phase.ROLLING_BACK:
            moments.append(s.now.monotonic + left(plan.deadline, s.state.since, s.now))
    if s.observed.deleted_at is not None:
        moments.append(s.now.monotonic + left(patience(s.observed), s.observed.deleted_at, s.now))
    return min((m for m in moments if m is not None and m > s.now.monotonic), default=None)


def _after(since: float | None, seconds: float) -> float | None:
    return None if since is None else since + seconds


def outlook_of(s: Situation) -> Outlook:
    """Why nothing is written now."""
    if s.observed.plan is None and s.state.phase is not Phase.PROMOTING:
        return Outlook("InvalidSpec", s.observed.invalid, blocked=True)
    if s.state.phase is Phase.ROLLED_BACK:
        message = f"{s.state.revision} rolled back: {s.state.note}"
        return Outlook(s.state.reason or "RolledBack", message, blocked=True)
    if s.observed.root_problem:
        return _not_there_yet(s, "WaitingForService", s.observed.root_problem)
    if s.workload is not None and (found := in_the_way(s, s.workload)) is not None:
        return _not_there_yet(s, found.reason, found.message) if found.reason == "Onboarding" else found
    if s.state.running:
        return _running(s)
    if s.state.phase is Phase.ROLLING_BACK:
        note = s.state.note or "traffic has been taken back"
        return Outlook("RollingBack", f"{note}{draining(s)}")
    return _steady(s)


def _steady(s: Situation) -> Outlook:
    plan = s.observed.plan
    assert plan is not None  # outlook_of has checked it
    if s.wants_serving:
        if plan.label != s.state.label and s.memory.label_since is not None:
            return Outlook("WaitingForWorkload", f"spec.revision is {plan.label}; the workload has not changed yet")
        return Outlook("Serving", f"Service {s.state.serving} serves all traffic ({s.state.promoted or 'no pods'})")
    if s.workload is not None:
        return steady(s, s.workload, suspended=plan.suspend)
    side = s.observed.side(plan.canary)
    if plan.suspend:
        return Outlook("Suspended", "spec.suspend is true; a new revision is pending", held=True)
    if side.ready and side.hashes is not None and len(side.hashes) > 1:
        return _not_there_yet(
            s, "WaitingForRevision", f"the pods behind Service {plan.canary} are of several revisions"
        )
    what = "has no ready endpoint yet" if side.exists else "does not exist yet"
    return _not_there_yet(s, "WaitingForEndpoints", f"Service {plan.canary} {what}")


def _not_there_yet(s: Situation, reason: str, message: str) -> Outlook:
    """What is missing is waited for until progressDeadline; then somebody must look."""
    plan, since = s.observed.plan, s.memory.waiting_since
    if plan is not None and since is not None and s.reached(since + plan.deadline):
        words = f"{message} (for more than {format_duration(plan.deadline)})"
        return Outlook("ProgressDeadlineExceeded", words, blocked=True)
    return Outlook(reason, message)


def _running(s: Situation) -> Outlook:
    plan = s.plan
    if plan is None:
        return Outlook("InvalidSpec", s.observed.invalid, blocked=True)
    if s.serving_side.gone and s.canary_side.ready and 0 < s.state.weight < 100:
        return stable_unavailable(s)
    if s.workload is not None and s.state.phase is Phase.PROMOTING and not (stable_follows(s) and stable_judged(s)):
        return promoting(s, s.workload)
    if s.state.pause:
        words = {"ManualWeight": "held at a weight set by hand until resume"}.get(s.state.pause, "paused until resume")
        return Outlook(s.state.pause, words, held=True)
    if plan.suspend:
        return Outlook("Suspended", f"spec.suspend is true, step {s.state.step} is held", held=True)
    name = awaited_approval(s)
    if name:
        return Outlook("WaitingForApproval", f"step {s.state.step} waits for approval {name}", held=True)
    return _waiting_for_endpoints(s, plan) or _waiting_for_metrics(s, plan)


def _waiting_for_endpoints(s: Situation, plan: Plan) -> Outlook | None:
    side, memory = s.canary_side, s.memory
    if s.workload is not None and s.state.weight and not s.reached(memory.hold_until):
        # Pods for the next weight come while this one is judged: that is no news.
        return None
    if s.workload is not None and (found := awaited(s, s.workload)) is not None:
        return found
    if s.observed.target_problem:
        return Outlook("MetricsTargetUnknown", s.observed.target_problem, blocked=True)
    if side.missing_ports:
        ports = ", ".join(map(str, side.missing_ports))
        return Outlook(
            "PortMismatch", f"Service {side.service} lacks port {ports} of Service {plan.root}", blocked=True
        )
    if not side.ready:
        return Outlook("WaitingForEndpoints", f"Service {side.service} has no ready endpoint")
    if s.workload is not None and side.unseen:
        return Outlook(scaling_reason(s), f"the pods of Deployment {s.workload.target} are being looked at")
    if not s.state.revision or side.revision != s.state.revision:
        return Outlook("WaitingForRevision", f"the pods behind Service {side.service} are changing")
    if not canary_ready(s):
        return Outlook("WaitingForRecord", f"the status still lists {s.state.revision} as rejected")
    waits_for_answer = s.workload is not None and not memory.answered and not memory.source_reason
    if s.state.weight == 0 and (not s.reached(memory.warm_at) or waits_for_answer):
        return Outlook("WarmingUp", f"{side.ready} ready, warming up", next_at=memory.warm_at)
    return None


def _waiting_for_metrics(s: Situation, plan: Plan) -> Outlook:
    memory = s.memory
    held = _metrics_hold(s, plan)
    if held is not None:
        return held
    if memory.failing_since is not None or (s.state.weight == 0 and not memory.answered):
        words = memory.source_reason or "waiting for the first answer of the metrics source"
        return Outlook("MetricsUnavailable" if memory.source_reason else "WaitingForMetrics", words)
    position = f"step {s.state.step} of {len(plan.stages)}"
    if not s.reached(memory.hold_until) and not memory.enough.said:
        left = format_duration(float(round(memory.hold_until - s.now.monotonic)))
        return Outlook("Analysing", f"{position}, held for {left} more", next_at=memory.hold_until)
    wanted = plan.stage(s.state.step).min_requests
    if memory.pool.requests < wanted:
        return Outlook("Collecting", f"{position}, {memory.pool.requests:.0f} of {wanted} requests")
    if memory.latest is None:
        return Outlook("Analysing", f"{position}, waiting for a full window")
    if s.state.phase is Phase.PROGRESSING and s.state.step >= len(plan.stages) and (why := unrestorable(s)):
        return Outlook("WaitingForStable", why, blocked=True)
    if memory.latest.verdict is Verdict.HEALTHY:
        return Outlook("Analysing", f"{position}, Healthy")
    return Outlook(memory.latest.verdict.value, f"{position}, {memory.latest.words}")


def _metrics_hold(s: Situation, plan: Plan) -> Outlook | None:
    memory = s.memory
    if memory.failing_since is not None and s.state.weight and s.reached(memory.failing_since + plan.source_timeout):
        words = f"the metrics source fails for more than {format_duration(plan.source_timeout)}: {memory.source_reason}"
        return Outlook("MetricsHold", words, held=True)
    if memory.no_data_since is not None and s.reached(memory.no_data_since + plan.no_data_timeout):
        return Outlook("MetricsHold", unusable(memory.latest, plan)[1], held=True)
    return None
