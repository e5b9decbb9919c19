"""Which revision is tried, and when a rollout begins, begins anew or is no longer wanted."""

from __future__ import annotations

from typing import Any

import msgspec

from canary.core.decision import Decision
from canary.core.memory import left
from canary.core.phases import Phase, Trigger
from canary.core.rules.safety import roll_back
from canary.core.situation import Situation, propose, say
from canary.core.state import State, reject

REJECTING = frozenset({
    "CheckFailed", "Aborted", "EndpointsLost", "ProgressDeadlineExceeded", "PromotionFailed", "NoData", "SourceError",
    "Rejected",
})  # fmt: skip
LABEL_PATIENCE = 15.0
"""Seconds in which a workload may follow a changed spec.revision."""


def back_to_serving(s: Situation) -> Decision | None:
    """The spec asks for what already serves: a running rollout ends without blame, a terminal phase becomes Idle."""
    if s.observed.plan is None or not s.wants_serving:
        return None
    what = s.wanted if s.workload is not None else f"Service {s.state.serving}"
    words = f"{what} serves already and is asked for again"
    if s.state.running:
        # Without weight there is no hurry: a cached spec of long ago must not undo what a live one has begun.
        guarded = not s.state.weight
        return roll_back(s, Trigger.BACK_TO_SERVING, "BackToServing", words, rejects=False, guarded=guarded)
    if s.state.phase is Phase.ROLLED_BACK:
        said = say("Idle", words)
        return propose(s, Trigger.BACK_TO_SERVING, said, guarded=True, revision="", canary="", reason="", note="")
    return None


def changed(s: Situation) -> Decision | None:
    """Another revision behind the canary, or another Service asked for, in the middle of a rollout: start over."""
    plan = s.observed.plan
    if plan is None or not s.state.running:
        return None
    if s.workload is not None:
        known = bool(s.wanted) and s.wanted != s.state.revision
        return _replaced(s, plan.canary, s.wanted, f"{s.wanted} replaces {s.state.revision}") if known else None
    other_service = plan.canary != s.state.canary
    side = s.observed.side(plan.canary)
    known = side.known and side.ready > 0 and side.hashes is not None
    if not other_service and (not known or side.revision == s.state.revision):
        return None
    if not other_service and not side.revision and s.state.weight == 0:
        return None
    words = f"{side.revision or f'a mix of revisions behind {plan.canary}'} replaces {s.state.revision}"
    return _replaced(s, plan.canary, side.revision, words)


def _replaced(s: Situation, canary: str, revision: str, words: str) -> Decision:
    """`revision` behind Service `canary` takes the place of the one under trial."""
    if s.state.phase is Phase.PROMOTING:
        return roll_back(s, Trigger.REVISION_CHANGED, "Superseded", words, rejects=False)
    if revision in s.state.rejected:
        words = f"{revision} was rejected before; retry to try it again"
        tried = {"revision": revision, "canary": canary}
        # Without weight there is no hurry: two views of different age must not undo each other's writes.
        guarded = not s.state.weight
        return roll_back(s, Trigger.REJECTED, "Rejected", words, rejects=False, guarded=guarded, **tried)
    if s.state.weight:
        # First the traffic goes, still under the old names; the next look begins the new revision at step 0.
        said = say("NewRevisionDetected", f"{words}; weight 0, the steps begin anew")
        return propose(s, Trigger.REVISION_CHANGED, said, weight=0, step=0, revision="", since=s.now.wall, gate=None)
    said = say("NewRevisionDetected", f"{words}; the steps begin anew")
    return propose(s, Trigger.REVISION_CHANGED, said, guarded=True, **fresh(s, revision))


def start(s: Situation) -> Decision | None:
    """Begins a rollout when the Canary names a Service that does not serve and whose pods are ready and of one kind."""
    plan = s.observed.plan
    if plan is None or plan.suspend or s.state.phase not in (Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK):
        return None
    if s.wants_serving:
        return None
    revision = s.wanted
    if not revision or s.observed.root_problem or (s.workload is not None and s.workload.problem is not None):
        return None
    if s.state.phase is Phase.ROLLED_BACK and revision == s.state.revision:
        return None
    if revision in s.state.rejected:
        said = say("RolledBack", f"{revision} was rejected before; retry to try it again", warning=True)
        return propose(
            s, Trigger.REJECTED, said, guarded=True, revision=revision, canary=plan.canary, reason="Rejected",
            note="this revision was rejected before", trial=plan.label,
        )  # fmt: skip
    steps = " -> ".join(stage.approval or f"{stage.weight}%" for stage in plan.stages)
    where = f"{revision} is in Deployment {plan.target}" if plan.target else f"{revision} is ready behind {plan.canary}"
    said = say("NewRevisionDetected", f"{where}; rollout begins: {steps}")
    return propose(s, Trigger.REVISION_FOUND, said, guarded=True, **fresh(s, revision))


def fresh(s: Situation, revision: str) -> dict[str, Any]:
    """The fields of a rollout at its very beginning."""
    plan = s.observed.plan
    assert plan is not None  # callers have checked it
    return {
        "revision": revision, "canary": plan.canary, "plan": plan.hash, "trial": plan.label, "weight": 0, "step": 0,
        "failed": 0, "lost": 0, "approvals": (), "pause": "", "reason": "", "note": "", "gate": None,
        "since": s.now.wall, "started": s.now.wall, "promoted": s.state.promoted or s.serving_side.revision,
        # Pods that run already may have read a configuration that is no more (environment variables are read once).
        "restart": _runs_already(s, plan.canary),
    }  # fmt: skip


