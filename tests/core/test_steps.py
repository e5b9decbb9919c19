"""The way up: steps, holds, minRequests, approvals, the bake and the promotion."""

from __future__ import annotations

import pytest

from canary.core.phases import Phase
from canary.core.plan import Stage
from canary.core.state import WriteId
from canary.core.window import Sample


def few(requests):
    return Sample(float(requests), 0.0, {"p99": 0.1})


def test_a_good_release_goes_up_step_by_step_and_is_promoted(rollout):
    r = rollout().promoted()

    assert r.weights == [0, 5, 50, 100, 0]
    assert r.backends == [("v2", 100)]
    assert (r.state.serving, r.state.promoted, r.state.canary) == ("v2", r.revision(), "")
    assert r.said == ["Initialized", "NewRevisionDetected", "WeightAdvanced", "WeightAdvanced", "PromotionStarted",
                      "Promoted"]  # fmt: skip


def test_the_canary_is_listed_first_and_only_while_it_has_weight(rollout):
    r = rollout().begin()
    assert r.backends == [("v1", 100)]

    r.until(5)

    assert r.backends == [("v2", 5), ("v1", 95)]


def test_a_step_is_held_for_its_time(rollout):
    r = rollout(stages=(Stage(5, hold=100.0), Stage(100))).until(5)
    raised = r.log[-1].now.monotonic

    while r.weight == 5:
        r.window()

    assert 100 <= r.log[-1].now.monotonic - raised <= 110


def test_wake_at_is_the_end_of_the_hold_when_nothing_comes_before(rollout):
    r = rollout(stages=(Stage(5, hold=100.0), Stage(100))).until(5)
    r.wait(20)
    r.look()

    assert r.decision.wake_at == r.log[-1].now.monotonic + 100


def test_without_a_window_the_end_of_the_hold_raises_nothing(rollout):
    r = rollout().until(5)
    r.wait(3600)

    r.rest()

    assert r.weight == 5
    assert r.outlook == "Analysing"


@pytest.mark.parametrize(
    ("age", "live", "weight"),
    [(8.9, False, 50), (9.1, False, 5), (9.1, True, 50), (10.0, True, 50), (10.1, True, 5)],
    ids=["young", "too old when everything is read", "read", "read as it grows old", "too old"],
)
def test_a_raise_needs_a_window_no_older_than_one_interval_when_everything_is_read(rollout, age, live, weight):
    r = rollout(stages=(Stage(5, hold=21.0), Stage(50, hold=30.0), Stage(100))).until(5)
    r.windows(1)
    assert r.weight == 5  # held
    r.wait(age)
    r.seen = {"live": live}

    r.look()

    assert r.weight == weight


def test_a_raise_says_when_its_verdict_is_too_old(rollout):
    r = rollout().until(50)

    raised = next(commit for commit in r.log if commit.state.weight == 50)

    assert raised.change.expires_at == raised.now.monotonic + 10
    assert raised.change.guarded


def test_the_raise_from_zero_has_no_window_and_does_not_expire(rollout):
    r = rollout().until(5)

    raised = r.log[-1]

    assert raised.state.gate.kind == "Ready"
    assert raised.state.gate.pods == ("222",)
    assert raised.change.expires_at is None


def test_every_later_raise_carries_the_window_that_it_rests_on(rollout):
    r = rollout().until(50)

    raised = next(commit for commit in r.log if commit.state.weight == 50)
    gate = raised.state.gate

    assert (gate.kind, gate.revision, gate.split) == ("Window", r.revision(), r.split.uid)
    assert gate.verdicts == {"success-rate": "Healthy", "latency": "Healthy"}
    assert gate.change == raised.before.state.change
    assert gate.start >= raised.before.state.moved + 5
    assert (gate.end, gate.end - gate.start) == (raised.now.wall, 10)


