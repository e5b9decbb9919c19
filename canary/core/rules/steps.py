"""Up: the first weight, the next step, and promotion. Everything here needs a gate, and every gate is recorded."""

from __future__ import annotations

from typing import Any

from canary.core.decision import Decision
from canary.core.memory import Memory
from canary.core.phases import Phase, Trigger
from canary.core.rules.revisions import promoted_fields
from canary.core.situation import Situation, propose, say
from canary.core.state import Gate
from canary.core.verdict import Verdict


def advance(s: Situation) -> Decision | None:
    """The next step up, when nothing stands before it."""
    plan = s.plan
    if plan is None or plan.suspend or s.state.pause or s.observed.root_problem or s.observed.target_problem:
        return None
    if s.state.phase is Phase.PROGRESSING:
        return _first(s) if s.state.weight == 0 else _next(s)
    if s.state.phase is Phase.PROMOTING:
        return _close_promotion(s)
    return None


def _first(s: Situation) -> Decision | None:
    """From weight 0 there is nothing to judge: ready endpoints, warm-up and one answer of the source are the gate."""
    plan, memory = s.plan, s.memory
    if plan is None or awaited_approval(s):
        return None
    following = plan.stage(s.state.step + 1)
    if following.approval:
        return _enter_approval(s)
    if not canary_ready(s) or not s.reached(memory.warm_at) or not s.reached(memory.settled_at) or not memory.answered:
        return None
    side = s.canary_side
    gate = Gate(
        kind="Ready", revision=s.state.revision, pods=side.hashes or (), split=s.split.uid, change=s.state.change
    )
    return raise_to(s, s.state.step + 1, gate)


def _next(s: Situation) -> Decision | None:
    plan = s.plan
    if plan is None or awaited_approval(s) or not s.reached(s.memory.hold_until) or not canary_ready(s):
        return None
    gate = passing_gate(s)
    if gate is None:
        return None
    if gate.kind == "Window" and s.memory.pool.requests < plan.stage(s.state.step).min_requests:
        return None
    if s.state.step >= len(plan.stages):
        return _finish(s, Trigger.BAKE_PASSED, gate)
    if plan.stage(s.state.step + 1).approval:
        return _enter_approval(s)
    return raise_to(s, s.state.step + 1, gate, expires_at=_expiry(s, gate))


def raise_to(s: Situation, step: int, gate: Gate, *, expires_at: float | None = None, **fields: Any) -> Decision:
    """The write that raises the canary to the weight of stage `step`; a last stage at 100 without hold promotes."""
    assert s.plan is not None  # callers have checked it
    stage = s.plan.stage(step)
    last = step == len(s.plan.stages) and stage.weight == 100 and stage.hold == 0
    # Edited steps may leave a weight above the next stage's: going on never lowers it.
    weight = max(stage.weight, s.state.weight)
    why = "requested" if gate.kind == "Command" else _reason(s.memory, gate)
    note = f"weight {s.state.weight}% -> {weight}% for {s.state.revision}, step {step} of {len(s.plan.stages)}: {why}"
    said = say("PromotionStarted" if last else "WeightAdvanced", note, warning=gate.kind == "NoData")
    trigger = Trigger.STEPS_PASSED if last else Trigger.STEP_PASSED
    return propose(
        s, trigger, said, guarded=True, expires_at=expires_at, weight=weight, step=step, since=s.now.wall, gate=gate,
        **fields,
    )  # fmt: skip


def _enter_approval(s: Situation) -> Decision:
    assert s.plan is not None
    step = s.state.step + 1
    name = s.plan.stage(step).approval
    given = name in s.state.approvals
    note = f"approval {name} was given already" if given else f"waiting for approval {name} at {s.state.weight}%"
    said = say("Approved" if given else "ApprovalWaiting", note)
    return propose(s, Trigger.STEP_PASSED, said, step=step, since=s.now.wall)


def _close_promotion(s: Situation) -> Decision | None:
    if not canary_ready(s):
        return None
    gate = passing_gate(s)
    return None if gate is None else _finish(s, Trigger.WINDOW_PASSED, gate)


def _finish(s: Situation, trigger: Trigger, gate: Gate) -> Decision:
    words = _reason(s.memory, gate)
    note = f"{s.state.revision} promoted: Service {s.state.canary} serves all traffic ({words})"
    fields = promoted_fields(s.state, s.state.trial)
    return propose(
        s, trigger, say("Promoted", note, warning=gate.kind == "NoData"), guarded=True, expires_at=_expiry(s, gate),
        since=s.now.wall, gate=gate, **fields,
    )  # fmt: skip


def passing_gate(s: Situation) -> Gate | None:
    """A Healthy full window no older than one interval, or noData's action Advance when its time is up."""
    plan, latest = s.plan, s.memory.latest
    if plan is None or latest is None:
        return None
    if latest.verdict is Verdict.HEALTHY and s.now.monotonic <= latest.end + plan.interval:
        return Gate(
            kind="Window", revision=s.state.revision, pods=s.canary_side.hashes or (), end=latest.wall_end,
            start=latest.wall_end - (latest.end - latest.start), requests=s.memory.pool.requests,
            verdicts={metric.name: metric.verdict.value for metric in latest.metrics},
            split=s.split.uid, change=s.state.change,
        )  # fmt: skip
    since = s.memory.no_data_since
    if plan.no_data_action == "Advance" and since is not None and s.reached(since + plan.no_data_timeout):
        return Gate(kind="NoData", revision=s.state.revision, split=s.split.uid, change=s.state.change)
    return None


def canary_ready(s: Situation) -> bool:
    """The canary side is ready and runs exactly the revision under trial, which is known and nobody has rejected.

    While pods of several revisions are ready there is no revision: two unknown ones are not the same one.
    `record.rejected` counts as well: it outlives the split. A retry is in force once the status has followed it.
    """
    side = s.canary_side
    barred = s.state.revision in s.state.rejected or s.state.revision in s.observed.record.rejected
    same = bool(s.state.revision) and side.revision == s.state.revision
    return side.ready > 0 and same and not barred and not side.missing_ports


def awaited_approval(s: Situation) -> str:
    """The name of the approval that the current step waits for; empty when it waits for none."""
    name = s.plan.stage(s.state.step).approval if s.plan else ""
    return "" if name in s.state.approvals else name


def _expiry(s: Situation, gate: Gate) -> float | None:
    latest = s.memory.latest
    if gate.kind != "Window" or latest is None or s.plan is None:
        return None
    return latest.end + s.plan.interval


def _reason(memory: Memory, gate: Gate) -> str:
    if gate.kind == "Ready":
        return "endpoints ready and warm, the metrics source answers"
    if gate.kind == "NoData":
        return "noData.action is Advance and there was no usable sample"
    return memory.latest.words if memory.latest else "Healthy"
