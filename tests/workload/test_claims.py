"""Our claims to what others apply on the server's side."""

from __future__ import annotations

import pytest

from canary.workload.claims import REPLICAS, applier, noted, without_ours

OURS = "canary-controller"
SIZE = {"f:spec": {"f:replicas": {}}}
IMAGE = {"f:spec": {"f:template": {}}}
STAMP = {"f:metadata": {"f:annotations": {"f:canary.delivery/seq": {}}}}
NOON, ONE = "2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z"


def entry(manager, fields, operation="Apply", time=NOON, **more):
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "apps/v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def obj(*entries, applied_by=""):
    annotations = {"canary.delivery/applied-by": applied_by} if applied_by else {}
    return {"metadata": {"name": "web", "annotations": annotations, "managedFields": list(entries)}}


def test_what_we_wrote_is_nobodys_and_the_annotation_stays_ours():
    status = entry("kube-controller-manager", {"f:status": {}}, "Update", subresource="status")
    before = obj(entry(OURS, STAMP | SIZE), entry("helm", IMAGE), status)
    assert without_ours(before) == [entry(OURS, STAMP), entry("helm", IMAGE), status]


def test_an_entry_of_ours_goes_when_nothing_is_left_of_it():
    before = obj(entry("helm", IMAGE), entry(OURS, SIZE, "Update"))
    assert without_ours(before) == [entry("helm", IMAGE)]


def test_the_template_that_was_put_back_is_let_go_as_well():
    before = obj(entry("helm", SIZE), entry(OURS, STAMP | SIZE), entry(OURS, IMAGE, "Update"))
    assert without_ours(before) == [entry("helm", SIZE), entry(OURS, STAMP)]


@pytest.mark.parametrize(
    "others",
    [
        [],
        [entry("kubectl-client-side-apply", IMAGE, "Update")],
        [entry("kustomize-controller", IMAGE)],
        [entry("argocd-controller", IMAGE), entry("helm", IMAGE)],
        [entry("scaler", SIZE, subresource="scale")],
    ],
    ids=["nobody", "client side", "Flux", "Argo CD, which leaves alone what is ours", "through /scale"],
)
def test_a_claim_that_nobody_meets_is_kept(others):
    assert without_ours(obj(entry(OURS, STAMP | SIZE), *others)) is None


def test_without_a_claim_there_is_nothing_to_do():
    assert without_ours(obj(entry(OURS, STAMP), entry("helm", IMAGE))) is None


def test_who_applies_nothing_but_the_field_has_no_entry_left_and_is_remembered():
    assert without_ours(obj(entry(OURS, STAMP | SIZE), applied_by=f"{NOON} scaler")) == [entry(OURS, STAMP)]


def test_whose_field_it_was_is_noted_with_the_write():
    assert noted(obj(entry("helm", IMAGE | SIZE)), REPLICAS) == {"canary.delivery/applied-by": f"{NOON} helm"}


@pytest.mark.parametrize(
    "other", [entry("kubectl", SIZE, "Update"), entry("argocd-controller", SIZE), entry(OURS, SIZE)]
)
def test_who_does_not_apply_or_forces_is_not_noted(other):
    assert noted(obj(other), REPLICAS) == {}


def test_an_applier_is_remembered_after_its_claim_is_gone():
    seen = obj(entry("helm", IMAGE), applied_by=f"{NOON} helm")
    assert applier(seen, REPLICAS) == "helm"
    assert noted(seen, REPLICAS) == {"canary.delivery/applied-by": f"{NOON} helm"}


def test_an_applier_that_has_applied_since_without_the_field_is_forgotten():
    seen = obj(entry("helm", IMAGE, time=ONE), applied_by=f"{NOON} helm")
    assert applier(seen, REPLICAS) == ""
    assert noted(seen, REPLICAS) == {}


def test_an_applier_that_has_applied_since_with_the_field_is_noted_anew():
    seen = obj(entry("helm", SIZE, time=ONE), applied_by=f"{NOON} helm")
    assert noted(seen, REPLICAS) == {"canary.delivery/applied-by": f"{ONE} helm"}
