"""The status as a projection of the split's state: what people and GitOps tools read, never what is decided on.

Polarity follows kstatus (https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md): Reconciling,
Stalled, Paused and the advisories are there only while they are true, Reconciling and Stalled never together.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from canary.api.canary import CanaryStatus, Condition, HistoryEntry, MetricStatus, Record
from canary.core.advisories import advisories
from canary.core.decision import Decision, Outlook
from canary.core.memory import Memory
from canary.core.observed import Now, Observed
from canary.core.phases import RUNNING, Phase
from canary.core.plan import Plan
from canary.core.state import State
from canary.core.verdict import Verdict
from canary.core.verdict_words import odds, show, show_limit

MAX_HISTORY = 10
MAX_MESSAGE = 1024


class Subject(msgspec.Struct, frozen=True):
    """What is reported about: the generation and the status that the object has now."""

    generation: int
    previous: CanaryStatus
    split_version: str = ""


def timestamp(wall: float) -> str:
    """RFC 3339 in UTC with whole seconds, as `metav1.Time` is written."""
    return datetime.fromtimestamp(int(wall), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def project(
    subject: Subject, observed: Observed, state: State | None, memory: Memory, decision: Decision, now: Now
) -> CanaryStatus:
    """The status for a state; with `None` (nothing decided yet) the phase is Initializing and the record stays."""
    outlook = decision.outlook or Outlook("Initializing", "the Canary is being looked at")
    previous = subject.previous
    plan = observed.plan or observed.last_plan
    known = state or State(phase=Phase.INITIALIZING)
    gone = observed.deleting and state is None
    conditions = [
        *_conditions(observed, known, outlook, decided=state is not None),
        *advisories(observed, known, memory, now, previous.conditions),
    ]
    return CanaryStatus(
        observed_generation=subject.generation,
        # Of a Canary that goes, and whose split is gone already, the last phase is all that can be said.
        phase=previous.phase if gone and previous.phase else phase_of(observed, known),
        canary_weight=known.weight,
        step=known.step,
        steps=len(plan.stages) if plan else previous.steps,
        stable_revision=known.promoted,
        canary_revision=known.revision,
        promoted_revision=known.label,
        last_applied_revision=known.trial if known.running or known.phase is Phase.ROLLED_BACK else known.label,
        failed_windows=known.failed,
        next_evaluation=_next(known, decision, now),
        message=outlook.message[:MAX_MESSAGE],
        metrics=_metrics(previous, plan, known, memory),
        conditions=tuple(_dated(c, subject, now) for c in conditions),
        history=_history(previous.history, known, now),
        record=previous.record if state is None else _record(observed, state, subject.split_version),
    )


def material(status: CanaryStatus) -> CanaryStatus:
    """The part of a status whose change is worth a write at once: values and sentences alone are not."""
    return msgspec.structs.replace(
        status,
        message="",
        next_evaluation=None,
        metrics=tuple(MetricStatus(name=m.name, verdict=m.verdict) for m in status.metrics),
        conditions=tuple(msgspec.structs.replace(c, message="") for c in status.conditions),
    )


def phase_of(observed: Observed, state: State) -> str:
    """The phase to show: that of the state, or Invalid."""
    if observed.plan is None and observed.invalid and state.phase not in (Phase.PROMOTING, Phase.ROLLING_BACK):
        return "Invalid"
    return state.phase.value


def _conditions(observed: Observed, state: State, outlook: Outlook, *, decided: bool) -> list[Condition]:
    ready, extra = _readiness(observed, state, outlook, decided=decided)
    promoted = _promoted(observed, state, ready=ready)
    statuses = {"Ready": ready, **dict.fromkeys(extra, "True"), "Promoted": promoted}
    message = outlook.message if not observed.root_note else f"{outlook.message}; {observed.root_note}"
    common = {"reason": outlook.reason, "message": message[:MAX_MESSAGE]}
    found = [
        msgspec.convert({"type": kind, "status": status, **common}, Condition) for kind, status in statuses.items()
    ]
    return [_suspended(condition, outlook) for condition in found]


def _suspended(condition: Condition, outlook: Outlook) -> Condition:
    """Paused while nothing is pending is about spec.suspend, not about what serves."""
    if condition.type != "Paused" or outlook.held:
        return condition
    return msgspec.structs.replace(condition, reason="Suspended", message="spec.suspend is true; nothing is pending")


def _readiness(observed: Observed, state: State, outlook: Outlook, *, decided: bool) -> tuple[str, list[str]]:
    """Ready's status, and which of Reconciling, Stalled and Paused are true."""
    suspended = observed.plan is not None and observed.plan.suspend
    if observed.deleting:
        return "Unknown", ["Reconciling"]
    if outlook.blocked:
        return "False", ["Stalled"]
    if state.running or state.phase is Phase.ROLLING_BACK:
        return "Unknown", ["Reconciling", *(["Paused"] if outlook.held else [])]
    if outlook.held:
        return "Unknown", ["Paused"]
    if decided and outlook.reason == "Serving":
        return "True", ["Paused"] if suspended else []
    return "Unknown", ["Reconciling"]


