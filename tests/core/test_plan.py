"""A spec in the form that the decision reads."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.canary import (
    Analysis,
    Backends,
    CanarySpec,
    Metric,
    NoDataPolicy,
    Ramp,
    RootService,
    SourceErrorPolicy,
    Step,
    TargetRef,
    Traffic,
)
from canary.core.plan import Limit, Stage, plan_of


def spec(**overrides):
    fields = {"backends": Backends(stable="v1", canary="v2"), "service": RootService(name="shop"),
              "steps": (Step(weight=5, hold="1m"),)}  # fmt: skip
    return CanarySpec(**(fields | overrides))


def weights(plan):
    return [stage.weight for stage in plan.stages]


def test_a_plan_that_ends_below_100_gets_100_appended():
    plan = plan_of(spec())

    assert plan.stages == (Stage(5, hold=60.0), Stage(100))


@pytest.mark.parametrize("last", [Step(weight=100, hold="5m"), Step(weight=100)])
def test_a_plan_that_has_100_is_left_as_it_is(last):
    plan = plan_of(spec(steps=(Step(weight=5), last)))

    assert weights(plan) == [5, 100]


def test_an_approval_after_100_stays_the_last():
    assert weights(plan_of(spec(steps=(Step(weight=100), Step(approval="done"))))) == [100, 0]


def test_an_approval_alone_is_followed_by_100():
    assert plan_of(spec(steps=(Step(approval="go"),))).stages == (Stage(approval="go"), Stage(100))


@pytest.mark.parametrize(
    ("ramp", "expected"),
    [
        ((5, 50, 15), [5, 20, 35, 50, 100]),
        ((5, 50, 20), [5, 25, 45, 50, 100]),  # the last step is exact
        ((10, 100, 30), [10, 40, 70, 100]),
        ((10, 100, 40), [10, 50, 90, 100]),
        ((1, 100, 100), [1, 100]),
        ((50, 50, 1), [50, 100]),
        ((100, 100, 5), [100]),
    ],
)
def test_a_ramp_becomes_steps(ramp, expected):
    first, last, increment = ramp
    plan = plan_of(spec(steps=None, ramp=Ramp(from_=first, to=last, increment=increment, hold="1m", min_requests=7)))

    assert weights(plan) == expected
    held = [stage for stage in plan.stages if stage.hold or stage.weight <= last]
    assert all((stage.hold, stage.min_requests) == (60.0, 7) for stage in held if stage.weight <= last and stage.hold)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(1, 100))
def test_every_ramp_ascends_from_its_first_to_its_last_weight_and_ends_at_100(first, last, increment):
    first, last = sorted((first, last))
    plan = plan_of(spec(steps=None, ramp=Ramp(from_=first, to=last, increment=increment, hold="1s")))

    found = weights(plan)
    assert (found[0], found[-1]) == (first, 100)
    assert last in found
    assert all(0 < high - low <= increment or high == 100 for low, high in pairwise(found))


def test_every_field_arrives_in_seconds_and_percent():
    analysis = Analysis(
        interval="15s", warmup="1m30s", failure_limit=2, min_bad=9,
        no_data=NoDataPolicy(timeout="2m", action="Advance"),
        source_error=SourceErrorPolicy(timeout="3m", action="Rollback"),
        metrics=(Metric(name="ok", min="99.5", rollback_at="90"), Metric(name="slow", quantile="p90", max="250ms"),
                 Metric(name="worst", quantile="p99", max="1s", rollback_at="2500ms"),
                 Metric(name="int", min=95, rollback_at=50),
                 Metric(name="share", slower_than="250ms", max_share="0.5", rollback_at=20),
                 Metric(name="half", slower_than="1s", max_share=50)),
    )  # fmt: skip
    plan = plan_of(spec(analysis=analysis, traffic=Traffic(settle="7s"), progress_deadline="1h", suspend=True,
                        revision="1.2"))  # fmt: skip

    assert (plan.root, plan.stable, plan.canary, plan.label, plan.suspend) == ("shop", "v1", "v2", "1.2", True)
    assert (plan.interval, plan.warmup, plan.settle, plan.deadline) == (15.0, 90.0, 7.0, 3600.0)
    assert (plan.failure_limit, plan.min_bad) == (2, 9)
    assert (plan.no_data_timeout, plan.no_data_action) == (120.0, "Advance")
    assert (plan.source_timeout, plan.source_action) == (180.0, "Rollback")
    assert plan.limits[:4] == (
        Limit("ok", 99.5, 90.0), Limit("slow", 0.25, None, "p90"), Limit("worst", 1.0, 2.5, "p99"),
        Limit("int", 95.0, 50.0),
    )  # fmt: skip
    assert plan.limits[4:] == (Limit("share", 0.5, 20.0, slower_than=0.25), Limit("half", 50.0, None, slower_than=1.0))


def test_the_backends_of_a_workload_are_named_after_the_root_service():
    plan = plan_of(spec(backends=None, target_ref=TargetRef(name="shop-api")))

    assert (plan.root, plan.stable, plan.canary) == ("shop", "shop-stable", "shop-canary")


def test_the_hash_follows_the_steps_and_nothing_else():
    plan = plan_of(spec())

    assert plan_of(spec(revision="other", progress_deadline="2h")).hash == plan.hash
    assert plan_of(spec(steps=(Step(weight=5, hold="61s"),))).hash != plan.hash
    assert plan_of(spec(steps=None, ramp=Ramp(from_=5, to=5, increment=1, hold="1m"))).hash == plan.hash


STAGES = (Stage(5), Stage(approval="go"), Stage(25), Stage(100, hold=5.0), Stage(approval="end"))


@pytest.mark.parametrize(("weight", "step"), [(0, 0), (4, 0), (5, 1), (24, 1), (25, 3), (99, 3), (100, 4)])
def test_the_step_for_a_weight(plan, weight, step):
    assert plan(STAGES).step_for(weight) == step


@pytest.mark.parametrize(("step", "weight"), [(0, 5), (1, 25), (2, 25), (3, 100), (4, 100), (5, 100)])
def test_the_next_weight_after_a_step(plan, step, weight):
    assert plan(STAGES).next_weight(step) == weight


@pytest.mark.parametrize("step", [-1, 0, 6, 1000])
def test_a_step_that_the_plan_lacks_is_empty(plan, step):
    assert plan(STAGES).stage(step) == Stage()
