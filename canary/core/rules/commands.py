"""Commands of people: each is answered once, by its effect or by a reason why not."""

from __future__ import annotations

from canary.core.commands import Command, Malformed, Verb, command_id, parse_command
from canary.core.decision import Decision
from canary.core.phases import Phase, Trigger
from canary.core.rules.steps import canary_ready, command_gate, raise_to, unrestorable
from canary.core.situation import Situation, propose, say


def command(s: Situation) -> Decision | None:
    """The command that has not been answered yet."""
    value = s.observed.command
    if not value or command_id(value) == s.state.command:
        return None
    try:
        asked = parse_command(value)
    except Malformed as error:
        return _refuse(s, str(error))
    if asked.revision != s.state.revision:
        return _refuse(s, f"{asked.verb.value} is for {asked.revision or '(none)'}, the revision is {s.state.revision}")
    return _RULES[asked.verb](s, asked)


def _refuse(s: Situation, why: str) -> Decision:
    return _answer(s, "CommandRejected", why, warning=True)


def _answer(s: Situation, reason: str, note: str, *, warning: bool = False, **fields: object) -> Decision:
    said = say(reason, note, warning=warning)
    return propose(s, None, said, guarded=True, command=command_id(s.observed.command), **fields)  # type: ignore[arg-type]  # fields of State


def _pause(s: Situation, _: Command) -> Decision:
    if not s.state.running:
        return _refuse(s, "pause: no rollout is running")
    return _answer(s, "Paused", f"paused at {s.state.weight}% by request", pause=s.state.pause or "Paused")


def _resume(s: Situation, _: Command) -> Decision:
    if not s.state.pause:
        return _refuse(s, "resume: the rollout is not paused")
    return _answer(s, "Resumed", f"resumed at {s.state.weight}%", pause="", since=s.now.wall)


def _approve(s: Situation, asked: Command) -> Decision:
    if not s.state.running:
        return _refuse(s, "approve: no rollout is running")
    names = [stage.approval for stage in s.plan.stages if stage.approval] if s.plan else []
    if asked.argument not in names:
        return _refuse(s, f"approve: there is no approval {asked.argument!r} among the steps")
    approvals = tuple(dict.fromkeys((*s.state.approvals, asked.argument)))
    return _answer(s, "Approved", f"approval {asked.argument} given", approvals=approvals)


def _retry(s: Situation, _: Command) -> Decision:
    if s.state.phase is not Phase.ROLLED_BACK:
        return _refuse(s, "retry: nothing was rolled back")
    if s.plan is None or s.plan.suspend:
        return _refuse(s, f"retry: {'spec.suspend is true' if s.plan else 'the spec is invalid'}")
    rejected = tuple(revision for revision in s.state.rejected if revision != s.state.revision)
    said = say("RetryStarted", f"{s.state.revision} is tried again from step 0")
    return propose(
        s, Trigger.RETRY, said, guarded=True, command=command_id(s.observed.command), rejected=rejected, weight=0,
        step=0, failed=0, lost=0, approvals=(), pause="", reason="", note="", gate=None, since=s.now.wall,
        started=s.now.wall,
    )  # fmt: skip


def _promote(s: Situation, asked: Command) -> Decision | None:
    if s.state.phase is Phase.PROGRESSING and s.canary_side.unseen:
        return None  # Who has only just come does not know the pods yet: the command waits until they are listed.
    why_not = _cannot_promote(s)
    if why_not or s.plan is None:
        return _refuse(s, f"{asked.verb.value}: {why_not}")
    answered = command_id(s.observed.command)
    gate = command_gate(s)
    stages = s.plan.stages
    promotes = asked.verb is Verb.PROMOTE_FULL or s.state.step >= len(stages)
    if promotes and (why_not := unrestorable(s)):
        return _refuse(s, f"{asked.verb.value}: {why_not}")
    if promotes and s.workload is not None:
        said = say("PromotionStarted", f"the stable copy takes {s.state.revision} over by request")
        return propose(
            s, Trigger.PROMOTE_FULL, said, guarded=True, command=answered, pause="", since=s.now.wall, gate=gate
        )
    if promotes:
        note = f"{s.state.revision} goes to 100% by request, then one full Healthy window decides"
        said = say("PromotionStarted", note)
        return propose(
            s, Trigger.PROMOTE_FULL, said, guarded=True, command=answered, weight=100, step=len(stages), pause="",
            since=s.now.wall, gate=gate,
        )  # fmt: skip
    step = next((n for n in range(s.state.step + 1, len(stages) + 1) if not stages[n - 1].approval), len(stages))
    return raise_to(s, step, gate, command=answered, pause="")


def _cannot_promote(s: Situation) -> str:
    if s.state.phase is not Phase.PROGRESSING or s.observed.plan is None:
        return "no rollout is progressing"
    if s.observed.plan.suspend:
        return "spec.suspend is true"
    if not s.canary_side.ready:
        return f"Service {s.state.canary} has no ready endpoint"
    if not s.state.revision or s.canary_side.revision != s.state.revision:
        return "the pods of the canary are changing"
    if not canary_ready(s):
        return (
            "pods are still awaited, the Service lacks a port of the root, "
            "or the status still lists the revision as rejected"
        )
    return ""


_RULES = {
    Verb.PROMOTE: _promote,
    Verb.PROMOTE_FULL: _promote,
    Verb.PAUSE: _pause,
    Verb.RESUME: _resume,
    Verb.APPROVE: _approve,
    Verb.RETRY: _retry,
}
