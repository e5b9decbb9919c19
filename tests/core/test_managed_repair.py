"""Managed mode when somebody else changes what it keeps: sizes, templates, the stable copy, the split."""

from __future__ import annotations

import msgspec
import pytest

from canary.core.phases import Phase
from canary.core.workload import Selects, Workload

CLOSED = [Phase.IDLE, Phase.ROLLED_BACK, Phase.PROMOTED]
RUNNING = [Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK]
ALL = [Phase.INITIALIZING, *CLOSED, *RUNNING]
ENDS = (Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK)


@pytest.mark.parametrize("size", [2, 7])
@pytest.mark.parametrize("phase", CLOSED)
def test_replicas_that_people_set_become_the_size_of_stable(managed, phase, size):
    r = managed().to(phase).quiet()
    r.resize(size)
    r.quiet()

    assert (r.stable.replicas, r.candidate.replicas, r.phase) == (size, 0, phase)


@pytest.mark.parametrize("phase", [Phase.PROGRESSING, Phase.PROMOTING])
def test_during_a_rollout_stable_grows_at_once_and_shrinks_only_afterwards(managed, phase):
    r = managed().to(phase)
    r.resize(7)
    r.rest()
    assert (r.stable.replicas, r.phase) == (7, phase)

    r = managed().to(phase)
    r.resize(2)
    r.rest()
    assert (r.stable.replicas, r.phase) == (4, phase)
    r.until_phase(Phase.PROMOTED)
    r.quiet()
    assert (r.stable.replicas, r.candidate.replicas) == (2, 0)


@pytest.mark.parametrize(("phase", "replicas"), [(Phase.PROGRESSING, 2), (Phase.PROMOTING, 4)])
def test_a_target_that_somebody_scaled_down_under_weight_is_put_back(managed, phase, replicas):
    r = managed().to(phase)
    r.candidate.scale(1)
    r.rest()

    assert r.candidate.replicas == replicas


@pytest.mark.parametrize("phase", ALL)
def test_the_size_of_people_starts_and_stops_no_rollout(managed, phase):
    r = managed().to(phase)
    end = {Phase.ROLLING_BACK: Phase.ROLLED_BACK, Phase.INITIALIZING: Phase.IDLE}.get(phase, phase)
    end = Phase.PROMOTED if phase in (Phase.PROGRESSING, Phase.PROMOTING) else end
    r.resize(6)
    r.until_phase(end)
    r.quiet()

    assert (r.phase, r.stable.replicas, r.candidate.replicas) == (end, 6, 0)


@pytest.mark.parametrize("phase", ALL)
def test_a_drifted_template_of_stable_is_repaired(managed, phase):
    r = managed().to(phase)
    r.stable.drifted = True
    r.rest()

    assert not r.stable.drifted
    r.until_phase(*ENDS)


@pytest.mark.parametrize("phase", CLOSED)
def test_a_deleted_stable_copy_comes_back_from_the_kept_template(managed, phase):
    r = managed().to(phase).quiet()
    promoted = r.state.promoted
    r.push("untried")
    r.cluster.stable = None
    r.look()
    r.rest()
    assert (r.stable.revision, r.stable.replicas) == (promoted, 4)


def test_a_stable_copy_that_is_deleted_with_the_split_is_never_made_of_the_untried_template(managed):
    r = managed().onboard()
    r.push("untried")
    r.cluster.stable, r.split = None, None
    r.rest()
    assert r.stable.revision == "r1"

    r = managed().onboard()
    r.push("untried")
    r.cluster.stable, r.split, r.cluster.pins = None, None, set()
    r.windows(3)
    assert r.stable is None


def test_a_kept_template_that_was_deleted_is_kept_again_once_the_target_has_it(managed):
    r = managed().onboard()
    r.cluster.pins.clear()
    r.rest()

    assert r.cluster.pins == {"r1"}


def test_a_stable_copy_and_a_template_that_are_both_lost_come_back_from_the_target(managed):
    r = managed().until(50)
    r.cluster.pins.clear()
    r.cluster.stable = None
    r.push("r1")
    r.until_phase(Phase.IDLE)

    assert (r.stable.revision, r.weight) == ("r1", 0)


@pytest.mark.parametrize("phase", ALL)
def test_a_lost_split_is_rebuilt_without_weight_and_ends_where_it_should(managed, phase):
    r = managed().to(phase)
    rejected = set(r.state.rejected)
    r.split = None
    r.look()
    assert (r.phase, r.weight, r.state.reason) == (Phase.ROLLING_BACK, 0, "Rebuilt")
    r.rest()
    r.until_phase(*ENDS)
    r.windows(40)

    assert r.phase in ENDS
    assert r.stable.revision == r.state.promoted
    assert r.candidate.replicas == 0
    assert rejected <= set(r.state.rejected)
    assert r.cluster.root.selects is Selects.STABLE


