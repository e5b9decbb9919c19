"""What takes traffic away: abort, breach, drift, lost endpoints, an invalid spec. These beat every other flag."""

from __future__ import annotations

from typing import Any

from canary.core.commands import command_id, parse_abort
from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.memory import GONE_AFTER
from canary.core.observed import Backend, Ownership
from canary.core.phases import Phase, Trigger
from canary.core.situation import Situation, expected_backends, propose, say, stays
from canary.core.state import reject

LOSSES_ALLOWED = 3


def newer_state(s: Situation) -> Decision | None:
    """A state that a newer controller wrote: its weights may go down for an abort, nothing else happens."""
    if not s.split.newer:
        return None
    backends = s.split.backends
    ours = s.split.ownership is Ownership.OURS
    if ours and len(backends) == 2 and s.observed.abort and backends[0].weight > 0:
        lowered = (Backend(backends[1].service, 100),)
        return Decision(Change(Act.LOWER_ONLY, s.state, lowered, Direction.DOWN, moves=True))
    message = "the TrafficSplit's state was written by a newer version of this controller: upgrade it"
    return Decision(outlook=Outlook("StateVersion", message, blocked=True))


def abort(s: Situation) -> Decision | None:
    """An abort that has not been answered yet: it takes the traffic, or is answered at once when nothing runs."""
    value = s.observed.abort
    if not value or command_id(value) == s.state.abort:
        return None
    asked, answered = parse_abort(value).revision, command_id(value)
    wanted = s.state.canary or (s.observed.plan.canary if s.observed.plan else "")
    revision = s.state.revision or (s.wanted if s.workload is not None else s.observed.side(wanted).revision)
    if asked not in ("", revision):
        if lowered(s):
            return None  # Answering it would put back what somebody has taken away: that is looked at first.
        note = f"abort of {asked} ignored: the revision is {revision or 'not known yet'}"
        return propose(s, None, say("AbortIgnored", note, warning=True), abort=answered)
    if s.workload is not None and not s.state.running and revision in ("", s.state.promoted):
        if not revision and s.state.phase is Phase.ROLLING_BACK and s.workload.candidate is not None:
            # After a rebuild the abort must bar what is asked for, and nobody knows that yet.
            return Decision(outlook=Outlook("RollingBack", f"the abort waits for a look at {s.workload.target}"))
        return propose(s, None, say("AbortIgnored", "nothing to abort: no rollout is running"), abort=answered)
    rejected = reject(s.state.rejected, revision)
    if s.state.phase is Phase.ROLLING_BACK:
        if not revision and s.workload is None and s.observed.side(wanted).unseen:
            # After a rebuild the abort must bar what runs, and nobody has looked at that yet.
            return Decision(outlook=Outlook("RollingBack", f"the abort waits for a look at Service {wanted}"))
        said = say("Aborted", f"abort of {revision} taken while rolling back", warning=True)
        return propose(s, None, said, abort=answered, rejected=rejected, revision=revision, reason="Aborted")
    if not s.state.running:
        return propose(s, None, say("AbortIgnored", "nothing to abort: no rollout is running"), abort=answered)
    return roll_back(s, Trigger.ABORT, "Aborted", "aborted by request", abort=answered, revision=revision)


def breach(s: Situation) -> Decision | None:
    """Counts breached windows; the one that reaches failureLimit, is beyond rollbackAt or proves that the canary is bad
    ends the rollout at once.
    """
    newest = s.memory.breach()
    if newest is None or s.plan is None or not s.state.running:
        return None
    if s.state.weight == 0 and s.state.phase is not Phase.PROMOTING:
        return None
    failed = s.state.failed + len(s.memory.pending)
    ending = next((judged for judged in s.memory.pending if judged.ends), None)
    if ending is not None:
        words = f"{ending.words}; at or beyond rollbackAt" if ending.severe else ending.words
        return roll_back(s, Trigger.BREACH, "CheckFailed", words, failed=failed, window=newest.wall_end)
    if failed >= s.plan.failure_limit or s.state.phase is Phase.PROMOTING:
        words = f"{newest.words}; {failed} breached windows, {s.plan.failure_limit} end the rollout"
        return roll_back(s, Trigger.BREACH, "CheckFailed", words, failed=failed, window=newest.wall_end)
    if lowered(s):
        return None  # Counting it would put back what somebody has taken away: `drift` counts it.
    note = f"{newest.words}; weight held at {s.state.weight}% ({failed} of {s.plan.failure_limit} breached windows)"
    said = say("CheckFailed", note, warning=True)
    return propose(s, None, said, failed=failed, window=newest.wall_end, since=s.now.wall)


