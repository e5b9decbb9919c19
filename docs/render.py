"""Writes state-machine.md beside this file from the table of transitions: `python docs/render.py`."""

from __future__ import annotations

from pathlib import Path

from canary.core.phases import TRANSITIONS, Phase, Trigger, mermaid

TARGET = Path(__file__).parent / "state-machine.md"

PHASES = {
    Phase.INITIALIZING: "There is no TrafficSplit with a state that can be trusted: nothing has been decided. In "
    "managed "
    "mode also while the target is taken over.",
    Phase.IDLE: "One Service serves all traffic, and nothing is tried.",
    Phase.PROGRESSING: "A revision is tried: its weight follows the steps, from 0 % up.",
    Phase.PROMOTING: "Services mode: the canary has 100 %, and one more full Healthy window decides. Managed mode: the "
    "stable copy takes the revision over, while the weight stays and both sides are judged.",
    Phase.ROLLING_BACK: "All traffic is back on what serves, and the rollout is closed: at once in services mode; in "
    "managed mode when stable runs what was promoted and no request comes to the canary's pods, or after "
    "`progressDeadline`.",
    Phase.ROLLED_BACK: "The rollout has failed. Its revision gets no traffic until `retry`.",
    Phase.PROMOTED: "The rollout has succeeded. Services mode: the canary Service is what serves from now on. Managed "
    "mode: the stable copy runs the revision and serves.",
}

TRIGGERS = {
    Trigger.SPLIT_CREATED: "The first write of the split, or the takeover of one that nobody controls.",
    Trigger.COPY_READY: "Managed mode: the stable copy of the target is ready; the split is created, all for stable.",
    Trigger.ONBOARDED: "Managed mode: the root Service selects the stable copy, and the target is scaled to 0.",
    Trigger.REBUILT: "The split or its annotation was lost, or is an old copy; the canary gets no traffic.",
    Trigger.REVISION_FOUND: "`spec.backends.canary` names a Service that does not serve, and its ready pods are of one "
    "revision that was not tried before; in managed mode, the target's template or configuration is such a revision.",
    Trigger.REVISION_CHANGED: "Other pods, a mix of revisions, or another Service; in managed mode, another "
    "template or "
    "configuration in the target: traffic back, then from step 0.",
    Trigger.STEP_PASSED: "The hold is over, `minRequests` are there and the newest full window is Healthy; or "
    "`promote`; or an approval is the next step.",
    Trigger.STEPS_PASSED: "The same, and the next step is a last one of 100 % without `hold`; in managed mode, "
    "after the "
    "last step, whatever its weight, if the promoted template is kept and could be put back.",
    Trigger.BAKE_PASSED: "Services mode: the hold of a last step at 100 % is over, and the newest full window is "
    "Healthy.",
    Trigger.WINDOW_PASSED: "Services mode: one full window at 100 %, begun after the weight had settled, is Healthy.",
    Trigger.STABLE_FOLLOWED: "Managed mode: every pod of the stable copy runs the revision and is available, and the "
    "newest full window is Healthy; all traffic goes to the stable copy.",
    Trigger.PROMOTE_FULL: "The command of that name, or `promote` at the last step.",
    Trigger.BREACH: "The breached windows of this rollout reach `failureLimit`, one is at or beyond `rollbackAt`, or "
    "one breaches while Promoting.",
    Trigger.ABORT: "The annotation `canary.delivery/abort`, for whatever runs or for exactly this revision.",
    Trigger.BACK_TO_SERVING: "`spec.backends.canary` names the Service that serves; in managed mode, the target "
    "holds the "
    "promoted template again. The revision is not blamed.",
    Trigger.ENDPOINTS_LOST: "The canary has weight and had no ready endpoint for a second.",
    Trigger.ENDPOINTS_LOST_AGAIN: "The same for the third time, or the failure that reaches `failureLimit`.",
    Trigger.DEADLINE: "The canary had no ready endpoint for `progressDeadline`; in managed mode, the pods for the next "
    "weight, or those of the stable copy while Promoting, did not become ready in that time.",
    Trigger.NO_DATA: "No usable sample for `noData.timeout`, and `noData.action` is Rollback.",
    Trigger.SOURCE_ERROR: "The source failed for `sourceError.timeout`, and `sourceError.action` is Rollback.",
    Trigger.INVALID_SPEC: "The spec became invalid. Promoting is left only when no valid one is known to finish by.",
    Trigger.DELETED: "The Canary is deleted while a canary has weight; in managed mode, while a rollout runs. The "
    "revision is not "
    "blamed.",
    Trigger.REJECTED: "The pods are of a revision that was rolled back before.",
    Trigger.LOWERED_TO_ZERO: "Somebody set the canary's weight in the split to 0, or lowered it while Promoting.",
    Trigger.CLOSED_REJECTED: "Traffic is back, and the revision is to blame.",
    Trigger.CLOSED_IDLE: "Traffic is back, and there is nothing else to try now.",
    Trigger.CLOSED_ANEW: "Traffic is back, and the revision that is wanted now is tried from step 0.",
    Trigger.RETRY: "The command of that name: the revision is no longer rejected, the counters are 0.",
}

HEAD = """# The state machine

<!-- Generated by `make generate` from canary/core/phases.py. Do not edit. -->

A Canary is in one phase at a time. The phase stands in the state of its TrafficSplit and changes in the same write as
the weights. What is not drawn here cannot happen: a rule of the decision names a trigger, and the table says where that
leads. Only in Progressing and Promoting may the canary have weight.
"""


def page() -> str:
    """The diagram, every phase and every trigger, as Markdown."""
    parts = [HEAD, "\n```mermaid\n", mermaid(), "```\n"]
    parts.append("\n## Phases\n\n| phase | meaning |\n|---|---|\n")
    parts.extend(f"| {phase} | {PHASES[phase]} |\n" for phase in Phase)
    parts.append("\n## Triggers\n\n| trigger | in | when |\n|---|---|---|\n")
    parts.extend(f"| {trigger} | {_sources(trigger)} | {TRIGGERS[trigger]} |\n" for trigger in Trigger)
    return "".join(parts)


def _sources(trigger: Trigger) -> str:
    return ", ".join(source for source, found in TRANSITIONS if found is trigger)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
