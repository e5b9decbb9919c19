"""What takes traffic away, and the one case in which it stays: abort, lost endpoints, an invalid spec."""

from __future__ import annotations

import msgspec
import pytest

from canary.core.phases import Phase
from canary.core.plan import Stage

LONG = (Stage(5, hold=36_000.0), Stage(100))
RUNS = [(Phase.PROGRESSING, 5), (Phase.PROMOTING, 100)]
RESTS = [Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK]


# Abort.


@pytest.mark.parametrize(("phase", "weight"), [(Phase.PROGRESSING, 0), *RUNS])
@pytest.mark.parametrize("asked", ["", "current"])
def test_an_abort_takes_the_traffic_and_rejects_the_revision(rollout, phase, weight, asked):
    r = rollout().begin()
    if weight:
        r.to(phase, weight)
    r.abort = f"{r.revision() if asked else ''}@2026-01-01"

    r.look()

    assert (r.phase, r.backends) == (Phase.ROLLING_BACK, [("v1", 100)])
    assert (r.state.rejected, r.state.abort) == ((r.revision(),), r.abort)
    r.windows(50)
    assert (r.phase, r.outlook) == (Phase.ROLLED_BACK, "Aborted")


@pytest.mark.parametrize(("phase", "weight"), RUNS)
def test_an_abort_of_another_revision_is_answered_and_ignored(rollout, phase, weight):
    r = rollout(stages=(Stage(5, hold=600.0), Stage(100)) if weight == 5 else (Stage(100),)).to(phase, weight)
    r.abort = "v2-0000000000@t"

    r.rest()

    assert (r.phase, r.weight, r.said[-1], r.state.abort) == (phase, weight, "AbortIgnored", r.abort)


@pytest.mark.parametrize("phase", RESTS)
def test_an_abort_while_nothing_runs_is_answered_at_once(rollout, phase):
    r = rollout().to(phase)
    r.sides["v2"] = r.sides["v2"] if phase is not Phase.IDLE else r.sides["v1"]
    r.change(suspend=True)
    r.abort = "@later"

    r.rest()

    assert (r.phase, r.said[-1], r.state.abort) == (phase, "AbortIgnored", "@later")


def test_an_abort_while_rolling_back_rejects_the_revision(rollout, side):
    r = rollout().promoting()
    r.set(side("v2", "next"))
    r.look()
    assert (r.phase, r.state.rejected) == (Phase.ROLLING_BACK, ())
    r.abort = "@t"
    old = r.state.revision

    r.look()

    assert (r.phase, r.state.rejected, r.state.reason) == (Phase.ROLLING_BACK, (old,), "Aborted")


def test_an_abort_just_after_a_new_revision_appeared_rejects_that_one(rollout, side):
    r = rollout(stages=LONG).until(5)
    r.set(side("v2", "next"))
    r.look()
    assert (r.weight, r.state.revision) == (0, "")
    r.abort = "@t"

    r.windows(10)

    assert (r.phase, r.state.rejected, r.weight) == (Phase.ROLLED_BACK, (r.revision(),), 0)


@pytest.mark.parametrize("how", ["paused", "suspended", "waiting for approval", "promote-full", "conflict", "root"])
def test_an_abort_beats_everything_else(rollout, how):
    r = rollout(stages=(Stage(5), Stage(approval="go"), Stage(100))).until(5)
    r.window()
    if how == "paused":
        r.order("pause")
        r.rest()
    r.change(suspend=how == "suspended")
    if how == "promote-full":
        r.order("promote-full")
    r.seen |= {"conflict": "two splits"} if how == "conflict" else {}
    r.seen |= {"root_problem": "no root"} if how == "root" else {}
    r.abort = "@t"

    r.look()

    assert (r.phase, r.weight) == (Phase.ROLLING_BACK, 0)


@pytest.mark.parametrize(("phase", "weight"), [(Phase.PROGRESSING, 0), *RUNS])
def test_an_abort_works_on_an_invalid_spec(rollout, phase, weight):
    r = rollout().begin()
    if weight:
        r.to(phase, weight)
    r.break_spec()
    r.abort = "@t"

    r.look()

    assert (r.phase, r.weight, r.state.rejected) == (Phase.ROLLING_BACK, 0, (r.revision(),))


def test_an_abort_is_answered_once(rollout, side):
    r = rollout().rolled_back()
    r.order("retry")
    r.windows(10)

    assert r.phase is not Phase.ROLLED_BACK
    assert r.said.count("RollbackStarted") == 1


def test_an_abort_too_long_to_be_kept_is_known_by_its_digest(rollout):
    r = rollout().until(5)
    r.abort = "@" + "x" * 5000

    r.rest()

    assert (r.phase, len(r.state.abort)) == (Phase.ROLLED_BACK, 71)


