"""Managed mode rolls a revision out: the template is kept, pods come before the weight, and stable follows."""

from __future__ import annotations

import pytest

from canary.core.commands import Verb, format_command
from canary.core.phases import Phase
from canary.core.plan import Stage
from canary.core.window import Sample, SourceFailure
from tests.core.cluster import CANARY_SERVICE, STABLE_SERVICE

SMALL = Sample(3.0, 0.0, {"p99": 0.1})


def since(r, count):
    return r.writes[count:]


def test_template_is_kept_then_pods_then_weight_and_each_weight_has_its_pods_first(managed):
    r = managed().onboard()
    count = len(r.writes)
    r.push("r2")
    r.until_phase(Phase.PROMOTED)
    r.quiet()

    assert since(r, count) == [
        "Split Progressing 0", "Pin r2", "ScaleCandidate 1",
        "Split Progressing 5", "ScaleCandidate 2",
        "Split Progressing 50", "ScaleCandidate 4",
        "Split Progressing 100", "Split Promoting 100", "WriteStable r2",
        "Split Promoted 0", "Unpin r1", "ScaleCandidate 0",
    ]  # fmt: skip


def test_the_weight_waits_for_the_pods_of_the_next_step(managed):
    r = managed().begin()
    r.candidate.quota = 1
    r.until(5)
    r.windows(6)

    assert (r.weight, r.outlook) == (5, "ScalingUp")
    r.candidate.quota = 4
    r.windows(2)
    assert r.weight == 50


def test_a_step_passes_only_after_its_pods_were_asked_for(managed):
    r = managed().until(5)
    r.candidate.scale(1)
    for _ in range(6):
        r.wait(10)
        r.look(r.reading())

    assert r.weight == 5
    assert r.due == ["ScaleCandidate"]


def test_pods_that_do_not_come_for_the_next_step_end_the_rollout(managed):
    r = managed().begin()
    r.candidate.quota = 1
    r.until(5)
    r.until_phase(Phase.ROLLED_BACK)

    assert r.state.reason == "ProgressDeadlineExceeded"
    assert "1 of 2 pods" in r.state.note


@pytest.mark.parametrize(("scale", "sizes"), [("Full", ["4"]), (3, ["3"]), ("Proportional", ["1", "2", "4"])])
def test_the_canary_gets_the_pods_that_the_spec_says(managed, scale, sizes):
    r = managed(canary_scale=scale).onboard()
    count = len(r.writes)
    r.push("r2")
    r.until_phase(Phase.PROMOTING)

    assert [w.split()[1] for w in since(r, count) if w.startswith("ScaleCandidate")] == sizes


def test_a_target_with_an_autoscaler_is_written_from_zero_and_to_zero_only(managed):
    r = managed()
    r.cluster.minimum, r.cluster.autoscaled = 2, True
    r.onboard()
    count = len(r.writes)
    r.push("r2")
    r.until_phase(Phase.PROMOTED)
    r.quiet()

    assert [w for w in since(r, count) if w.startswith("Scale")] == ["ScaleCandidate 2", "ScaleCandidate 0"]


def test_a_stable_copy_that_an_autoscaler_would_leave_at_zero_gets_one(managed):
    r = managed()
    r.cluster.autoscaled = True
    r.onboard()
    r.stable.scale(0)
    r.rest()

    assert r.stable.replicas == 1


def test_the_first_weight_waits_until_the_target_was_written_in_this_rollout(managed):
    r = managed().onboard()
    r.push("r2")
    r.rest()
    r.candidate.stamp = 0
    r.candidate.roll(r.wall)
    r.wait(60)
    r.look(r.reading())

    assert r.weight == 0
    r.rest()
    assert r.candidate.stamp >= r.state.entered


def test_pods_of_the_target_stay_until_no_request_comes_to_them(managed):
    r = managed().until(50)
    r.stray = SMALL
    r.until_phase(Phase.PROMOTED)
    r.windows(5)
    assert r.candidate.replicas == 4

    r.stray = managed().stray
    r.windows(2)
    assert r.candidate.replicas == 0


def test_a_late_request_is_noticed_although_a_window_was_quiet(managed):
    r = managed().until(50)
    r.abort = "@t"
    r.look()
    assert r.act().deed.value == "StampStable"
    r.look()
    r.wait(15)
    r.look(r.reading())
    assert r.due == ["ScaleCandidate"]
    r.wait(10)
    r.stray = SMALL
    r.look(r.reading())

    assert r.due == []


@pytest.mark.parametrize("metrics", ["strays", "failing", "none"])
def test_a_rollback_that_cannot_see_the_drain_closes_after_the_deadline_and_leaves_the_pods(managed, metrics):
    r = managed().until(50)
    r.stray = SMALL
    r.abort = "@t"
    r.rest()
    for _ in range(59):
        r.wait(10)
        failure = SourceFailure(r.monotonic, r.wall, "503")
        r.rest(*{"strays": (r.reading(),), "failing": (failure,), "none": ()}[metrics])
    assert r.phase is Phase.ROLLING_BACK
    assert r.decision.wake_at is not None

    r.wait(10)
    r.rest()
    assert r.phase is Phase.ROLLED_BACK
    assert r.candidate.replicas == 4


