"""What managed mode waits for, in words: the target, the copies, the pods."""

from __future__ import annotations

from canary.core.actions.upkeep import drained
from canary.core.decision import Outlook
from canary.core.phases import Phase
from canary.core.situation import Situation
from canary.core.workload import Selects, Workload


def in_the_way(s: Situation, w: Workload) -> Outlook | None:
    """What somebody must put right before anything goes on, or what onboarding still has to do."""
    if not w.known:
        return Outlook("Initializing", "the workload has not been read yet")
    if w.problem is not None:
        return Outlook(*w.problem, blocked=True)
    if w.root.selects is not Selects.STABLE and w.root.elsewhere:
        return Outlook("ServiceManagedElsewhere", w.root.elsewhere, blocked=True)
    if s.state.phase is not Phase.INITIALIZING:
        return None
    if w.root.selects is not Selects.STABLE:
        return Outlook("Onboarding", "the root Service is about to select the stable copy")
    return Outlook("Onboarding", f"the stable copy serves; Deployment {w.target} is scaled down when it has drained")


def awaited(s: Situation, w: Workload) -> Outlook | None:
    """Why the canary is not ready, as long as its pods are what is missing."""
    if w.candidate is None:
        return Outlook("WaitingForTarget", f"Deployment {w.target} is gone")
    if s.state.restart:
        return Outlook("ScalingUp", "pods that have read an earlier configuration go first")
    needed, ready = s.pods_needed, s.canary_side.ready
    if ready >= needed:
        return None
    words = f"{ready} of {needed} pods of Deployment {w.target} are ready"
    if w.candidate.trouble:
        return Outlook("PodsFailing", f"{words}: {w.candidate.trouble}")
    return Outlook(scaling_reason(s), words)


def scaling_reason(s: Situation) -> str:
    """Before the first weight, pods that come and pods that warm up are one wait."""
    return "ScalingUp" if s.state.weight else "WarmingUp"


def promoting(s: Situation, w: Workload) -> Outlook:
    """How far the stable copy has come."""
    trouble = f": {w.stable.trouble}" if w.stable is not None and w.stable.trouble else ""
    words = f"the stable copy takes {s.state.revision} over, {s.serving_side.ready} endpoints are ready"
    return Outlook("PodsFailing" if trouble else "WaitingForStable", f"{words}{trouble}")


def draining(s: Situation) -> str:
    """Whether the canary's pods are still needed, as the end of a sentence."""
    w = s.workload
    if w is None or w.candidate is None or not w.candidate.replicas:
        return ""
    return "" if drained(s) else "; the canary's pods stay until no request comes to them any more"


def steady(s: Situation, w: Workload, *, suspended: bool) -> Outlook:
    """Nothing runs, and what is asked for is not what serves."""
    if w.candidate is None:
        return Outlook(
            "WaitingForTarget", f"Deployment {w.target} is gone; the stable copy goes on serving", blocked=True
        )
    if w.candidate.unknown:
        return Outlook("WaitingForTarget", w.candidate.unknown)
    if suspended:
        return Outlook("Suspended", "spec.suspend is true; a new revision is pending", held=True)
    return Outlook("WaitingForWorkload", f"Deployment {w.target} is being looked at")
