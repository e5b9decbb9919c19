"""A split without a state that can be trusted: created, taken over, or rebuilt with what the record forbids."""

from __future__ import annotations

from canary.api.duration import format_duration
from canary.core.commands import command_id
from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.memory import Memory
from canary.core.observed import Now, Observed, Ownership
from canary.core.phases import RUNNING, Phase, Trigger, move
from canary.core.situation import expected_backends
from canary.core.state import Said, State

CUT_OFF = RUNNING | {Phase.ROLLING_BACK}
"""Phases that are left only when every object that they permit writes of was written once more."""


def rebuild(observed: Observed, memory: Memory, now: Now) -> Decision:
    """The first write of a split, or the first after its state was lost. It never permits what was forbidden."""
    split, plan = observed.split, observed.plan or observed.last_plan
    blocked = _blocked(observed)
    if blocked is not None:
        return Decision(outlook=blocked)
    if plan is None:
        return Decision(outlook=Outlook("InvalidSpec", observed.invalid, blocked=True))
    began_before = observed.record.seq > 0 or memory.seen_seq > 0
    if (unready := _onboarding(observed, began_before=began_before)) is not None:
        return _patiently(unready, plan.deadline, memory, now)
    serving = _serving(observed)
    other = plan.canary if serving == plan.stable else plan.stable
    if observed.side(serving).gone and observed.side(other).ready > 0:
        message = (
            f"nobody can tell what serves: Service {serving} has no ready endpoint, {other} has "
            f"{observed.side(other).ready}"
        )
        return Decision(outlook=Outlook("ServingUnknown", message, blocked=True))
    if split is None and (not observed.side(serving).exists or observed.root_problem):
        return _patiently(_waiting(observed, serving), plan.deadline, memory, now)
    record = observed.record
    began_before = began_before or _cut_off(observed)
    trigger = _trigger(observed, began_before=began_before)
    seq = max(record.seq, memory.seen_seq, split.state.seq if split and split.state else 0)
    state = State(
        uid=observed.uid,
        seq=seq,
        epoch=max(record.epoch, split.state.epoch if split and split.state else 0),
        phase=move(Phase.INITIALIZING, trigger),
        serving=serving,
        promoted=_promoted(observed, serving),
        entered=seq + 1 if observed.workload is not None else 0,
        rejected=record.rejected,
        command=command_id(observed.command) if observed.command else record.command,
        abort=record.abort,
        since=now.wall,
        reason="Rebuilt" if began_before else "",
        note="the state of the TrafficSplit was lost" if began_before else "",
        label="",
        said=_said(observed, serving, began_before=began_before),
    )
    backends = expected_backends(state)
    act = Act.CREATE if split is None else Act.UPDATE
    lowers = split is not None and split.backends != backends
    direction = Direction.DOWN if lowers else Direction.LEVEL
    return Decision(Change(act, state, backends, direction, moves=True, guarded=direction is Direction.LEVEL))


def _blocked(observed: Observed) -> Outlook | None:
    split = observed.split
    if observed.version_problem:
        reason = "WaitingForTrafficSplit" if observed.version_missing else "TrafficSplitUnavailable"
        return Outlook(reason, observed.version_problem, blocked=not observed.version_missing)
    if observed.conflict:
        return Outlook("TrafficConflict", observed.conflict, blocked=True)
    if observed.rival and (split is None or split.ownership is not Ownership.OURS):
        # Whose split is gone for a moment must not lose its root, and with it what it forbids.
        return Outlook("TrafficConflict", observed.rival, blocked=True)
    if split is None:
        return None
    if split.terminating:
        return Outlook("WaitingForDeletion", "the TrafficSplit is being deleted; it is created anew afterwards")
    if split.ownership is Ownership.FOREIGN:
        return Outlook("TrafficConflict", f"the TrafficSplit is controlled by {split.owner}", blocked=True)
    if split.ownership is Ownership.FREE and not observed.adopt:
        message = "a TrafficSplit exists that nobody controls: set spec.traffic.adopt to take it over"
        return Outlook("TrafficConflict", message, blocked=True)
    if split.ownership is Ownership.FREE and split.tracked:
        message = (
            f"the TrafficSplit is managed by {split.tracked}, which would put its weights back: keep it out of Git"
        )
        return Outlook("TrafficConflict", message, blocked=True)
    return None


