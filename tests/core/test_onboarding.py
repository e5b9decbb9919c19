"""Managed mode begins: the stable copy first, then the root Service, then the user's Deployment goes down."""

from __future__ import annotations

import msgspec
import pytest

from canary.core.phases import Phase
from canary.core.workload import Root, Selects
from tests.core.cluster import CANARY_SERVICE, STABLE_SERVICE


def test_the_order_is_copy_split_root_and_only_then_the_scale_down(managed):
    r = managed().onboard()

    assert r.writes == [
        "FillGap Service/shop-stable", "FillGap Service/shop-canary", "Pin r1", "CreateStable r1 4",
        "Split Initializing 0", "PointRoot Stable", "ScaleCandidate 0", "Split Idle 0",
    ]  # fmt: skip
    assert r.state.promoted == "r1"


def test_the_copy_begins_with_no_fewer_replicas_than_an_autoscaler_keeps(managed):
    r = managed()
    r.cluster.minimum, r.cluster.autoscaled = 6, True
    r.onboard()

    assert "CreateStable r1 6" in r.writes


@pytest.mark.parametrize("point", range(8))
def test_a_crash_after_any_write_changes_nothing_of_the_outcome(managed, point):
    r = managed()
    for _ in range(30):
        while r.step():
            if len(r.writes) == point + 1:
                r.restart()
        r.wait(10)

    assert r.phase is Phase.IDLE
    assert len(r.writes) == 8


@pytest.mark.parametrize("autoscaled", [False, True])
def test_a_copy_that_somebody_scales_to_0_before_it_serves_is_scaled_up_again(managed, autoscaled):
    r = managed()
    r.cluster.autoscaled = autoscaled
    while r.stable is None:
        assert r.step()
    r.stable.scale(0)
    r.cluster.touch("stable")
    r.onboard()

    assert f"ScaleStable {1 if autoscaled else 4}" in r.writes


def test_the_root_does_not_select_stable_before_stable_is_ready(managed):
    r = managed()
    r.cluster.broken = {"r1"}
    for _ in range(10):
        r.window()

    assert r.split is None
    assert r.cluster.root.selects is Selects.CANDIDATE
    assert r.outlook == "WaitingForStable"
    r.wait(600)
    r.rest()
    assert r.outlook == "ProgressDeadlineExceeded"


def test_an_absent_root_is_created(managed):
    r = managed()
    r.cluster.root = Root()
    r.onboard()

    assert r.cluster.root.selects is Selects.STABLE
    assert "CreateRoot" in r.writes


@pytest.mark.parametrize("selects", [Selects.CANDIDATE, Selects.STABLE])
def test_while_somebody_else_writes_the_root_the_target_is_never_scaled_down(managed, selects):
    r = managed()
    r.cluster.root = Root(exists=True, selects=selects, elsewhere="the Service is managed by Helm")
    for _ in range(10):
        r.window()

    assert r.phase is Phase.INITIALIZING
    assert r.candidate.replicas == 4
    assert not [write for write in r.writes if "Root" in write]


def test_a_target_that_people_scaled_to_0_does_not_end_onboarding_before_the_root_selects_stable(managed):
    r = managed()
    r.cluster.root = msgspec.structs.replace(r.cluster.root, elsewhere="the Service is managed by Helm")
    r.initializing().candidate.scale(0)
    r.quiet()

    assert r.phase is Phase.INITIALIZING


def test_what_somebody_sends_to_the_target_by_the_split_drains_before_it_is_scaled_down(managed):
    r = managed(settle=20.0).initializing()
    r.rest()
    assert r.writes[-1] == "PointRoot Stable"
    r.wait(19)
    r.by_hand((CANARY_SERVICE, 50), (STABLE_SERVICE, 50))
    r.rest()
    assert r.backends == [(STABLE_SERVICE, 100)]
    r.wait(19)
    r.rest()
    assert r.candidate.replicas == 4
    r.wait(1)
    r.rest()
    assert r.candidate.replicas == 0


def test_a_root_managed_elsewhere_is_said(managed):
    r = managed()
    r.cluster.root = msgspec.structs.replace(r.cluster.root, elsewhere="the Service is managed by Helm")
    r.quiet()

    assert r.outlook == "ServiceManagedElsewhere"


def test_a_target_that_is_not_there_yet_is_waited_for(managed):
    r = managed()
    candidate, r.cluster.candidate = r.cluster.candidate, None
    r.quiet()
    assert (r.outlook, r.split) == ("WaitingForTarget", None)

    r.cluster.candidate = candidate
    assert r.onboard().phase is Phase.IDLE


def test_a_problem_with_the_workload_starts_nothing(managed):
    r = managed()
    r.cluster.problem = ("SelectorConflict", "NetworkPolicy web selects the target's pods and would miss stable's")
    r.quiet()

    assert r.writes == []
    assert r.outlook == "SelectorConflict"


def test_a_template_that_changes_meanwhile_is_rolled_out_afterwards(managed):
    r = managed().initializing()
    r.push("r2")
    r.windows(3)

    assert r.state.promoted == "r1"
    assert (r.phase, r.state.revision) == (Phase.PROGRESSING, "r2")


def test_the_deadline_of_a_rollout_does_not_begin_with_the_onboarding_before_it(managed):
    r = managed(deadline=100.0).initializing()
    r.rest()
    r.wait(90)
    r.push("r2")
    r.cluster.broken = {"r2"}
    # Another process ends the onboarding and begins the rollout: this one sees only what came of it.
    before = r.memory
    r.rest()
    r.memory = before
    r.wait(50)
    r.rest()

    assert r.phase is Phase.PROGRESSING
    r.wait(100)
    r.rest()
    assert r.state.reason == "ProgressDeadlineExceeded"


def test_stable_that_loses_its_pods_keeps_the_target_running(managed):
    r = managed().initializing()
    r.rest()
    r.stable.pods, r.stable.quota = [], 0
    r.quiet()

    assert r.candidate.replicas == 4
    assert r.phase is Phase.INITIALIZING


@pytest.mark.parametrize("selects", [Selects.OTHER, Selects.CANDIDATE])
def test_a_stable_service_that_somebody_has_edited_is_put_right_before_there_is_a_split(managed, selects):
    r = managed()
    r.rest()
    r.cluster.backend = selects
    r.rest()
    r.onboard()

    assert r.cluster.backend is Selects.STABLE
    assert r.writes.index("PointBackend Stable") < r.writes.index("Split Initializing 0")


def test_while_a_split_is_there_its_state_says_whose_pods_the_stable_service_selects(managed):
    r = managed().to(Phase.IDLE)
    r.split = msgspec.structs.replace(r.split, state=None)
    r.cluster.backend = Selects.CANDIDATE

    assert "PointBackend" not in r.due