# Endpoints of the canary.


def test_a_canary_without_endpoints_for_a_second_is_unlisted(rollout, gone):
    r = rollout(stages=LONG).until(5)
    r.set(gone("v2"))
    r.rest()
    r.wait(0.9)
    r.rest()
    assert (r.weight, r.decision.wake_at) == (5, pytest.approx(r.monotonic + 0.1))

    r.wait(0.1)
    r.rest()

    assert (r.phase, r.backends, r.state.step) == (Phase.PROGRESSING, [("v1", 100)], 0)
    assert (r.state.lost, r.state.failed, r.outlook) == (1, 1, "WaitingForEndpoints")


def test_a_gap_of_less_than_a_second_is_no_loss(rollout, gone):
    r = rollout(stages=LONG).until(5)
    back = r.sides["v2"]
    for _ in range(5):
        r.set(gone("v2"))
        r.rest()
        r.wait(0.9)
        r.set(back)
        r.rest()
        r.wait(0.5)

    assert (r.weight, r.state.lost) == (5, 0)


def test_an_unknown_view_is_no_loss(rollout, side):
    r = rollout(stages=LONG).until(5)
    r.set(side("v2", ready=0, hashes=None, known=False))
    r.rest()
    r.wait(60)

    r.rest()

    assert (r.weight, r.state.lost) == (5, 0)


def lose(r, gone, side):
    r.set(gone("v2"))
    r.rest()
    r.wait(1)
    r.rest()
    r.set(side("v2", ready_at=r.wall))


def test_endpoints_that_no_open_watch_tells_of_are_not_lost_yet(rollout, gone):
    r = rollout(stages=LONG).until(5)
    r.set(msgspec.structs.replace(gone("v2"), watched=False))
    r.rest()
    r.wait(30)
    r.rest()
    assert (r.weight, r.decision.wake_at) == (5, r.monotonic + 1)

    r.set(gone("v2"))
    r.rest()
    r.wait(1)
    r.rest()

    assert (r.weight, r.state.lost) == (0, 1)


def test_what_was_gone_before_there_was_weight_is_lost_a_second_after(rollout, gone, side):
    r = rollout(stages=LONG).begin()
    r.set(gone("v2"))
    r.rest()
    r.wait(30)
    r.rest()
    of_one_that_is_late = r.memory
    r.set(side("v2"))
    r.until(5)

    r.memory = of_one_that_is_late
    r.set(gone("v2"))
    r.rest()

    assert r.weight == 5


def test_after_a_loss_endpoints_and_warm_up_are_needed_anew(rollout, gone, side):
    r = rollout(stages=LONG).until(5)
    lose(r, gone, side)

    r.wait(10)
    r.rest(r.reading())
    assert (r.weight, r.outlook) == (0, "WarmingUp")
    r.wait(10)
    r.rest(r.reading())

    assert (r.weight, r.state.lost) == (5, 1)


def test_the_third_loss_ends_the_rollout(rollout, gone, side):
    r = rollout(stages=LONG, failure_limit=10).until(5)
    for _ in range(2):
        lose(r, gone, side)
        r.until(5)
    assert r.phase is Phase.PROGRESSING

    lose(r, gone, side)

    assert (r.phase, r.state.lost, r.state.reason) == (Phase.ROLLED_BACK, 3, "EndpointsLost")
    assert r.state.rejected == (r.revision(),)


def test_a_loss_counts_as_a_failure(rollout, gone, side):
    r = rollout(stages=LONG, failure_limit=1).until(5)

    lose(r, gone, side)

    assert (r.phase, r.state.reason) == (Phase.ROLLED_BACK, "EndpointsLost")


def test_losses_count_on_through_promoting(rollout, gone, side):
    r = rollout(stages=(Stage(5), Stage(100)), failure_limit=10)

    for count in (1, 2, 3):
        r.promoting()
        lose(r, gone, side)
        assert (r.state.lost, r.weight) == (count, 0)

    assert (r.phase, r.state.rejected) == (Phase.ROLLED_BACK, (r.revision(),))


def test_pods_that_never_come_end_the_rollout_at_progress_deadline(rollout, gone, side):
    r = rollout(stages=LONG).until(5)
    lose(r, gone, side)
    r.set(gone("v2"))
    r.rest()
    r.wait(599)
    r.rest()
    assert r.phase is Phase.PROGRESSING

    r.wait(1)
    r.rest()

    assert (r.phase, r.state.reason) == (Phase.ROLLED_BACK, "ProgressDeadlineExceeded")


