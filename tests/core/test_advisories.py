"""Conditions that say what should be otherwise in managed mode, while everything goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from canary.api.status import CanaryStatus, Condition
from canary.core.decision import Decision, Outlook
from canary.core.memory import Memory
from canary.core.observed import Now, Observed, Split
from canary.core.phases import Phase
from canary.core.state import State
from canary.core.status import Subject, project
from canary.core.workload import Candidate, Workload

EPOCH = 1_767_225_600.0
LATE = Now(5000.0, EPOCH + 601)
"""One second after progressDeadline."""
FOLLOWING = Memory(answered=True, quiet=True)
STRAYS = Memory(answered=True, quiet=False)


def reported(
    plan: Any, *, candidate: dict[str, Any] | None = None, known: bool = True, memory: Memory = STRAYS,
    now: Now = LATE, previous: CanaryStatus | None = None, **state: Any,
) -> CanaryStatus:  # fmt: skip
    """The status of a managed Canary whose target is as `candidate` says; the phase began at EPOCH."""
    fields = {"uid": "u", "seq": 4, "phase": Phase.ROLLED_BACK, "since": EPOCH, "revision": "r2", "promoted": "r1"}
    known_state = State(**(fields | state))
    target = Candidate("shop", **({"revision": "r2", "replicas": 2} | (candidate or {})))
    workload = Workload("shop", known=known, candidate=target if known else None)
    observed = Observed("u", plan(target="shop"), split=Split("s", known_state), workload=workload)
    outlook = Outlook("RolledBack", "r2 rolled back", blocked=True)
    subject = Subject(1, previous or CanaryStatus())
    return project(subject, observed, known_state, memory, Decision(outlook=outlook), now)


def named(status: CanaryStatus, kind: str) -> Condition | None:
    return next((condition for condition in status.conditions if condition.type == kind), None)


def test_replicas_that_somebody_applies_are_told_with_the_name_of_the_manager(plan):
    condition = named(reported(plan, candidate={"applied_by": "helm"}), "ReplicasManagedElsewhere")

    assert condition is not None
    assert (condition.status, condition.reason) == ("True", "ReplicasManagedElsewhere")
    assert "helm applies spec.replicas of Deployment shop" in condition.message
    assert "leave spec.replicas out of the manifest" in condition.message


def test_replicas_that_nobody_applies_are_no_condition(plan):
    assert named(reported(plan), "ReplicasManagedElsewhere") is None


@pytest.mark.parametrize("phase", [Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.PROMOTED, Phase.IDLE])
def test_a_canary_that_still_gets_requests_after_the_deadline_is_told(plan, phase):
    condition = named(reported(plan, phase=phase), "TrafficNotFollowing")

    assert condition is not None
    assert condition.status == "True"
    assert "requests still come to Deployment shop 10m after its weight became 0" in condition.message


@pytest.mark.parametrize(
    "changed",
    [
        {"memory": FOLLOWING},
        {"candidate": {"replicas": 0}},
        {"now": Now(5000.0, EPOCH + 599)},
        {"phase": Phase.PROGRESSING},
        {"phase": Phase.PROMOTING},
        {"phase": Phase.ROLLING_BACK, "weight": 5},
        {"memory": Memory()},
    ],
    ids=["quiet", "stopped", "in time", "progressing", "promoting", "with weight", "nothing measured yet"],
)
def test_traffic_that_follows_or_need_not_follow_yet_is_no_condition(plan, changed):
    assert named(reported(plan, **changed), "TrafficNotFollowing") is None


def test_a_source_that_fails_leaves_the_pods_and_is_quoted(plan):
    memory = Memory(failing_since=10.0, source_reason="503 Service Unavailable")
    condition = named(reported(plan, memory=memory), "TrafficNotFollowing")

    assert condition is not None
    assert "cannot say whether requests still come (503 Service Unavailable)" in condition.message


def test_a_process_that_has_not_seen_the_workload_yet_keeps_what_was_told(plan):
    before = reported(plan, candidate={"applied_by": "helm"})

    after = reported(plan, known=False, previous=before)

    assert named(after, "ReplicasManagedElsewhere") == named(before, "ReplicasManagedElsewhere")


def test_an_advisory_changes_no_other_condition(plan):
    plain = reported(plan, memory=FOLLOWING)

    told = reported(plan, candidate={"applied_by": "helm"})

    kinds = {"ReplicasManagedElsewhere", "TrafficNotFollowing"}
    assert {condition.type for condition in told.conditions} >= kinds
    others = tuple(condition for condition in told.conditions if condition.type not in kinds)
    assert msgspec.structs.replace(told, conditions=others) == plain