def _serving(observed: Observed) -> str:
    """What serves, without a state to be trusted: the record, else what the state of an earlier Canary of this name
    says, else the heavier backend, else the stable Service of the spec. On a tie it is the stable one."""
    plan = observed.plan or observed.last_plan
    assert plan is not None  # callers have checked it
    if observed.workload is not None:
        return plan.stable
    named = {plan.stable, plan.canary}
    if observed.record.serving:
        return observed.record.serving
    if observed.split is not None:
        before = observed.split.state
        if before is not None and before.serving in named:
            return before.serving
        heavy = max(observed.split.backends, key=lambda b: (b.weight, b.service == plan.stable), default=None)
        if heavy is not None and heavy.weight > 0 and heavy.service in named:
            return heavy.service
    return plan.stable


def _promoted(observed: Observed, serving: str) -> str:
    """What serves there, by the record; else by what the stable copy was made from, or what runs."""
    if observed.record.serving == serving:
        return observed.record.promoted
    stable = observed.workload.stable if observed.workload is not None else None
    return stable.revision if stable is not None else observed.side(serving).revision


def _cut_off(observed: Observed) -> bool:
    """Managed mode: an earlier Canary of this name went in the middle of a rollout, as one does whose finalizer is
    stripped. What was prepared under its state must become impossible before anything else is permitted."""
    before = observed.split.state if observed.split is not None else None
    return observed.workload is not None and before is not None and before.phase in CUT_OFF


def _trigger(observed: Observed, *, began_before: bool) -> Trigger:
    if began_before:
        return Trigger.REBUILT
    return Trigger.SPLIT_CREATED if observed.workload is None else Trigger.COPY_READY


def _onboarding(observed: Observed, *, began_before: bool) -> Outlook | None:
    """Managed mode: what must be there before traffic is split, in words; `None` when it is."""
    w = observed.workload
    if w is None:
        return None
    if not w.known:
        return Outlook("Initializing", "the workload has not been read yet")
    if w.problem is not None:
        return Outlook(*w.problem, blocked=True)
    if w.stable is None and w.candidate is None:
        return Outlook("WaitingForTarget", f"Deployment {w.target} does not exist yet")
    if w.stable is None and w.candidate is not None and w.candidate.unknown:
        return Outlook("WaitingForTarget", w.candidate.unknown)
    if w.stable is None or w.gaps:
        return Outlook("Onboarding", f"Deployment {w.target} is being copied")
    plan = observed.plan or observed.last_plan
    if began_before or plan is None or (w.stable.complete and observed.side(plan.stable).ready):
        return None
    trouble = f": {w.stable.trouble}" if w.stable.trouble else ""
    return Outlook("WaitingForStable", f"the stable copy of Deployment {w.target} is not ready yet{trouble}")


def _patiently(outlook: Outlook, patience: float, memory: Memory, now: Now) -> Decision:
    """What is not there yet is waited for until progressDeadline; then somebody must look."""
    since = memory.waiting_since
    if outlook.blocked or since is None:
        return Decision(outlook=outlook)
    if now.monotonic < since + patience:
        return Decision(outlook=outlook, wake_at=since + patience)
    words = f"{outlook.message} (for more than {format_duration(patience)})"
    return Decision(outlook=Outlook("ProgressDeadlineExceeded", words, blocked=True))


def _waiting(observed: Observed, serving: str) -> Outlook:
    if observed.root_problem:
        return Outlook("WaitingForService", observed.root_problem)
    return Outlook("WaitingForService", f"Service {serving} does not exist yet")


def _said(observed: Observed, serving: str, *, began_before: bool) -> tuple[Said, ...]:
    said: tuple[Said, ...]
    if began_before:
        note = f"the TrafficSplit's state was lost and is rebuilt: Service {serving} serves all traffic"
        said = (Said("StateRebuilt", note, True),)
    elif observed.workload is not None:
        said = (Said("Onboarding", f"the copy of Deployment {observed.workload.target} is ready behind {serving}"),)
    else:
        said = (Said("Initialized", f"Service {serving} serves all traffic"),)
    if observed.command and command_id(observed.command) != observed.record.command:
        said += (
            Said("CommandExpired", "a command given before the state was rebuilt is dropped: give it again", True),
        )
    return said
