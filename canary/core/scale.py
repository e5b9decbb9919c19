"""How many pods the canary side needs for a weight."""

from __future__ import annotations

from canary.core.plan import Plan
from canary.core.state import State
from canary.core.workload import Workload


def replicas_for(plan: Plan, size: int, weight: int) -> int:
    """Replicas of the candidate for `weight` percent of the traffic that `size` replicas of stable can carry.

    Proportional gives the same share of the pods, rounded up; Full as many as stable has; a number is itself. At least
    one: an empty side can be sent nothing.
    """
    if isinstance(plan.canary_scale, int):
        return plan.canary_scale
    if plan.canary_scale == "Full":
        return max(size, 1)
    return max(-(-size * weight // 100), 1)


def leading_weight(plan: Plan, state: State) -> int:
    """The weight that comes next; the present one after the last."""
    following = next((stage.weight for stage in plan.stages[state.step :] if not stage.approval), 0)
    return max(following, state.weight)


def pods_needed(plan: Plan, state: State, w: Workload) -> int:
    """How many endpoints the canary must have before its weight may rise; at least one.

    Where an autoscaler has the say, no more than it asks for.
    """
    if w.candidate is None or w.stable is None:
        return 1
    wanted = replicas_for(plan, w.stable.replicas, leading_weight(plan, state))
    return max(wanted if w.candidate.minimum is None else min(wanted, w.candidate.replicas), 1)
