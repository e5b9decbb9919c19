"""Weights that others change, and state that a newer controller wrote."""

from __future__ import annotations

import msgspec
import pytest

from canary.core.observed import Ownership
from canary.core.phases import Phase
from canary.core.plan import Stage

LONG = (Stage(5, hold=36_000.0), Stage(100))
RESTS = [Phase.IDLE, Phase.PROMOTED, Phase.ROLLED_BACK]


@pytest.mark.parametrize(
    "backends",
    [[("v2", 50), ("v1", 50)], [("v2", 100)], [("v2", 6), ("v1", 94)], [("v2", 5), ("v1", 94), ("v3", 1)],
     [("v1", 95), ("v2", 5)]],
)  # fmt: skip
def test_an_edit_that_is_no_lowering_is_put_back_and_reported(rollout, backends):
    r = rollout(stages=LONG).until(5)
    r.by_hand(*backends)

    r.look()

    assert (r.backends, r.state.pause) == ([("v2", 5), ("v1", 95)], "")
    assert "kubectl-edit" in r.log[-1].change.state.said[0].note
    assert r.look().change is None


def test_a_third_backend_that_takes_the_share_of_the_canary_does_not_give_it_back_without_a_gate(rollout):
    r = rollout(stages=LONG).until(5)
    r.by_hand(("v2", 2), ("v3", 3), ("v1", 95))

    r.look()

    assert (r.backends, r.state.pause) == ([("v2", 2), ("v1", 98)], "ManualWeight")


def test_a_canary_that_is_taken_out_for_a_third_backend_is_an_abort(rollout):
    r = rollout(stages=LONG).until(5)
    r.by_hand(("v3", 5), ("v1", 95))

    r.look()

    assert (r.backends, r.state.phase, r.state.reason) == ([("v1", 100)], Phase.ROLLING_BACK, "Aborted")


def test_malformed_weights_are_put_back(rollout):
    r = rollout(stages=LONG).until(5)
    r.by_hand(("v2", 5), ("v1", 95), malformed=True)

    r.look()

    assert (r.backends, r.said[-1]) == ([("v2", 5), ("v1", 95)], "DriftRepaired")


def test_a_lowered_weight_is_a_hold_until_resume(rollout):
    r = rollout(stages=(Stage(5), Stage(50, hold=600.0), Stage(100))).until(50)
    r.by_hand(("v2", 20), ("v1", 80))
    r.look()
    assert (r.weight, r.state.pause, r.state.step) == (20, "ManualWeight", 1)
    r.windows(100)
    assert (r.weight, r.outlook) == (20, "ManualWeight")

    r.order("resume")
    r.rest()
    r.windows(2)

    assert (r.weight, r.state.step) == (50, 2)


@pytest.mark.parametrize("cause", ["breach", "abort of another revision"])
def test_nothing_but_a_gate_gives_back_what_somebody_has_taken_from_the_canary(rollout, bad, cause):
    r = rollout(stages=(Stage(5), Stage(50, hold=600.0), Stage(100))).until(50)
    r.by_hand(("v2", 10), ("v1", 90))
    if cause == "breach":
        r.wait(20)
        r.look(r.reading(bad))
    else:
        r.abort = "other@t"
        r.look()

    assert r.split.weight_of("v2") == 10
    r.rest()
    assert (r.weight, r.state.pause) == (10, "ManualWeight")
    assert r.state.failed == (1 if cause == "breach" else 0)
    assert r.state.abort == ("" if cause == "breach" else "other@t")


def test_a_weight_below_the_first_step_resumes_before_it(rollout):
    r = rollout(stages=LONG).until(5)
    r.by_hand(("v2", 1), ("v1", 99))
    r.rest()
    r.order("resume")
    r.rest()
    assert (r.weight, r.state.step) == (1, 0)

    r.windows(3)

    assert (r.weight, r.state.step) == (5, 1)


@pytest.mark.parametrize(("phase", "backends"), [(Phase.PROGRESSING, [("v1", 100)]), (Phase.PROMOTING, [("v1", 100)]),
                                                 (Phase.PROMOTING, [("v2", 90), ("v1", 10)])])  # fmt: skip
def test_a_weight_of_zero_by_hand_is_an_abort(rollout, phase, backends):
    r = rollout().to(phase)
    r.by_hand(*backends)

    r.rest()

    assert (r.phase, r.state.reason, r.state.rejected) == (Phase.ROLLED_BACK, "Aborted", (r.revision(),))


def test_weights_that_gitops_puts_back_are_a_conflict_and_never_an_abort(rollout):
    r = rollout(stages=LONG).until(5)
    r.by_hand(("v1", 100), tracked="Argo CD")

    r.windows(3)

    assert (r.phase, r.outlook, r.backends) == (Phase.PROGRESSING, "TrafficConflict", [("v1", 100)])


@pytest.mark.parametrize("phase", RESTS)
def test_at_rest_what_others_list_is_put_back(rollout, phase):
    r = rollout().to(phase)
    r.change(suspend=True)
    before = r.backends
    r.by_hand(("v3", 30), (before[0][0], 70))

    r.look()

    assert (r.backends, r.phase) == (before, phase)


# State of a newer controller.


def newer(r, **fields):
    r.split = msgspec.structs.replace(r.split, newer=True, state=None, **fields)


def test_state_of_a_newer_controller_is_left_alone(rollout):
    r = rollout().until(5)
    before = r.backends
    newer(r)
    r.windows(10)

    assert (r.backends, r.outlook) == (before, "StateVersion")


def test_with_state_of_a_newer_controller_an_abort_lowers_only_the_weights(rollout):
    r = rollout().until(5)
    newer(r)
    r.abort = "@t"

    decision = r.look()

    assert (decision.change.act, r.backends) == ("LowerOnly", [("v1", 100)])
    assert r.look().change is None


def test_a_foreign_split_of_a_newer_controller_is_not_touched(rollout):
    r = rollout().until(5)
    newer(r, ownership=Ownership.FOREIGN)
    r.abort = "@t"

    assert r.look().change is None