@pytest.mark.parametrize("ready_at", [None, "now"])
def test_the_first_weight_waits_for_warm_up(rollout, side, ready_at):
    r = rollout()
    r.set(side("v2", ready_at=r.wall if ready_at else None))
    r.begin()
    r.wait(19)
    r.rest(r.reading())
    assert (r.weight, r.outlook, r.decision.wake_at) == (0, "WarmingUp", r.monotonic + 1)

    r.wait(1)
    r.rest()

    assert r.weight == 5


def test_pods_that_are_ready_for_long_are_warm(rollout, side):
    r = rollout()
    r.set(side("v2", ready_at=r.wall - 3600))
    r.begin()
    r.wait(5)

    r.rest(r.reading())

    assert r.weight == 5


def test_the_first_weight_waits_for_an_answer_of_the_source(rollout):
    r = rollout().begin()
    r.wait(100)
    r.rest()
    assert (r.weight, r.outlook) == (0, "WaitingForMetrics")

    r.failure()
    assert (r.weight, r.outlook) == (0, "MetricsUnavailable")

    r.window()
    assert r.weight == 5


def test_a_window_that_touches_the_weight_change_or_its_settling_never_passes(rollout):
    r = rollout(stages=(Stage(5), Stage(50, hold=600.0), Stage(100))).begin()
    r.wait(20)
    r.rest(r.reading())
    assert r.weight == 5

    r.wait(5)
    r.rest(r.reading(length=5.001))
    assert r.weight == 5
    r.wait(5)
    r.rest(r.reading(length=5.0))

    assert r.weight == 50


def test_a_bad_window_that_touches_the_settling_is_no_breach(rollout, bad):
    r = rollout(failure_limit=1).begin()
    r.wait(20)
    r.rest(r.reading())

    r.wait(14)
    r.rest(r.reading(bad))

    assert (r.weight, r.state.failed) == (5, 0)


def test_min_requests_are_summed_over_the_windows_of_the_hold(rollout):
    r = rollout(stages=(Stage(5, min_requests=500), Stage(100))).begin()
    r.windows(2)
    r.window()
    assert (r.weight, r.memory.pool.requests) == (5, 0)
    r.window(few(200))
    r.window(few(200))
    assert (r.weight, r.outlook) == (5, "Collecting")
    assert "400 of 500 requests" in r.decision.outlook.message

    r.window(few(100))

    assert r.weight == 100


def test_the_steps_of_a_plan_that_ends_at_100_with_a_hold_are_a_bake(rollout):
    r = rollout(stages=(Stage(50), Stage(100, hold=60.0))).until(100)
    assert r.phase is Phase.PROGRESSING

    r.windows(4)
    assert r.phase is Phase.PROGRESSING
    r.windows(2)

    assert r.phase is Phase.PROMOTED


def test_a_breach_in_the_bake_takes_everything_back(rollout, bad):
    r = rollout(stages=(Stage(50), Stage(100, hold=600.0)), failure_limit=1).until(100)

    r.window(bad)

    assert (r.phase, r.backends) == (Phase.ROLLED_BACK, [("v1", 100)])


def test_an_explicit_100_without_hold_is_promoted_after_one_full_healthy_window(rollout):
    r = rollout(stages=(Stage(100),)).begin()
    r.wait(20)
    r.rest(r.reading())
    assert r.phase is Phase.PROMOTING

    r.wait(14)
    r.rest(r.reading())
    assert r.phase is Phase.PROMOTING
    r.wait(10)
    r.rest(r.reading())

    assert r.phase is Phase.PROMOTED


def test_an_approval_before_the_first_weight_is_waited_for(rollout):
    r = rollout(stages=(Stage(approval="go"), Stage(100))).begin()
    r.windows(5)
    assert (r.weight, r.state.step, r.outlook) == (0, 1, "WaitingForApproval")

    r.order("approve/go")
    r.rest()
    r.window()

    assert r.weight == 100


