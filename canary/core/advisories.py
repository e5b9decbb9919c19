"""Conditions about managed mode that say what should be otherwise, while everything goes on.

They exist only while they are true, and judge nothing: Ready, Reconciling and Stalled are as they would be without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from canary.api.conditions import ConditionType
from canary.api.duration import format_duration
from canary.api.status import Condition
from canary.core.memory import Memory, left
from canary.core.observed import Now, Observed
from canary.core.phases import Phase
from canary.core.state import State
from canary.core.workload import Candidate

ADVISORIES = (ConditionType.REPLICAS_MANAGED_ELSEWHERE, ConditionType.TRAFFIC_NOT_FOLLOWING)
_WITHOUT_CANARY = frozenset({Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.PROMOTED, Phase.IDLE})


def advisories(
    observed: Observed, state: State, memory: Memory, now: Now, before: Sequence[Condition]
) -> Iterator[Condition]:
    """The advisories that hold, without times. While the workload is not known, those `before` still do."""
    w = observed.workload
    if w is not None and not w.known:
        yield from (condition for condition in before if condition.type in ADVISORIES)
    if w is None or w.candidate is None:
        return
    if w.candidate.applied_by:
        yield _condition(ConditionType.REPLICAS_MANAGED_ELSEWHERE, _applied(w.candidate))
    if words := _not_following(observed, state, memory, now, w.candidate):
        yield _condition(ConditionType.TRAFFIC_NOT_FOLLOWING, words)


def _condition(kind: ConditionType, message: str) -> Condition:
    return Condition(type=kind.value, status="True", reason=kind.value, message=message)


def _applied(candidate: Candidate) -> str:
    return (
        f"{candidate.applied_by} applies spec.replicas of Deployment {candidate.name}, so that pods without traffic "
        "start at every sync: leave spec.replicas out of the manifest"
    )


def _not_following(observed: Observed, state: State, memory: Memory, now: Now, candidate: Candidate) -> str:
    """Why the canary's pods are left running long after its weight is 0; empty when they are not."""
    plan = observed.plan or observed.last_plan
    over = state.phase in _WITHOUT_CANARY and not state.weight
    if plan is None or not over or not candidate.replicas or memory.quiet or left(plan.deadline, state.since, now) > 0:
        return ""
    pods = f"the pods of Deployment {candidate.name} are left running"
    if memory.failing_since is not None:
        return f"the metrics source cannot say whether requests still come ({memory.source_reason}): {pods}"
    if not memory.answered:
        return ""  # A process that has just come: the next window tells.
    return (
        f"requests still come to Deployment {candidate.name} {format_duration(plan.deadline)} after its weight became "
        f"0: {pods}; look whether the mesh follows the TrafficSplit, and who calls these pods past the root Service"
    )
