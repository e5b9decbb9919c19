"""How many replicas people ask for, told by managedFields."""

from __future__ import annotations

import pytest

from canary.api.meta import ManagedFields
from canary.controller.managed.candidate import asked

OURS, HPA = "canary-controller", "kube-controller-manager"


def entry(manager: str, second: int, operation: str = "Update", subresource: str = "") -> ManagedFields:
    time = f"2026-01-01T00:00:{second:02}Z"
    fields = b'{"f:spec":{"f:replicas":{}}}'
    return ManagedFields(manager, operation, time, subresource, type(ManagedFields().fields_v1)(fields))


@pytest.mark.parametrize("operation", ["Update", "Apply"])
def test_what_people_wrote_last_is_asked_for(operation):
    assert asked(5, [entry(OURS, 1), entry("kubectl", 2, operation)]).size == 5


def test_what_we_wrote_later_is_not_asked_for():
    assert asked(0, [entry("kubectl", 1, "Apply"), entry(OURS, 2, "Apply")]).size is None


def test_who_applies_will_ask_again():
    assert asked(5, [entry("argocd-controller", 2, "Apply")]).applied_by == "argocd-controller"


@pytest.mark.parametrize("manager", [OURS, HPA])
def test_neither_we_nor_an_autoscaler_ask_for_anything(manager):
    assert asked(4, [entry(manager, 3, subresource="scale")]).size is None


def test_a_scale_to_zero_is_no_size():
    assert asked(0, [entry("kubectl", 2)]).size is None


@pytest.mark.parametrize(("replicas", "written", "size"), [(4, "0", 4), (2, "2", None), (0, "2", None), (3, "2", 3)])
def test_a_scale_that_claims_nothing_is_told_from_what_we_wrote_before_we_let_go(replicas, written, size):
    assert asked(replicas, [], written).size == size


def test_whoever_holds_the_field_is_asked_first():
    assert asked(4, [entry(OURS, 2)], "0").size is None