def test_an_approval_between_two_weights_is_waited_for_while_windows_are_judged(rollout, bad):
    r = rollout(stages=(Stage(5), Stage(approval="prod"), Stage(100))).until(5)
    r.windows(20)
    assert (r.weight, r.state.step, r.outlook) == (5, 2, "WaitingForApproval")
    r.window(bad)
    assert r.state.failed == 1

    r.order("approve/prod")
    r.rest()
    assert r.weight == 5
    r.window()

    assert (r.weight, r.phase) == (100, Phase.PROMOTING)


def test_an_approval_given_early_is_not_waited_for(rollout):
    r = rollout(stages=(Stage(5, hold=60.0), Stage(approval="prod"), Stage(50, hold=60.0), Stage(100))).until(5)
    r.order("approve/prod")
    r.rest()
    assert r.state.approvals == ("prod",)

    r.until(50)

    assert r.said.count("Approved") == 2
    assert "ApprovalWaiting" not in r.said


def test_an_unknown_approval_is_refused(rollout):
    r = rollout(stages=(Stage(5), Stage(approval="prod"), Stage(100))).until(5)

    r.order("approve/staging")
    r.rest()

    assert r.said[-1] == "CommandRejected"
    assert r.state.approvals == ()


def test_an_approval_after_100_is_waited_for_before_promotion(rollout):
    r = rollout(stages=(Stage(100), Stage(approval="done"))).until(100)
    r.windows(5)
    assert (r.phase, r.outlook) == (Phase.PROGRESSING, "WaitingForApproval")

    r.order("approve/done")
    r.rest()
    r.window()

    assert r.phase is Phase.PROMOTED


def test_a_breach_starts_the_hold_and_the_pool_again(rollout, bad):
    r = rollout(stages=(Stage(5, hold=60.0, min_requests=2500), Stage(100))).until(5)
    r.windows(3)
    r.window(bad)
    assert (r.state.failed, r.state.since, r.memory.hold_until) == (1, r.wall, r.monotonic + 60)

    r.windows(5)
    assert r.weight == 5
    r.window()

    assert r.weight == 100


@pytest.mark.parametrize(("waited", "left"), [(0, 100), (40, 60), (99, 1), (500, 0)])
def test_after_a_restart_what_is_left_of_the_hold_is_worked_out_once(rollout, waited, left):
    r = rollout(stages=(Stage(5, hold=100.0), Stage(100))).until(5)
    began = r.state.since
    r.wait(began + waited - r.wall) if began + waited > r.wall else r.wait(0)
    passed = r.wall - began
    r.restart()
    r.rest()

    assert r.memory.hold_until == r.monotonic + min(left, max(100 - passed, 0))


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_jump_of_the_wall_clock_does_not_shorten_or_lengthen_a_hold(rollout, jump):
    r = rollout(stages=(Stage(5, hold=100.0), Stage(100))).until(5)
    until = r.memory.hold_until
    r.wall += jump

    r.window()

    assert (r.memory.hold_until, r.weight) == (until, 5)
    while r.weight == 5:
        r.window()
    assert until <= r.monotonic <= until + 10


@pytest.mark.parametrize(("jump", "left"), [(3600, 0), (-3600, 100)])
def test_a_jump_before_a_restart_leaves_the_hold_within_its_bounds(rollout, jump, left):
    r = rollout(stages=(Stage(5, hold=100.0), Stage(100))).until(5)
    r.wall += jump
    r.restart()

    r.rest()

    assert r.memory.hold_until == r.monotonic + left


def test_after_a_restart_only_a_new_window_raises(rollout):
    r = rollout().until(5)
    r.windows(1)
    r.wait(60)
    r.restart()
    r.rest()
    assert r.weight == 5

    r.rest(r.reading())
    assert r.weight == 5
    r.window()

    assert r.weight == 50


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_breached_window_is_counted_once_whatever_the_wall_clock_does(rollout, bad, jump):
    r = rollout(failure_limit=5).until(5)
    r.window(bad)
    assert r.state.failed == 1
    r.wall += jump

    r.rest()
    assert r.state.failed == 1
    r.window(bad)

    assert r.state.failed == 2


