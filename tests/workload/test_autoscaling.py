"""Copies of autoscalers and budgets."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.workload.autoscaling import (
    PAUSED,
    PAUSED_REPLICAS,
    autoscaler_of,
    paused_by,
    stable_autoscaler,
    stable_budget,
    stable_scaled_object,
)
from canary.workload.ownership import Ours, ownership
from tests.workload.objects import DEPLOYMENT, LABELS, MARK, STABLE_LABELS, budget, hpa, scaled_object, target

SELECTOR = {"matchLabels": {"app": "podinfo-stable"}}
BOUNDS = st.integers(1, 50)


def copied(original=None, **bounds):
    return stable_autoscaler(original or hpa(), target_stable="podinfo-stable", mark=MARK, **bounds)


def scaled(original=None, **bounds):
    return stable_scaled_object(original or scaled_object(), target_stable="podinfo-stable", mark=MARK, **bounds)


def guarded(original):
    return stable_budget(original, candidate=LABELS, stable=STABLE_LABELS, selector=SELECTOR, mark=MARK)


# Which.


@pytest.mark.parametrize(
    "autoscaler", [hpa(), scaled_object(), hpa(scaleTargetRef=DEPLOYMENT | {"apiVersion": "apps/v2"})]
)
def test_the_autoscaler_of_a_target_refers_to_it(autoscaler):
    assert autoscaler_of([hpa("z", scaleTargetRef=DEPLOYMENT | {"name": "z"}), autoscaler], target()) == autoscaler


@pytest.mark.parametrize("change", [{"name": "podinfo-2"}, {"kind": "StatefulSet"}, {"apiVersion": "argoproj.io/v1"}])
def test_who_refers_to_something_else_is_not_the_targets(change):
    assert autoscaler_of([hpa(scaleTargetRef=DEPLOYMENT | change)], target()) is None


def test_what_keda_made_of_a_scaled_object_is_not_copied():
    made = hpa()
    made["metadata"]["ownerReferences"] = [{"kind": "ScaledObject", "name": "podinfo", "controller": True}]
    assert autoscaler_of([made], target()) is None


def test_of_several_the_first_by_name_is_taken():
    assert autoscaler_of([hpa("b"), hpa("a"), hpa("c")], target()) == hpa("a")


# HorizontalPodAutoscaler.


def test_the_copy_scales_stable_as_the_original_does():
    found = copied(hpa(behavior={"scaleDown": {"stabilizationWindowSeconds": 60}}))
    assert found["metadata"]["name"] == "podinfo-stable"
    assert found["spec"] == {
        "scaleTargetRef": DEPLOYMENT | {"name": "podinfo-stable"},
        "minReplicas": 2,
        "maxReplicas": 10,
        "metrics": hpa()["spec"]["metrics"],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
    }
    assert ownership(found, MARK, ()) == Ours()


def test_a_metric_of_the_root_service_stays():
    described = {"apiVersion": "v1", "kind": "Service", "name": "podinfo"}
    metric = {"type": "Object", "object": {"describedObject": described, "metric": {"name": "rps"}, "target": {}}}
    assert copied(hpa(metrics=[metric]))["spec"]["metrics"] == [metric]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({}, (2, 10)),
        ({"min_replicas": 4, "max_replicas": 6}, (4, 6)),
        ({"min_replicas": 1}, (1, 10)),
        ({"floor": 5}, (5, 10)),
        ({"floor": 1}, (2, 10)),
        ({"floor": 20}, (20, 20)),
        ({"min_replicas": 12}, (12, 12)),
        ({"min_replicas": 3, "floor": 5, "max_replicas": 4}, (5, 5)),
    ],
)
def test_bounds_are_replaced_and_never_below_the_floor(bounds, expected):
    spec = copied(**bounds)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == expected


def test_an_absent_minimum_is_one():
    original = hpa()
    del original["spec"]["minReplicas"]
    assert copied(original)["spec"]["minReplicas"] == 1


@given(low=BOUNDS, high=BOUNDS, floor=st.none() | BOUNDS, override=st.none() | BOUNDS, most=st.none() | BOUNDS)
def test_bounds_are_always_in_order(low, high, floor, override, most):
    bounds = {"min_replicas": override, "max_replicas": most, "floor": floor}
    hpa_spec = copied(hpa(minReplicas=low, maxReplicas=high), **bounds)["spec"]
    keda_spec = scaled(scaled_object(minReplicaCount=low, maxReplicaCount=high), **bounds)["spec"]
    assert max(1, floor or 0) <= hpa_spec["minReplicas"] <= hpa_spec["maxReplicas"]
    assert (keda_spec["minReplicaCount"], keda_spec["maxReplicaCount"]) == (
        hpa_spec["minReplicas"],
        hpa_spec["maxReplicas"],
    )


# ScaledObject.


def test_a_scaled_object_keeps_its_triggers_and_gets_bounds():
    original = scaled_object(pollingInterval=10)
    spec = scaled(original)["spec"]
    assert spec == original["spec"] | {
        "scaleTargetRef": {"name": "podinfo-stable"},
        "minReplicaCount": 0,
        "maxReplicaCount": 100,
    }


def test_a_scaled_object_does_not_go_idle_during_a_rollout():
    original = scaled_object(idleReplicaCount=0, minReplicaCount=1)
    assert "idleReplicaCount" in scaled(original)["spec"]
    assert "idleReplicaCount" not in scaled(original, floor=3)["spec"]


def test_an_idle_count_that_is_not_below_the_minimum_is_dropped():
    assert "idleReplicaCount" not in scaled(scaled_object(idleReplicaCount=0, minReplicaCount=0))["spec"]


def test_the_name_of_kedas_own_autoscaler_is_another():
    advanced = {"horizontalPodAutoscalerConfig": {"name": "podinfo-hpa", "behavior": {}}}
    found = scaled(scaled_object(advanced=advanced))["spec"]["advanced"]["horizontalPodAutoscalerConfig"]
    assert found == {"name": "podinfo-hpa-stable", "behavior": {}}


def test_the_name_of_a_copied_scaled_object_fits_into_kedas_labels():
    assert len("keda-hpa-" + scaled(scaled_object("a" * 60))["metadata"]["name"]) <= 63


def test_a_pause_is_not_copied():
    assert PAUSED_REPLICAS not in scaled(held(PAUSED_REPLICAS, "0"))["metadata"]["annotations"]


def held(key, value, *managers):
    """A ScaledObject with an annotation that these managers own."""
    found = scaled_object()
    fields = {"f:metadata": {"f:annotations": {f"f:{key}": {}}}}
    owners = [{"manager": manager, "operation": "Apply", "fieldsV1": fields} for manager in managers]
    found["metadata"] |= {"annotations": {key: value}, "managedFields": owners}
    return found


@pytest.mark.parametrize(
    ("scaled_by_keda", "found"),
    [
        (scaled_object(), (False, False)),
        (held(PAUSED_REPLICAS, "0", "us"), (True, False)),
        (held(PAUSED_REPLICAS, "0", "us", "them"), (True, False)),
        (held(PAUSED_REPLICAS, "4", "them"), (False, True)),
        (held(PAUSED_REPLICAS, "4"), (False, True)),
        (held(PAUSED, "true", "them"), (False, True)),
        (held(PAUSED, "false", "them"), (False, False)),
    ],
)
def test_a_pause_is_ours_or_somebody_elses_by_the_managed_fields(scaled_by_keda, found):
    assert paused_by(scaled_by_keda, "us") == found


# PodDisruptionBudget.


def test_a_budget_protects_exactly_the_pods_of_stable():
    spec = {"minAvailable": "50%", "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    found = guarded(budget(**spec))
    assert found["metadata"]["name"] == "podinfo-stable"
    assert found["spec"] == spec | {"selector": SELECTOR}


def test_a_budget_of_several_applications_is_copied_for_this_one_alone():
    expression = {"key": "app", "operator": "In", "values": ["podinfo", "db"]}
    assert guarded(budget(selector={"matchExpressions": [expression]}))["spec"]["selector"] == SELECTOR


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {"tier": "web"}}])
def test_a_budget_of_both_sides_is_not_copied_for_two_would_stop_every_eviction(selector):
    assert guarded(budget(selector=selector)) is None


@pytest.mark.parametrize("selector", [None, {"matchLabels": {"app": "db"}}])
def test_a_budget_of_others_is_not_copied(selector):
    assert guarded(budget(selector=selector)) is None


def test_inputs_stay_as_they_are():
    advanced = {"horizontalPodAutoscalerConfig": {"name": "x"}}
    originals = (hpa(), scaled_object(advanced=advanced, idleReplicaCount=0), budget())
    before = copy.deepcopy(originals)
    found = [copied(originals[0]), scaled(originals[1], floor=2), guarded(originals[2])]
    found[0]["spec"]["metrics"].clear()
    found[2]["spec"]["selector"]["matchLabels"].clear()
    assert originals == before
    assert SELECTOR["matchLabels"]
