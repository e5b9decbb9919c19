"""How far a live object is from what it should be."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.merge_patch import merge_patch
from canary.workload.drift import missing_from
from tests.workload.objects import hpa, service, target


def test_an_object_misses_nothing_of_itself():
    assert missing_from(target(), target()) is None


@pytest.mark.parametrize(
    ("wanted", "live"),
    [
        ({"spec": {"a": 1}}, {"spec": {"a": 1, "b": 2}, "status": {}}),
        ({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": {"a": "1", "b": "2"}, "uid": "u"}}),
        ({"spec": {"ports": [{"port": 80}]}}, {"spec": {"ports": [{"port": 80, "protocol": "TCP", "nodePort": 3}]}}),
        ({"spec": {"a": None}}, {"spec": {}}),
        ({"spec": {"a": []}}, {"spec": {}}),
        ({"metadata": {"annotations": {}}}, {"metadata": {}}),
        ({"spec": {"hostNetwork": False, "minReadySeconds": 0}}, {"spec": {}}),
        ({"env": [{"name": "a", "value": ""}]}, {"env": [{"name": "a"}]}),
        ({"apiVersion": "apps/v1", "kind": "Deployment"}, {}),
        ({"r": {"limits": {"cpu": "1000m", "memory": "1024Mi"}}}, {"r": {"limits": {"cpu": "1", "memory": "1Gi"}}}),
        ({"target": {"value": "1000m"}}, {"target": {"value": "1"}}),
        ({"target": {"averageValue": "1000m"}}, {"target": {"averageValue": "1"}}),
    ],
)
def test_what_the_server_adds_or_writes_its_own_way_is_no_drift(wanted, live):
    assert missing_from(wanted, live) is None


@pytest.mark.parametrize(
    ("wanted", "live", "patch"),
    [
        ({"spec": {"a": 1, "b": 2}}, {"spec": {"a": 1, "b": 3}}, {"spec": {"b": 2}}),
        ({"spec": {"a": {"b": 1}}}, {}, {"spec": {"a": {"b": 1}}}),
        ({"spec": {"emptyDir": {}}}, {"spec": {}}, {"spec": {"emptyDir": {}}}),
        ({"spec": {"a": False}}, {"spec": {}}, {"spec": {"a": False}}),
        ({"spec": {"hostNetwork": True}}, {"spec": {}}, {"spec": {"hostNetwork": True}}),
        ({"labels": {"a": "", "tty": ""}}, {"labels": {"tty": ""}}, {"labels": {"a": ""}}),
        ({"labels": {"tty": ""}}, {"labels": {}}, {"labels": {"tty": ""}}),
        ({"spec": {"storageClassName": ""}}, {"spec": {}}, {"spec": {"storageClassName": ""}}),
        ({"spec": {"a": True}}, {"spec": {"a": 1}}, {"spec": {"a": True}}),
        ({"spec": {"a": 0}}, {"spec": {"a": False}}, {"spec": {"a": 0}}),
        ({"l": [1, 2]}, {"l": [2, 1]}, {"l": [1, 2]}),
        ({"l": [{"a": 1}]}, {"l": [{"a": 1}, {"b": 1}]}, {"l": [{"a": 1}]}),
        ({"l": [{"a": 1, "b": 1}]}, {"l": [{"a": 1}]}, {"l": [{"a": 1, "b": 1}]}),
        ({"l": []}, {"l": [1]}, {"l": []}),
        ({"l": [1]}, {"l": {}}, {"l": [1]}),
        ({"a": {"b": 1}}, {"a": "b"}, {"a": {"b": 1}}),
        ({"labels": {"cpu": "1000m"}}, {"labels": {"cpu": "1"}}, {"labels": {"cpu": "1000m"}}),
        ({"env": [{"value": "1000m"}]}, {"env": [{"value": "1"}]}, {"env": [{"value": "1000m"}]}),
        ({"limits": {"cpu": "2"}}, {"limits": {"cpu": "1"}}, {"limits": {"cpu": "2"}}),
        ({"limits": {"cpu": "x"}}, {"limits": {"cpu": "1"}}, {"limits": {"cpu": "x"}}),
    ],
)
def test_what_is_otherwise_is_in_the_patch_and_nothing_else(wanted, live, patch):
    assert missing_from(wanted, live) == patch


def test_a_key_too_many_in_a_services_selector_selects_less():
    assert missing_from(service(), service(selector={"app": "podinfo", "x": "y"})) == {
        "spec": {"selector": {"x": None}}
    }


def test_an_expression_too_many_in_a_label_selector_selects_less():
    selector = {"matchLabels": {"app": "podinfo"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}
    assert missing_from(target(), target(selector=selector)) == {"spec": {"selector": {"matchExpressions": None}}}


@pytest.mark.parametrize("field", ["env", "command", "volumeMounts", "readinessProbe"])
def test_what_somebody_added_to_a_container_is_taken_out(field):
    live = target()
    live["spec"]["template"]["spec"]["containers"][0][field] = ["x"]
    patch = missing_from(target(), live)
    assert patch == {"spec": {"template": {"spec": {"containers": target()["spec"]["template"]["spec"]["containers"]}}}}


@pytest.mark.parametrize("field", ["tolerations", "initContainers", "hostNetwork", "nodeSelector"])
def test_what_somebody_added_to_the_pod_is_taken_out(field):
    live = target()
    live["spec"]["template"]["spec"][field] = ["x"]
    assert missing_from(target(), live) == {"spec": {"template": {"spec": {field: None}}}}


def test_what_the_server_adds_to_a_container_stays():
    live = target()
    live["spec"]["template"]["spec"]["containers"][0] |= {"imagePullPolicy": "Always", "resources": {}}
    assert missing_from(target(), live) is None


def test_a_restart_of_the_pods_is_no_drift():
    live = target()
    live["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026"}
    assert missing_from(target(), live) is None


def test_labels_may_be_called_like_fields():
    assert missing_from({"labels": {"a": "b"}}, {"labels": {"a": "b", "env": "prod"}}) is None


def test_another_target_of_an_autoscaler_is_drift():
    live = hpa(scaleTargetRef={"kind": "Deployment", "name": "x"})
    assert missing_from(hpa(), live) == {"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "name": "podinfo"}}}


KEYS = st.sampled_from(["a", "tty", "env", "selector", "labels", "limits", "matchLabels", "metadata"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.sampled_from(["", "1", "1000m"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(wanted=OBJECTS, live=OBJECTS)
def test_one_repair_is_enough(wanted, live):
    before = copy.deepcopy((wanted, live))
    patch = missing_from(wanted, live)
    assert (wanted, live) == before
    if patch is not None:
        assert missing_from(wanted, merge_patch(live, patch)) is None


@given(wanted=OBJECTS, live=OBJECTS)
def test_a_patch_that_is_asked_for_changes_something(wanted, live):
    patch = missing_from(wanted, live)
    if patch is not None:
        assert json.dumps(merge_patch(live, patch), sort_keys=True) != json.dumps(live, sort_keys=True)