def drift(s: Situation) -> Decision | None:
    """Weights that somebody else changed: put back when they raise the canary, accepted when they lower it."""
    if s.split.backends == expected_backends(s.state) and not s.split.malformed:
        return None
    actual = s.split.weight_of(s.state.canary) if s.state.canary else 0
    by = s.split.editor or "somebody"
    if not lowered(s):
        note = f"{by} changed the backends of the TrafficSplit; put back to {s.state.weight}% for the canary"
        return propose(s, None, say("DriftRepaired", note, warning=True))
    if s.split.tracked:
        note = (
            f"the TrafficSplit is managed by {s.split.tracked}, which set the canary to {actual}%: keep it out of Git"
        )
        return Decision(outlook=Outlook("TrafficConflict", note, blocked=True))
    if actual == 0 or s.state.phase is Phase.PROMOTING:
        return roll_back(s, Trigger.LOWERED_TO_ZERO, "Aborted", f"{by} set the canary's weight to {actual}%")
    step = s.plan.step_for(actual) if s.plan else 0
    note = f"{by} lowered the canary from {s.state.weight}% to {actual}%; held there until resume"
    said = say("Paused", note, warning=True)
    newest = s.memory.breach()
    return propose(
        s, None, said, weight=actual, step=step, pause="ManualWeight", since=s.now.wall,
        failed=s.state.failed + len(s.memory.pending), window=newest.wall_end if newest else s.state.window,
    )  # fmt: skip


def undo(s: Situation) -> Decision | None:
    """A promotion that has failed while stable had no ready endpoint: traffic goes back as soon as it has one."""
    if s.state.phase is not Phase.PROMOTING or not s.state.reason:
        return None
    rejects = s.state.revision in s.state.rejected
    return roll_back(s, Trigger.DEADLINE, s.state.reason, s.state.note, rejects=rejects)


def lowered(s: Situation) -> bool:
    """Somebody else has given the canary less than the state says: only a gate may give it more again."""
    return s.state.running and not s.split.malformed and s.split.weight_of(s.state.canary) < s.state.weight


def endpoints_lost(s: Situation) -> Decision | None:
    """A canary that has weight and no ready endpoint for a second: unlisted at once, given up the third time."""
    gone = s.memory.gone_since
    if not s.state.running or s.state.weight == 0 or gone is None or not s.canary_side.gone:
        return None
    if not s.reached(gone + GONE_AFTER):
        return None
    lost, failed = s.state.lost + 1, s.state.failed + 1
    words = f"Service {s.state.canary} has no ready endpoint"
    candidate = s.workload.candidate if s.workload is not None else None
    if candidate is not None and candidate.trouble:
        words = f"{words} ({candidate.trouble})"
    last = lost >= LOSSES_ALLOWED or (s.plan is not None and failed >= s.plan.failure_limit)
    if s.state.phase is Phase.PROMOTING:
        return roll_back(s, Trigger.ENDPOINTS_LOST, "EndpointsLost", words, rejects=last, lost=lost, failed=failed)
    if last:
        words = f"{words}, for time {lost}; {failed} failures"
        return roll_back(s, Trigger.ENDPOINTS_LOST_AGAIN, "EndpointsLost", words, lost=lost, failed=failed)
    said = say("EndpointsLost", f"{words}: weight 0, the steps begin anew when it has some", warning=True)
    return propose(
        s, Trigger.ENDPOINTS_LOST, said, weight=0, step=0, lost=lost, failed=failed, since=s.now.wall, gate=None
    )


def invalid_spec(s: Situation) -> Decision | None:
    """An invalid spec starts nothing, and leaves no traffic on a canary that nobody judges."""
    if s.observed.plan is not None:
        return None
    words = f"the spec is invalid: {s.observed.invalid}"
    if s.state.phase is Phase.PROMOTING and s.plan is None:
        return roll_back(s, Trigger.INVALID_SPEC, "InvalidSpec", words, rejects=False)
    if s.state.phase is Phase.PROGRESSING and s.state.weight:
        said = say("InvalidSpec", f"{words}; weight 0", warning=True)
        return propose(s, Trigger.INVALID_SPEC, said, weight=0, step=0, since=s.now.wall, gate=None, approvals=())
    return None


def obstacle(s: Situation) -> Decision | None:
    """Another split of the same root, or a version that is not served: nothing begins and nothing rises."""
    if s.observed.conflict:
        return Decision(outlook=Outlook("TrafficConflict", s.observed.conflict, blocked=True))
    if s.observed.version_problem:
        return Decision(outlook=Outlook("TrafficSplitUnavailable", s.observed.version_problem, blocked=True))
    return None


def roll_back(
    s: Situation, trigger: Trigger, reason: str, words: str, *, rejects: bool = True, **fields: Any
) -> Decision:
    """All traffic to what serves, at once; `rejects` bars the revision until a retry."""
    weight = s.split.weight_of(s.state.canary)
    said = say("RollbackStarted", f"{words}; weight {weight}% -> 0 for {s.state.revision}", warning=True)
    rejected = reject(s.state.rejected, fields.get("revision", s.state.revision)) if rejects else s.state.rejected
    note = words[:400]
    held = s.state.phase is Phase.PROMOTING and s.workload is not None and stays(s)
    if held and not s.state.reason:
        # The canary keeps its traffic until stable is ready again, with the template that it had before.
        kept = say(reason, f"{words}; stable gets its previous template back, and the traffic when ready", warning=True)
        fields = {name: value for name, value in fields.items() if name not in ("revision", "canary")}
        return propose(s, None, kept, reason=reason, note=note, rejected=rejected, pause="", **fields)
    return propose(
        s, trigger, said, weight=0, step=0, since=s.now.wall, pause="", gate=None, reason=reason, note=note,
        rejected=rejected, **fields,
    )  # fmt: skip