@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_breach_is_counted_once_when_the_clock_jumps_before_its_write_is_seen(rollout, bad, jump):
    r = rollout(failure_limit=5).until(5)
    r.wait(10)
    r.look(r.reading(bad))
    r.wall += jump

    r.rest()

    assert r.state.failed == 1


def test_edited_steps_lead_to_the_last_one_that_is_not_above_the_weight(rollout, plan):
    r = rollout(stages=(Stage(5), Stage(30, hold=600.0), Stage(60), Stage(100))).until(30)

    r.change(stages=plan((Stage(10), Stage(20), Stage(40, hold=600.0), Stage(100))).stages)
    r.rest()
    assert (r.weight, r.state.step, r.said[-1]) == (30, 2, "StepsChanged")
    r.window()

    assert (r.weight, r.state.step) == (40, 3)


def test_edited_steps_that_are_all_higher_begin_before_the_first(rollout):
    r = rollout(stages=(Stage(5, hold=600.0), Stage(100))).until(5)

    r.change(stages=(Stage(40), Stage(100)))
    r.rest()
    assert (r.weight, r.state.step) == (5, 0)
    r.window()

    assert (r.weight, r.state.step) == (40, 1)


def test_promote_goes_on_from_the_edited_steps(rollout):
    r = rollout(stages=(Stage(50, hold=600.0), Stage(100))).until(50)
    r.change(stages=(Stage(10), Stage(20), Stage(60, hold=600.0), Stage(100)))
    r.order("promote")

    r.rest()

    assert (r.weight, r.state.step) == (60, 3)


def test_edited_steps_below_the_weight_never_lower_it(rollout):
    r = rollout(stages=(Stage(50, hold=600.0), Stage(100))).until(50)

    r.change(stages=(Stage(10), Stage(20, hold=30.0), Stage(100)))
    r.rest()
    assert (r.weight, r.state.step) == (50, 2)
    r.windows(3)

    assert r.weight == 100


def test_suspend_starts_nothing(rollout):
    r = rollout(suspend=True)
    r.rest()
    r.windows(10)

    assert (r.phase, r.outlook) == (Phase.IDLE, "Suspended")


def test_suspend_holds_the_step_and_a_breach_still_acts(rollout, bad):
    r = rollout(failure_limit=2).until(5)
    r.change(suspend=True)
    r.windows(20)
    assert (r.weight, r.outlook) == (5, "Suspended")

    r.windows(2, bad)

    assert (r.phase, r.weight) == (Phase.ROLLED_BACK, 0)


def test_a_promotion_is_not_closed_while_suspended(rollout):
    r = rollout().promoting()
    r.change(suspend=True)
    r.windows(5)
    assert r.phase is Phase.PROMOTING

    r.change(suspend=False)
    r.window()

    assert r.phase is Phase.PROMOTED


@pytest.mark.parametrize("problem", ["root_problem", "target_problem", "conflict", "version_problem"])
def test_an_obstacle_holds_the_step(rollout, problem):
    r = rollout().until(5)
    r.seen[problem] = "something is missing"
    r.windows(20)
    assert r.weight == 5

    r.seen.clear()
    r.window()

    assert r.weight == 50


def test_a_missing_port_holds_the_first_weight(rollout, side):
    r = rollout()
    r.set(side("v2", missing_ports=(9090,)))
    r.begin().windows(10)

    assert (r.weight, r.outlook) == (0, "PortMismatch")
    assert "9090" in r.decision.outlook.message


def test_each_write_counts_on_and_names_itself_when_weights_move(rollout):
    r = rollout().promoted()

    assert [commit.state.seq for commit in r.log] == list(range(1, len(r.log) + 1))
    for commit in r.log:
        mine = WriteId(commit.state.seq, "writer-1", commit.state.attempt)
        assert (commit.state.change == mine) is (
            commit.before is None or commit.before.backends != commit.after.backends
        )


def test_a_fixpoint_is_left_alone(rollout):
    r = rollout().promoted()
    count = len(r.log)

    for _ in range(50):
        r.wait(60)
        assert r.look().change is None

    assert len(r.log) == count
