"""Managed mode's own moves: the end of onboarding, and of a restart of the canary's pods."""

from __future__ import annotations

from canary.core.decision import Decision
from canary.core.phases import Phase, Trigger
from canary.core.situation import Situation, propose, say
from canary.core.workload import Selects


def finish(s: Situation) -> Decision | None:
    """Onboarding is over when the root Service selects stable and nothing serves from the user's Deployment."""
    w = s.workload
    if s.state.phase is not Phase.INITIALIZING or w is None or w.problem is not None:
        return None
    if w.stable is None or s.serving_side.gone:
        return None
    waits = w.root.selects is not Selects.STABLE or (w.candidate is not None and w.candidate.replicas > w.least)
    if waits:
        return None
    said = say("Initialized", f"Deployment {w.target} was copied; Service {s.state.serving} serves all traffic")
    return propose(s, Trigger.ONBOARDED, said, guarded=True, since=s.now.wall)


def restarted(s: Situation) -> Decision | None:
    """The canary's old pods are gone: new ones read the configuration that is under trial."""
    w = s.workload
    if not s.state.restart or w is None or w.candidate is None or s.state.phase is not Phase.PROGRESSING:
        return None
    if w.candidate.replicas or w.candidate.pods or not s.canary_side.gone:
        return None
    return propose(s, None, (), guarded=True, restart=False)