def _runs_already(s: Situation, canary: str) -> bool:
    """Managed mode: there are pods of the user's Deployment, or nobody knows that there are none."""
    if s.workload is None:
        return False
    candidate = s.workload.candidate
    return not s.observed.side(canary).gone or (candidate is not None and candidate.pods > 0)


def close_rollback(s: Situation) -> Decision | None:
    """Ends RollingBack: rejected, or idle, or on to the revision that is wanted now."""
    if s.state.phase is not Phase.ROLLING_BACK or not rolled_back(s):
        return None
    if s.state.reason == "Rebuilt":
        s = _with_record(s)
    if s.state.reason in REJECTING and (s.state.revision in s.state.rejected or not s.state.revision):
        said = say("RolledBack", f"{s.state.revision} rolled back: {s.state.note}", warning=True)
        return propose(s, Trigger.CLOSED_REJECTED, said)
    plan, revision = s.observed.plan, s.wanted
    lost = plan and plan.canary == s.state.canary and s.workload is None
    if lost and s.state.reason == "EndpointsLost" and s.canary_side.gone:
        # Its endpoints are waited for as in Progressing, so that losses go on counting and progressDeadline runs.
        revision = s.state.revision
    if plan is None or plan.suspend or s.wants_serving or not revision:
        said = say("Idle", f"Service {s.state.serving} serves all traffic")
        return propose(s, Trigger.CLOSED_IDLE, said, revision="", canary="", reason="", note="")
    if revision in s.state.rejected:
        note = f"{revision} was rejected before; retry to try it again"
        said = say("RolledBack", note, warning=True)
        return propose(
            s, Trigger.CLOSED_REJECTED, said, revision=revision, canary=plan.canary, reason="Rejected", note=note
        )
    fields = fresh(s, revision)
    if revision == s.state.revision:
        fields |= {"failed": s.state.failed, "lost": s.state.lost, "started": s.state.started}
    where = f"is in Deployment {plan.target}" if plan.target else f"is ready behind {plan.canary}"
    said = say("NewRevisionDetected", f"{revision} {where}; the steps begin anew")
    return propose(s, Trigger.CLOSED_ANEW, said, guarded=True, **fields)


def rolled_back(s: Situation) -> bool:
    """Managed mode: stable runs what was promoted, nothing prepared earlier can change it, the candidate is gone.

    A candidate that proxies still send requests to is left running after progressDeadline: the split says what was
    asked of them, not what they do.
    """
    w = s.workload
    if w is None:
        return True
    if w.stable is None or w.stable.stamp < s.state.entered:
        return False
    restored = w.stable.revision == s.state.promoted and not w.stable.drifted
    # A template that somebody has deleted cannot come back: after a time the phase closes without it.
    restored = restored or (s.state.promoted not in w.pins and late(s))
    stopped = w.candidate is None or w.candidate.replicas <= w.least
    return restored and (stopped or late(s))


def late(s: Situation) -> bool:
    """The phase has lasted for progressDeadline."""
    plan = s.observed.plan or s.observed.last_plan
    return plan is not None and left(plan.deadline, s.state.since, s.now) <= 0


def _with_record(s: Situation) -> Situation:
    """What the record forbids may have been told after the rebuild had read it: it is taken over before it is lost."""
    rejected = s.state.rejected
    for revision in s.observed.record.rejected:
        rejected = rejected if revision in rejected else reject(rejected, revision)
    return msgspec.structs.replace(s, state=msgspec.structs.replace(s.state, rejected=rejected))


def edited_steps(s: Situation) -> Decision | None:
    """Edited steps in the middle of a rollout: the step becomes the last one not above the weight; nothing rises."""
    plan = s.observed.plan
    if plan is None or s.state.phase is not Phase.PROGRESSING or s.state.plan == plan.hash:
        return None
    step = plan.step_for(s.state.weight)
    said = say("StepsChanged", f"the steps were edited; at {s.state.weight}% this is step {step} of {len(plan.stages)}")
    return propose(s, None, said, guarded=True, plan=plan.hash, step=step)


def serving_changed(s: Situation) -> Decision | None:
    """Pods of the Service that serves were replaced: there was nothing to compare, so the new revision is recorded."""
    if s.state.running or s.state.phase is Phase.ROLLING_BACK or s.workload is not None:
        return None
    revision = s.serving_side.revision
    if not revision or revision == s.state.promoted:
        return None
    if not s.state.promoted:
        return propose(s, None, (), guarded=True, promoted=revision)
    note = (
        f"{revision} replaced {s.state.promoted} behind {s.state.serving} without a canary: that Service serves already"
    )
    return propose(s, None, say("RevisionWithoutCanary", note, warning=True), guarded=True, promoted=revision)


def label(s: Situation) -> Decision | None:
    """A changed spec.revision with an unchanged workload is recorded as served, after a time for the workload."""
    plan = s.observed.plan
    if plan is None or s.state.phase not in (Phase.IDLE, Phase.PROMOTED) or plan.label == s.state.label:
        return None
    if not s.wants_serving:
        return None
    if s.memory.label_since is None or not s.reached(s.memory.label_since + LABEL_PATIENCE):
        return None
    note = f"spec.revision {plan.label or '(empty)'} is what serves: the workload has not changed"
    return propose(s, None, say("RevisionRecorded", note), guarded=True, label=plan.label)


def promoted_fields(state: State, label_: str, *, serving: str) -> dict[str, Any]:
    """The fields of a state whose revision serves from now on, behind the Service `serving`."""
    return {
        "serving": serving, "promoted": state.revision, "canary": "", "weight": 0, "reason": "", "note": "",
        "label": label_, "pause": "",
    }  # fmt: skip