def _promoted(observed: Observed, state: State, *, ready: str) -> str:
    """True only with Ready: whoever waits for it must not take what is still to come, or is wrong, for done."""
    if state.phase is Phase.ROLLED_BACK:
        return "False"
    return "True" if ready == "True" and _serves(observed, state) else "Unknown"


def _serves(observed: Observed, state: State) -> bool:
    """What is asked for is what serves: in managed mode a revision, in services mode a Service."""
    if observed.plan is None:
        return False
    if observed.workload is not None:
        candidate = observed.workload.candidate
        return candidate is not None and bool(candidate.revision) and candidate.revision == state.promoted
    return observed.plan.canary == state.serving


def _dated(condition: Condition, subject: Subject, now: Now) -> Condition:
    """`lastTransitionTime` moves only when the status does (Kubernetes API conventions)."""
    before = next((c for c in subject.previous.conditions if c.type == condition.type), None)
    same = before is not None and before.status == condition.status and before.last_transition_time
    moved = before.last_transition_time if same and before is not None else timestamp(now.wall)
    return msgspec.structs.replace(condition, observed_generation=subject.generation, last_transition_time=moved)


def _metrics(previous: CanaryStatus, plan: Plan | None, state: State, memory: Memory) -> tuple[MetricStatus, ...]:
    told = _told(previous, state)
    if told and not state.running:
        # Two processes may have judged other windows last: at rest they would contradict each other for ever.
        return told
    return _measured(plan, state, memory) or (() if memory.shown else told)


def _told(previous: CanaryStatus, state: State) -> tuple[MetricStatus, ...]:
    """What was said of this same state, maybe before a restart: that nothing has been measured since is no news."""
    if previous.record is None or previous.record.seq != state.seq:
        return ()
    return tuple(row for row in previous.metrics if row.verdict != Verdict.SOURCE_ERROR)


def _measured(plan: Plan | None, state: State, memory: Memory) -> tuple[MetricStatus, ...]:
    if plan is None:
        return ()
    # At rest nobody asks any more.
    failing = state.running and memory.failing_since is not None
    shown = {metric.name: metric for metric in memory.shown}
    rows = []
    for limit in plan.limits:
        if failing:
            reason = memory.source_reason[:MAX_MESSAGE]
            rows.append(MetricStatus(name=limit.name, verdict=Verdict.SOURCE_ERROR, message=reason))
        elif limit.name in shown:
            metric = shown[limit.name]
            rows.append(
                MetricStatus(
                    name=limit.name,
                    verdict=metric.verdict,
                    canary=show(limit, metric.canary),
                    stable=show(limit, metric.stable),
                    limit=show_limit(limit),
                    evidence=odds(metric.evidence, metric.needed),
                    message=metric.message[:MAX_MESSAGE],
                )
            )
    return tuple(rows)


def _next(state: State, decision: Decision, now: Now) -> str | None:
    if state.phase not in RUNNING or decision.wake_at is None:
        return None
    return timestamp(now.wall + max(decision.wake_at - now.monotonic, 0.0))


def _history(entries: tuple[HistoryEntry, ...], state: State, now: Now) -> tuple[HistoryEntry, ...]:
    """Newest first; a finished rollout is known by its revision and its start."""
    if state.phase not in (Phase.PROMOTED, Phase.ROLLED_BACK) or not state.revision or not state.started:
        return entries
    started = timestamp(state.started)
    if any(e.revision == state.revision and e.started_at == started for e in entries):
        return entries
    entry = HistoryEntry(
        revision=state.revision,
        started_at=started,
        ended_at=timestamp(state.since or now.wall),
        outcome=state.phase.value,
        reason=state.reason or state.phase.value,
    )
    return (entry, *entries)[:MAX_HISTORY]


def _record(observed: Observed, state: State, version: str) -> Record:
    return Record(
        seq=state.seq,
        epoch=state.epoch,
        split_uid=observed.split.uid if observed.split else "",
        serving=state.serving,
        promoted=state.promoted,
        rejected=state.rejected,
        command=state.command,
        abort=state.abort,
        split_version=version,
    )
