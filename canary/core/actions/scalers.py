"""What autoscalers need of us: a first replica, and KEDA's ScaledObject held while the user's Deployment rests.

At zero an autoscaler of Kubernetes does nothing; KEDA starts pods as soon as a trigger is active. A pause takes pods
away, so it is fenced like a scale-down: who resumes writes the object even where it is not paused, and what was
prepared before conflicts. Source: KEDA, Scaling Deployments, "Pausing autoscaling".
"""

from __future__ import annotations

from canary.core.actions.action import Action, Deed
from canary.core.workload import Copy, Workload


def start(stable: Copy, stamp: int = 0) -> Action:
    """The first replica of a stable copy that has an autoscaler: from there on that has the say.

    At zero it does nothing (Kubernetes, Horizontal Pod Autoscaling, "implicit maintenance mode").
    """
    return Action(Deed.SCALE_STABLE, replicas=1, size=stable.size, stamp=stamp)


def pause(w: Workload, replicas: int, stamp: int) -> list[Action]:
    """Due when the Deployment rests with so many replicas."""
    if w.scaler is None or w.scaler.paused or w.scaler.theirs:
        return []
    return [Action(Deed.PAUSE_SCALER, replicas=replicas, stamp=stamp)]


def resume(w: Workload, since: int, stamp: int) -> list[Action]:
    """Due before the Deployment gets pods for traffic; `since` is the state from which on no pause is permitted."""
    if w.scaler is None or w.scaler.theirs or not (w.scaler.paused or w.scaler.stamp < since):
        return []
    return [Action(Deed.RESUME_SCALER, stamp=stamp)]
