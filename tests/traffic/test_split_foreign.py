"""Who else writes a split."""

from __future__ import annotations

import json

import msgspec
import pytest

from canary.api.kinds import TrafficSplit
from canary.api.tracking import Writer
from canary.traffic.foreign import field_manager_of_backends, foreign_claim

BACKENDS = {"f:spec": {"f:backends": {}, "f:service": {}}}


def entry(manager, operation="Update", time="2026-01-01T00:00:00Z", fields=None, **more):
    fields = BACKENDS if fields is None else fields
    return {"manager": manager, "operation": operation, "time": time, "fieldsV1": fields} | more


def split(*entries, **metadata):
    return msgspec.json.decode(
        json.dumps({"metadata": {"name": "web", "managedFields": list(entries)} | metadata, "spec": {}}),
        type=TrafficSplit,
    )


def test_the_last_writer_is_named():
    live = split(
        entry("a-person", time="2026-01-03T00:00:00Z"), entry("flagger"), entry("canary-controller", time="2027")
    )
    assert field_manager_of_backends(live) == Writer("a-person", "Update", "2026-01-03T00:00:00Z")


def test_our_own_entry_is_nobody_else():
    assert field_manager_of_backends(split(entry("canary-controller"))) is None


def test_our_name_can_be_another():
    assert field_manager_of_backends(split(entry("mine")), "mine") is None


@pytest.mark.parametrize(
    "fields",
    [{}, {"f:spec": {"f:service": {}}}, {"f:spec": {".": {}}}, {"f:metadata": {"f:labels": {}}}, {"f:spec": None}, []],
)
def test_who_holds_other_fields_is_no_writer_of_backends(fields):
    assert field_manager_of_backends(split(entry("kubectl", fields=fields))) is None


@pytest.mark.parametrize("fields", [{"f:spec": {}}, {"f:spec": {"f:backends": {".": {}, 'k:{"service":"a"}': {}}}}])
def test_who_holds_the_spec_or_single_backends_is_a_writer(fields):
    assert field_manager_of_backends(split(entry("kubectl", fields=fields))).manager == "kubectl"


def test_who_writes_the_status_is_no_writer_of_backends():
    assert field_manager_of_backends(split(entry("mesh", subresource="status"))) is None


def test_of_writers_at_the_same_second_the_later_entry_is_not_lost():
    assert field_manager_of_backends(split(entry("a"), entry("b"))).manager in {"a", "b"}


def test_another_apply_manager_is_a_claim():
    live = split(entry("canary-controller"), entry("kustomize-controller", "Apply"))
    assert foreign_claim(live) == "field manager kustomize-controller, by server-side apply"


def test_an_apply_manager_of_other_fields_is_no_claim():
    assert foreign_claim(split(entry("argocd-controller", "Apply", fields={"f:metadata": {}}))) is None


@pytest.mark.parametrize("entries", [(), (entry("kubectl-edit"),), (entry("canary-controller", "Apply"),)])
def test_without_marks_there_is_no_claim(entries):
    assert foreign_claim(split(*entries, labels={"app": "web"}, annotations={"note": "argocd.argoproj.io/"})) is None


def test_the_marks_of_gitops_tools_are_claims():
    live = split(annotations={"argocd.argoproj.io/tracking-id": "shop:split.smi-spec.io/TrafficSplit:shop/web"})
    assert foreign_claim(live) == "Argo CD (argocd.argoproj.io/tracking-id)"
