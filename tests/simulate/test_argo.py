"""Argo Rollouts' rules against what its documentation and its analysis controller say of them."""

from __future__ import annotations

from canary.core.plan import Limit, Stage
from canary.core.window import Reading
from canary.simulate.argo import Argo, argo_of
from canary.simulate.play import Outcome
from canary.simulate.rival import USUAL_RATE, Check
from tests.simulate.rollouts import failing, make_plan, make_source

CHECKS = (Check(Limit("success-rate", 95.0)),)
EXAMPLE = Argo(((20, 600.0), (40, 600.0), (60, 600.0), (80, 600.0)), 300.0, 3, CHECKS)
"""The example of "Analysis & Progressive Delivery": interval 5m, failureLimit 3, success rate at least 0.95."""


def test_a_healthy_release_takes_as_long_as_its_pauses() -> None:
    played = EXAMPLE.play(make_source(), horizon=36000.0)
    assert (played.outcome, played.seconds) == (Outcome.PROMOTED, 2400.0)
    assert [(move.at, move.weight) for move in played.moves][:2] == [(0.0, 20), (600.0, 40)]


def test_a_run_fails_with_the_failure_after_the_limit() -> None:
    played = EXAMPLE.play(make_source(1.0), horizon=36000.0)
    assert (played.outcome, played.seconds) == (Outcome.ROLLED_BACK, 300.0 * 4)


def test_without_a_failure_limit_the_first_failure_aborts() -> None:
    played = Argo(((20, 600.0),), 60.0, 0, CHECKS).play(make_source(1.0), horizon=36000.0)
    assert (played.outcome, played.seconds) == (Outcome.ROLLED_BACK, 60.0)


def test_failures_of_a_metric_are_counted_over_the_whole_run() -> None:
    bad = {300.0, 900.0, 1500.0, 2100.0}

    def flapping(start: float, end: float, weight: int) -> Reading:
        return make_source(1.0 if end in bad else 0.0)(start, end, weight)

    assert EXAMPLE.play(flapping, horizon=36000.0).seconds == 2100.0


def test_each_metric_has_its_own_count() -> None:
    # One fails at the even, one at the odd measurements: neither goes beyond the limit of three.
    other = Check(Limit("slow", 1.0, slower_than=0.5))
    played = Argo(((20, 600.0),) * 4, 300.0, 4, (*CHECKS, other)).play(make_source(), horizon=36000.0)
    # No histogram is no value, which fails.
    assert (played.outcome, played.seconds) == (Outcome.ROLLED_BACK, 1500.0)
    assert played.words == "slow: failed (5) > failureLimit (4)"


def test_no_value_is_a_failure() -> None:
    assert EXAMPLE.play(failing, horizon=36000.0).outcome is Outcome.ROLLED_BACK


def test_a_plan_in_argos_terms() -> None:
    stages = (Stage(5, hold=60.0), Stage(approval="prod"), Stage(25, hold=180.0), Stage(100))
    found = argo_of(make_plan(stages, failure_limit=3))
    assert (found.steps, found.interval, found.failure_limit) == (((5, 60.0), (25, 180.0)), 10.0, 2)
    assert found.words == "interval 10s, failureLimit 2, steps 5%/1m, 25%/3m"


def test_a_plan_that_only_compares_gets_the_usual_limit() -> None:
    assert argo_of(make_plan(limits=())).checks == (Check(Limit("success-rate", USUAL_RATE)),)