def test_promoting_waits_for_every_pod_of_stable(managed):
    r = managed().promoting()
    r.stable.available = False
    r.windows(5)
    assert (r.phase, r.weight, r.outlook) == (Phase.PROMOTING, 100, "WaitingForStable")

    r.stable.available = True
    r.window()
    assert (r.phase, r.weight) == (Phase.PROMOTED, 0)


def test_a_plan_that_ends_below_100_promotes_from_there(managed):
    r = managed(stages=(Stage(10), Stage(30, hold=20.0))).promoting()

    assert r.weight == 30
    r.promoted()
    assert r.stable.revision == "r2"


def test_a_second_rollout_goes_like_the_first(managed):
    r = managed().promoted()
    r.push("r3")
    r.until_phase(Phase.PROMOTED, windows=1)
    r.until_phase(Phase.PROGRESSING)
    r.until_phase(Phase.PROMOTED)

    assert (r.state.promoted, r.stable.revision) == ("r3", "r3")


def test_promotion_does_not_begin_when_it_could_not_be_undone(managed):
    r = managed().until(100)
    r.cluster.pins.discard("r1")
    r.windows(6)

    assert (r.phase, r.weight) == (Phase.PROGRESSING, 100)
    assert "could not be undone" in r.decision.outlook.message


# What people ask for.


def order(r, verb, time="t", argument=""):
    r.command = format_command(Verb(verb), r.state.revision, time, argument)
    r.rest()


def test_promote_goes_to_the_next_weight_once_its_pods_are_there(managed):
    r = managed().until(5)
    order(r, "promote")

    assert r.weight == 50


def test_promote_without_the_pods_is_refused(managed):
    r = managed().until(5)
    r.candidate.pods = r.candidate.pods[:1]
    order(r, "promote")

    assert r.weight == 5
    assert "CommandRejected" in r.said


@pytest.mark.parametrize("weight", [0, 5])
def test_promote_full_lets_stable_take_over_at_the_present_weight(managed, weight):
    r = managed().begin()
    if weight:
        r.until(weight)
    r.wait(30)
    order(r, "promote-full")
    assert (r.phase, r.weight, r.candidate.replicas) == (Phase.PROMOTING, weight, 2 if weight else 1)

    r.until_phase(Phase.PROMOTED, windows=3)
    assert r.stable.revision == "r2"


def test_a_promotion_that_was_asked_for_names_the_weights_as_they_were_put_back(managed):
    r = managed().begin()
    r.wait(30)
    order(r, "promote-full")
    r.by_hand((CANARY_SERVICE, 14), (STABLE_SERVICE, 86))
    r.rest()
    assert r.said[-1] == "DriftRepaired"
    repaired = r.state.change

    r.until_phase(Phase.PROMOTED, windows=3)

    assert (r.state.gate.kind, r.state.gate.change) == ("Command", repaired)


def test_promote_after_the_last_step_opens_the_promotion(managed):
    r = managed(stages=(Stage(10), Stage(30, hold=900.0))).until(30)
    order(r, "promote")

    assert r.phase is Phase.PROMOTING


def test_a_pause_holds_the_weight_and_resume_goes_on(managed):
    r = managed().until(5)
    order(r, "pause")
    r.windows(10)
    assert (r.weight, r.outlook) == (5, "Paused")

    order(r, "resume", "t2")
    r.until(50)


def test_suspend_holds_and_starts_nothing(managed):
    r = managed().onboard()
    r.change(suspend=True)
    r.push("r2")
    r.windows(3)
    assert (r.phase, r.outlook, r.candidate.replicas) == (Phase.IDLE, "Suspended", 0)

    r.change(suspend=False)
    r.until(5)
    r.change(suspend=True)
    r.windows(10)
    assert (r.weight, r.outlook) == (5, "Suspended")


def test_an_approval_is_waited_for_with_the_pods_of_the_next_weight(managed):
    r = managed(stages=(Stage(5), Stage(approval="go"), Stage(100))).until(5)
    r.windows(5)
    assert (r.outlook, r.candidate.replicas) == ("WaitingForApproval", 4)

    order(r, "approve", argument="go")
    r.windows(2)
    assert r.weight == 100


def test_edited_steps_never_raise_by_themselves(managed):
    r = managed().until(50)
    r.change(stages=(Stage(20), Stage(60, hold=30.0), Stage(100)))
    r.rest()

    assert (r.weight, r.state.step) == (50, 1)
    r.until_phase(Phase.PROMOTED)
