"""What a person can do about a Canary that waits for one."""

from __future__ import annotations

from canary.api.conditions import Reason
from canary.cli.canaries import View
from canary.cli.listing import target
from canary.core.phases import Phase


def approval_awaited(view: View) -> str:
    """The approval that the rollout waits for, if it waits for one."""
    plan, step = view.plan, view.status.step
    if plan is None or step is None or view.reason != Reason.WAITING_FOR_APPROVAL:
        return ""
    return plan.stage(step).approval


def advice(view: View) -> str:
    """One sentence with the command that helps; empty when nobody has to do anything."""
    command = view.command_line
    if view.status.phase == Phase.ROLLED_BACK:
        if view.reason in (Reason.PROMOTION_FAILED, Reason.PROGRESS_DEADLINE_EXCEEDED):
            return f"push a fix of what the message names; or, if its cause is gone: {command('retry')}"
        return f"roll out another revision, or try this one again: {command('retry')}"
    match view.reason:
        case Reason.WAITING_FOR_APPROVAL:
            return f"approve it: {command('approve', approval_awaited(view))}"
        case Reason.PAUSED | Reason.MANUAL_WEIGHT:
            return f"go on: {command('resume')}; or take the traffic back: {command('abort')}"
        case Reason.SUSPENDED:
            return "set spec.suspend to false to go on"
        case Reason.METRICS_HOLD:
            return f"ends by itself at the next usable window; or decide: {command('promote')}, {command('abort')}"
        case Reason.INVALID_SPEC:
            return "correct the spec; a rollout that ran starts over afterwards"
    if view.status.phase == Phase.PROGRESSING and view.reason == Reason.PODS_FAILING:
        return f"push a fix, which takes its place, or end it: {command('abort')}"
    if not view.holds("Stalled"):
        return _beside(view)
    meta = view.metadata
    stuck = _STUCK.get(view.reason, "").format(name=meta.name, namespace=meta.namespace, target=target(view))
    return stuck or _meaning(view)


_STUCK: dict[str, str] = {
    Reason.NAME_TAKEN: "rename or delete that object, or give spec.service another name; it is never written over",
    Reason.SELECTOR_CONFLICT: (
        "let it select both sides, or, where stable's pods may be missed, acknowledge it: kubectl annotate "
        "canaries.canary.delivery {name} -n {namespace} canary.delivery/acknowledge=KIND/NAME,…"
    ),
    Reason.SERVICE_MANAGED_ELSEWHERE: (
        "take spec.selector, or the whole Service, out of the manifest that applies it; or set spec.service.adopt to "
        "Force: then its selector is put right each time"
    ),
    Reason.TARGET_UNSUPPORTED: (
        "change Deployment {target} as the message says; for DaemonSets, StatefulSets and Services alone, name two "
        "Services in spec.backends"
    ),
    Reason.WAITING_FOR_TARGET: (
        "apply Deployment {target} again, or delete the Canary: what was promoted goes on serving"
    ),
    Reason.WORKLOAD_WRITE_REFUSED: (
        "allow the write (RBAC, quota, admission webhook) that the message quotes; it is tried again by itself"
    ),
    Reason.STABLE_UNAVAILABLE: "make a pod of the stable side ready: traffic stays where pods are ready until then",
}
_BESIDE = {
    "ReplicasManagedElsewhere": (
        "leave spec.replicas out of the manifest of Deployment {target}; scale it with kubectl scale or an autoscaler"
    ),
    "TrafficNotFollowing": (
        "look whether the mesh follows the TrafficSplit, and who calls the pods of {target} directly"
    ),
}


def _beside(view: View) -> str:
    """About what should be otherwise while everything goes on."""
    found = next((text for kind, text in _BESIDE.items() if view.holds(kind)), "")
    return found.format(target=target(view))


def _meaning(view: View) -> str:
    return next((reason.meaning for reason in Reason if reason == view.reason), "")