def test_a_restart_does_not_start_progress_deadline_again_after_a_loss(rollout, gone, side):
    r = rollout(stages=LONG).until(5)
    lose(r, gone, side)
    r.set(gone("v2"))
    r.rest()
    r.wait(400)
    r.restart()
    r.rest()
    r.wait(199)
    r.rest()
    assert r.phase is Phase.PROGRESSING

    r.wait(1)
    r.rest()

    assert r.phase is Phase.ROLLED_BACK


@pytest.mark.parametrize("before", ["the first weight", "an approval"])
def test_progress_deadline_counts_only_while_pods_are_waited_for(rollout, gone, side, before):
    r = rollout(stages=(Stage(approval="go"), Stage(100)) if before == "an approval" else LONG)
    r.to(Phase.IDLE)
    r.wait(86_400)
    r.begin()
    if before == "an approval":
        r.wait(86_400)
        r.rest()
    assert r.phase is Phase.PROGRESSING

    r.set(gone("v2"))
    r.rest()
    r.wait(599)
    r.rest()

    assert r.phase is Phase.PROGRESSING


def test_a_loss_long_ago_does_not_shorten_progress_deadline(rollout, gone, side):
    r = rollout(stages=LONG, warmup=7200.0)
    r.set(side("v2", ready_at=0.0))
    r.until(5)
    lose(r, gone, side)
    r.rest()
    r.wait(3600)
    r.rest()

    r.set(gone("v2"))
    r.rest()

    assert r.phase is Phase.PROGRESSING


# Endpoints of what serves.


@pytest.mark.parametrize("cause", ["abort", "breach", "back", "new revision", "invalid", "drift"])
def test_traffic_stays_while_only_the_canary_has_endpoints(rollout, gone, side, bad, cause):
    r = rollout(stages=LONG, failure_limit=1).until(5)
    r.set(gone("v1"))
    r.rest()
    assert r.outlook == "StableUnavailable"
    r.abort = "@t" if cause == "abort" else ""
    if cause == "back":
        r.change(canary="v1")
    if cause == "new revision":
        r.set(side("v2", "next"))
    if cause == "invalid":
        r.break_spec()
    if cause == "drift":
        r.by_hand(("v2", 100))
    before = r.backends

    r.wait(20)
    r.rest(*([r.reading(bad)] if cause == "breach" else []))

    assert (r.backends, r.outlook, r.decision.outlook.blocked) == (before, "StableUnavailable", True)
    r.set(side("v1"))
    r.look()
    assert r.weight == (5 if cause == "drift" else 0)
    assert r.backends[-1][1] >= 95


def test_with_both_sides_gone_traffic_goes_back(rollout, gone):
    r = rollout().until(5)
    r.set(gone("v1"), gone("v2"))
    r.abort = "@t"

    r.look()

    assert r.weight == 0


def test_an_unknown_view_of_what_serves_goes_down(rollout, side):
    r = rollout().until(5)
    r.set(side("v1", ready=0, known=False))
    r.abort = "@t"

    r.look()

    assert r.weight == 0


# An invalid spec.


def test_an_invalid_spec_starts_nothing(rollout):
    r = rollout()
    r.break_spec()
    r.last_plan = None

    r.rest()

    assert (r.split, r.outlook) == (None, "InvalidSpec")


@pytest.mark.parametrize("phase", RESTS)
def test_an_invalid_spec_changes_nothing_at_rest(rollout, phase):
    r = rollout().to(phase)
    r.break_spec()
    count = len(r.log)

    r.windows(10)

    assert (len(r.log), r.outlook, r.status.phase) == (count, "InvalidSpec", "Invalid")
    assert {c.type: c.status for c in r.status.conditions}["Stalled"] == "True"


def test_an_invalid_spec_takes_the_weight_and_a_valid_one_begins_anew(rollout):
    r = rollout().until(50)
    r.break_spec()
    r.look()
    assert (r.phase, r.weight, r.state.step) == (Phase.PROGRESSING, 0, 0)
    r.windows(20)
    assert (r.weight, r.outlook) == (0, "InvalidSpec")

    r.change()
    r.rest()
    r.window()

    assert (r.weight, r.state.step) == (5, 1)


def test_a_promotion_is_finished_by_the_last_valid_plan(rollout):
    r = rollout().promoting()
    r.break_spec()

    r.windows(3)

    assert (r.phase, r.state.serving) == (Phase.PROMOTED, "v2")


def test_a_promotion_with_an_invalid_spec_is_still_judged(rollout, bad):
    r = rollout().promoting()
    r.break_spec()
    r.wait(10)

    r.windows(1, bad)

    assert r.phase is Phase.ROLLED_BACK


def test_a_rollback_is_closed_with_an_invalid_spec(rollout):
    r = rollout().to(Phase.ROLLING_BACK)
    r.break_spec()

    r.rest()

    assert r.phase is Phase.ROLLED_BACK
