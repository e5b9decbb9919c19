"""Up: the first weight, the next step, and promotion. Everything here needs a gate, and every gate is recorded."""

from __future__ import annotations

from typing import Any

from canary.core.actions.upkeep import due_for_candidate
from canary.core.comparison import worth_storing
from canary.core.decision import Decision
from canary.core.memory import Memory
from canary.core.phases import Phase, Trigger
from canary.core.rules.revisions import promoted_fields
from canary.core.situation import Situation, propose, say
from canary.core.state import Gate
from canary.core.verdict import Verdict

READING = 1.0
"""Seconds that the reads before a raise may take, a tenth of an interval at most: windows come one interval after the
answer to the one before, so that the next one always passes."""


def keep_evidence(s: Situation) -> Decision | None:
    """Evidence that a restart should not lose is stored when it grows, between the writes that it goes with anyway."""
    if s.plan is None or not s.state.running or not worth_storing(s.plan, s.memory.evidence, s.state.evidence):
        return None
    return propose(s, None, ())


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
    held = not s.reached(s.memory.hold_until) and not s.memory.enough.said
    if plan is None or awaited_approval(s) or held or not canary_ready(s):
        return None
    gate = passing_gate(s)
    if gate is None:
        return None
    if gate.kind == "Window" and s.memory.pool.requests < plan.stage(s.state.step).min_requests:
        return None
    if s.state.step >= len(plan.stages):
        return _finish(s, Trigger.BAKE_PASSED, gate) if s.workload is None else _open_promotion(s, gate)
    if plan.stage(s.state.step + 1).approval:
        return _enter_approval(s)
    return raise_to(s, s.state.step + 1, gate, expires_at=_expiry(s, gate))


def raise_to(s: Situation, step: int, gate: Gate, *, expires_at: float | None = None, **fields: Any) -> Decision:
    """The write that raises the canary to the weight of stage `step`; a last stage at 100 without hold promotes."""
    assert s.plan is not None  # callers have checked it
    stage = s.plan.stage(step)
    last = step == len(s.plan.stages) and stage.weight == 100 and stage.hold == 0 and s.workload is None
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


def _open_promotion(s: Situation, gate: Gate) -> Decision | None:
    """Managed mode: the stable copy takes the revision over, while the weight stays and both sides are judged."""
    if unrestorable(s):
        return None
    note = f"{s.state.revision} passed all steps ({_reason(s.memory, gate)}); the stable copy takes it over"
    said = say("PromotionStarted", note, warning=gate.kind == "NoData")
    return propose(
        s, Trigger.STEPS_PASSED, said, guarded=True, expires_at=_expiry(s, gate), since=s.now.wall, gate=gate
    )


def _close_promotion(s: Situation) -> Decision | None:
    if s.workload is not None:
        return _return_traffic(s)
    if not canary_ready(s):
        return None
    gate = passing_gate(s)
    return None if gate is None else _finish(s, Trigger.WINDOW_PASSED, gate)


def _return_traffic(s: Situation) -> Decision | None:
    """Managed mode: all traffic to the stable copy, once each of its pods runs the revision and is available."""
    if not stable_follows(s):
        return None
    requested = s.state.gate is not None and s.state.gate.kind == "Command"
    # It stays asked for, also when somebody has moved weights since and they were put back.
    gate = passing_gate(s) or (command_gate(s) if requested else None)
    if gate is not None and gate.kind == "Window" and not stable_judged(s):
        return None
    return None if gate is None else _finish(s, Trigger.STABLE_FOLLOWED, gate)


def stable_judged(s: Situation) -> bool:
    """There was one full window in which the stable copy ran the revision with every pod, and was judged by it, too."""
    latest = s.memory.latest
    return latest is not None and latest.start >= s.memory.stable[1]


def stable_follows(s: Situation) -> bool:
    """The stable copy runs the revision under trial, with every pod; barred ones never."""
    w = s.workload
    if w is None or w.stable is None or not s.state.revision:
        return False
    barred = s.state.revision in s.state.rejected or s.state.revision in s.observed.record.rejected
    copied = w.stable.revision == s.state.revision and w.stable.complete and not w.stable.drifted
    copied = copied and w.stable.stamp >= s.state.entered
    return copied and not barred and s.serving_side.ready > 0 and s.serving_side.revision == s.state.revision


def _finish(s: Situation, trigger: Trigger, gate: Gate) -> Decision:
    words = _reason(s.memory, gate)
    serving = s.state.canary if s.workload is None else s.state.serving
    note = f"{s.state.revision} promoted: Service {serving} serves all traffic ({words})"
    fields = promoted_fields(s.state, s.state.trial, serving=serving)
    return propose(
        s, trigger, say("Promoted", note, warning=gate.kind == "NoData"), guarded=True, expires_at=_expiry(s, gate),
        since=s.now.wall, gate=gate, **fields,
    )  # fmt: skip


def passing_gate(s: Situation) -> Gate | None:
    """A Healthy full window no older than one interval, or noData's action Advance when its time is up.

    One that would be too old once everything is read is not worth the reading: the next is about to come.
    """
    plan, latest = s.plan, s.memory.latest
    if plan is None or latest is None:
        return None
    reading = 0.0 if s.observed.live else min(READING, plan.interval / 10)
    if latest.verdict is Verdict.HEALTHY and s.now.monotonic <= latest.end + plan.interval - reading:
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


def command_gate(s: Situation) -> Gate:
    """People ask for it, with the weights as they are."""
    return Gate(kind="Command", revision=s.state.revision, split=s.split.uid, change=s.state.change)


def canary_ready(s: Situation) -> bool:
    """The canary side is ready and runs exactly the revision under trial, which is known and nobody has rejected.

    While pods of several revisions are ready there is no revision: two unknown ones are not the same one.
    `record.rejected` counts as well: it outlives the split. A retry is in force once the status has followed it.
    """
    side = s.canary_side
    barred = s.state.revision in s.state.rejected or s.state.revision in s.observed.record.rejected
    same = bool(s.state.revision) and side.revision == s.state.revision
    return side.ready > 0 and same and not barred and not side.missing_ports and _workload_ready(s)


def _workload_ready(s: Situation) -> bool:
    """Managed mode: the template is kept, enough pods carry the next weight, and no earlier scale-down is possible."""
    w = s.workload
    if w is None:
        return True
    if w.problem is not None or w.candidate is None or w.stable is None or s.state.restart:
        return False
    pinned = s.state.revision in w.pins and w.candidate.revision == s.state.revision
    # Before the first weight nothing may be due that somebody could have prepared: a scale-down would hit under weight.
    prepared = s.state.weight == 0 and due_for_candidate(s, w)
    return pinned and not prepared and s.canary_side.ready >= s.pods_needed


def unrestorable(s: Situation) -> str:
    """Managed mode: why a promotion could not be undone, which is why it does not begin; empty when it could."""
    w = s.workload
    if w is None or s.state.promoted in w.pins:
        return ""
    return (
        f"the kept template of {s.state.promoted} is gone, so that promoting {s.state.revision} could not be undone: "
        f"put {s.state.promoted} into Deployment {w.target} first"
    )


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
    words = memory.latest.words if memory.latest else "Healthy"
    return f"enough is shown: {words}" if memory.enough.said else words
