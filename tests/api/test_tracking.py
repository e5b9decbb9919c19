"""Who else looks after an object."""

from __future__ import annotations

import msgspec
import pytest

from canary.api.meta import ManagedFields
from canary.api.tracking import LEFT_ALONE, Writer, claim_on, tracked_by, writers_of

OFF = {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}


def entry(manager, operation="Update", fields=None, **more):
    held = {"f:spec": {"f:selector": {"f:app": {}}}} if fields is None else fields
    return ManagedFields(manager, operation, "2026", fields_v1=msgspec.Raw(msgspec.json.encode(held)), **more)


@pytest.mark.parametrize("fields", [{"f:spec": {}}, {"f:spec": {"f:selector": {}}}])
def test_who_holds_the_field_or_the_whole_spec_is_a_writer(fields):
    assert list(writers_of("selector", [entry("a", fields=fields)])) == [Writer("a", "Update", "2026")]


@pytest.mark.parametrize(
    "other",
    [entry("canary-controller"), entry("a", subresource="status"), entry("a", fields={"f:spec": {"f:ports": {}}})],
)
def test_we_ourselves_and_those_of_other_fields_are_no_writers(other):
    assert not list(writers_of("selector", [other]))


def test_another_apply_manager_of_the_field_has_a_claim():
    entries = [entry("kubectl"), entry("argocd-controller", "Apply")]
    assert claim_on("selector", entries, {}, {}) == "field manager argocd-controller, by server-side apply"


def test_who_updated_the_field_once_has_no_claim():
    assert claim_on("selector", [entry("kubectl-client-side-apply")], {}, {}) is None


def test_a_tracking_mark_is_a_claim():
    assert claim_on("selector", [], {"helm.toolkit.fluxcd.io/name": "x"}, {}) == (
        "a Flux HelmRelease (helm.toolkit.fluxcd.io/name)"
    )


@pytest.mark.parametrize(
    ("labels", "annotations", "claim"),
    [
        ({}, {"argocd.argoproj.io/tracking-id": "shop:/Service:shop/web"}, "Argo CD (argocd.argoproj.io/tracking-id)"),
        ({"argocd.argoproj.io/instance": "shop"}, {}, "Argo CD (argocd.argoproj.io/instance)"),
        (
            {"kustomize.toolkit.fluxcd.io/name": "shop"},
            {},
            "a Flux Kustomization (kustomize.toolkit.fluxcd.io/name)",
        ),
        ({"helm.toolkit.fluxcd.io/name": "shop"}, {}, "a Flux HelmRelease (helm.toolkit.fluxcd.io/name)"),
        ({}, {"meta.helm.sh/release-name": "shop"}, "Helm (meta.helm.sh/release-name: shop)"),
        ({"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop"}, {}, "Helm (release shop)"),
        ({"app.kubernetes.io/managed-by": "Helm"}, {}, "Helm (release unknown)"),
        ({"app.kubernetes.io/managed-by": "me", "app.kubernetes.io/instance": "shop"}, {}, None),
        ({"app": "web"}, {"note": "argocd.argoproj.io/"}, None),
    ],
)
def test_the_marks_of_each_tool_name_it(labels, annotations, claim):
    assert tracked_by(labels, annotations) == claim


def test_a_request_to_be_left_alone_is_no_mark():
    assert tracked_by({}, LEFT_ALONE) is None


@pytest.mark.parametrize("key", LEFT_ALONE)
def test_the_same_annotation_with_another_value_is_a_mark(key):
    assert key in tracked_by({}, {key: "enabled"})


def test_what_flux_was_told_to_leave_alone_is_not_tracked_by_its_label():
    assert tracked_by({"kustomize.toolkit.fluxcd.io/name": "shop"}, OFF) is None


def test_what_flux_leaves_alone_may_still_be_helms():
    assert tracked_by({"kustomize.toolkit.fluxcd.io/name": "shop"}, OFF | {"meta.helm.sh/release-name": "x"}) == (
        "Helm (meta.helm.sh/release-name: x)"
    )