def test_a_split_that_is_lost_while_promoting_brings_the_promoted_template_back(managed):
    r = managed().promoting()
    r.rest()
    assert r.stable.revision == "r2"
    r.split = None
    r.rest()

    assert (r.phase, r.stable.revision) == (Phase.ROLLING_BACK, "r1")


def test_a_split_that_is_lost_while_onboarding_does_not_take_the_target_from_the_root(managed):
    r = managed().initializing()
    r.stable.pods, r.stable.quota = [], 0
    r.split = None
    r.quiet()
    assert r.candidate.replicas == 4

    r.stable.quota = 4
    r.windows(4)
    assert (r.phase, r.candidate.replicas, r.cluster.root.selects) == (Phase.IDLE, 0, Selects.STABLE)


def test_an_abort_after_a_rebuild_never_bars_what_serves(managed):
    r = managed().onboard()
    r.split = None
    r.look()
    r.abort = "@t"
    r.until_phase(Phase.IDLE)

    assert r.state.rejected == ()


def test_an_abort_after_a_rebuild_waits_until_the_target_is_known(managed):
    r = managed().until(50)
    r.split = None
    r.look()
    r.abort, r.cluster.unknown = "@t", "the ConfigMap web is not readable"
    r.windows(3)
    assert r.phase is Phase.ROLLING_BACK

    r.cluster.unknown = ""
    r.until_phase(Phase.ROLLED_BACK)
    assert r.state.rejected == ("r2",)


@pytest.mark.parametrize("phase", [*CLOSED, *RUNNING])
def test_a_root_that_somebody_points_elsewhere_is_put_back(managed, phase):
    r = managed().to(phase)
    r.cluster.root = msgspec.structs.replace(r.cluster.root, selects=Selects.OTHER)
    r.rest()

    assert r.cluster.root.selects is Selects.STABLE


@pytest.mark.parametrize("phase", CLOSED)
def test_a_target_that_the_root_selects_again_is_left_running(managed, phase):
    r = managed().to(phase).quiet()
    r.resize(4)
    r.candidate.roll(r.wall)
    r.cluster.root = msgspec.structs.replace(
        r.cluster.root, selects=Selects.CANDIDATE, elsewhere="the Service is managed by Helm"
    )
    r.windows(3)

    assert r.candidate.replicas == 4


@pytest.mark.parametrize("phase", CLOSED)
def test_a_root_is_not_pointed_at_a_stable_side_without_pods(managed, phase):
    r = managed().to(phase)
    r.stable.pods, r.stable.quota = [], 0
    r.cluster.root = msgspec.structs.replace(r.cluster.root, selects=Selects.OTHER)
    r.rest()

    assert r.cluster.root.selects is Selects.OTHER


def test_missing_parts_are_made_again(managed):
    r = managed().until(5)
    r.cluster.parts.discard("Service/shop-canary")
    r.rest()

    assert "Service/shop-canary" in r.cluster.parts


@pytest.mark.parametrize("phase", [*CLOSED, *RUNNING])
def test_a_stable_service_that_selects_the_target_goes_back_only_to_ready_pods(managed, phase):
    r = managed().to(phase)
    r.stable.available = False
    r.candidate.scale(4)
    r.cluster.roll(r.wall)
    r.cluster.backend = Selects.CANDIDATE
    r.stable.pods, r.stable.quota = [], 0
    r.rest()
    assert r.cluster.backend is Selects.CANDIDATE

    r.stable.available, r.stable.quota = True, 4
    r.wait(1)
    r.rest()
    assert r.cluster.backend is Selects.STABLE


def test_a_target_that_may_not_shrink_is_still_stamped_before_the_first_weight(managed):
    r = managed().until(50)
    r.break_spec()
    r.rest()
    r.cluster.root = msgspec.structs.replace(r.cluster.root, elsewhere="the Service is managed by Helm")
    r.change()
    r.windows(3)

    assert (r.weight, r.candidate.replicas) == (5, 4)


def test_a_workload_that_was_not_read_yet_is_not_called_gone(managed):
    r = managed().onboard()
    r.seen["workload"] = Workload("shop", known=False)
    r.rest()

    assert r.decision.outlook.message == "the workload has not been read yet"
