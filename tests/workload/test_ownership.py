"""Whose an object is, and what a copy may bear."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.names import LEFT_LABEL, OWNER_ANNOTATION, SEQ_ANNOTATION
from canary.api.tracking import tracked_by
from canary.workload.autoscaling import stable_autoscaler, stable_budget, stable_scaled_object
from canary.workload.ownership import (
    Foreign,
    Mark,
    Ours,
    Stale,
    denied,
    ownership,
    permitted_metadata,
    stable_name,
    unmarked,
)
from canary.workload.services import backend_services, root_service
from canary.workload.stable import stable_deployment
from tests.workload.objects import (
    LABEL,
    LABELS,
    MARK,
    STABLE_LABELS,
    budget,
    hpa,
    obj,
    scaled_object,
    service,
    target,
    template,
)

DENIED = [
    "argocd.argoproj.io/tracking-id",
    "argocd.argoproj.io/sync-wave",
    "link.argocd.argoproj.io/external-link",
    "notifications.argoproj.io/subscribe.on-sync.slack",
    "kustomize.toolkit.fluxcd.io/name",
    "helm.toolkit.fluxcd.io/name",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
    "meta.helm.sh/release-name",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
    "deployment.kubernetes.io/revision",
    "config.kubernetes.io/origin",
    "internal.config.kubernetes.io/path",
    "config.k8s.io/owning-inventory",
    "applyset.kubernetes.io/part-of",
    "kapp.k14s.io/app",
    "objectset.rio.cattle.io/hash",
    "autoscaling.keda.sh/paused-replicas",
    "scaledobject.keda.sh/transfer-hpa-ownership",
    "canary.delivery/command",
    "canary.delivery/owner",
]
ALLOWED = ["app", "app.kubernetes.io/name", "example.com/team", "config.linkerd.io/opaque-ports", "xhelm.sh/x"]


def owned(owner, **metadata):
    return obj("Service", "x", {}, annotations={OWNER_ANNOTATION: owner}, **metadata)


def test_what_bears_our_owner_annotation_is_ours():
    assert ownership(obj("Service", "x", {}) | {"metadata": MARK.metadata("x")}, MARK, {"uid-1"}) == Ours()


def test_what_a_dead_canary_of_our_name_left_may_be_taken_over():
    assert ownership(owned("podinfo/old"), MARK, {"uid-1"}) == Stale("old")


def left(by="podinfo", **annotations):
    return obj("Service", "x", {}, labels={LEFT_LABEL: by}, annotations=annotations)


def test_what_a_canary_of_our_name_left_serving_may_be_taken_over():
    assert ownership(left(), MARK, {"uid-1"}) == Stale("")


def test_what_is_let_go_of_bears_no_mark_of_ours():
    labels, annotations = unmarked()
    metadata = MARK.metadata("x", seq="1")
    assert metadata["labels"].keys() == labels.keys()
    assert metadata["annotations"].keys() - {"seq"} == annotations.keys() - {SEQ_ANNOTATION}


@pytest.mark.parametrize(
    ("found", "who"),
    [
        (obj("Service", "x", {}), "nobody in particular"),
        (left("other"), "Canary other, which has left it"),
        (left(**{"meta.helm.sh/release-name": "shop"}), "Helm (meta.helm.sh/release-name: shop)"),
        (owned("other/uid-2"), "Canary shop/other"),
        (owned("podinfo/uid-2"), "another Canary podinfo, uid uid-2"),
        (owned("podinfo"), "the unreadable owner 'podinfo'"),
        (owned("/uid-1"), "the unreadable owner '/uid-1'"),
        (owned("podinfo/uid-1", namespace="elsewhere"), "Canary elsewhere/podinfo"),
        (
            owned("podinfo/uid-1", ownerReferences=[{"kind": "App", "name": "shop", "controller": True}]),
            "App shop",
        ),
        (
            obj("Service", "x", {}, annotations={"meta.helm.sh/release-name": "shop"}),
            "Helm (meta.helm.sh/release-name: shop)",
        ),
        (obj("Service", "x", {}, labels={"argocd.argoproj.io/instance": "s"}), "Argo CD (argocd.argoproj.io/instance)"),
    ],
)
def test_what_is_somebody_elses_is_said_in_words(found, who):
    assert ownership(found, MARK, {"uid-1", "uid-2"}) == Foreign(who)


def test_an_owner_reference_that_controls_nothing_takes_nothing_from_us():
    assert ownership(owned("podinfo/uid-1", ownerReferences=[{"kind": "App", "name": "x"}]), MARK, ()) == Ours()


def test_our_own_marks_are_no_tracking_marks():
    assert tracked_by(MARK.labels, MARK.annotations) is None


@pytest.mark.parametrize("key", DENIED)
def test_a_key_that_is_about_one_object_is_denied(key):
    assert denied(key)


@pytest.mark.parametrize("key", ALLOWED)
def test_other_keys_are_permitted(key):
    assert permitted_metadata({key: "x"}) == {key: "x"}


def test_nothing_is_taken_over_unless_allowed():
    original = obj("Service", "x", {}, labels={"team": "a"}, annotations={"example.com/x": "1"})
    assert MARK.metadata("y", original) == MARK.metadata("y")


def test_what_is_allowed_is_taken_over():
    original = obj("Service", "x", {}, labels={"team": "a"}, annotations={"example.com/x": "1", "example.org/x": "1"})
    found = replace(MARK, allow=("example.com/", "team")).metadata("y", original)
    assert found["labels"] == {"team": "a"} | MARK.labels
    assert found["annotations"] == {"example.com/x": "1"} | MARK.annotations


KEYS = st.one_of(
    st.sampled_from(DENIED + ALLOWED),
    st.builds("{}.{}/{}".format, st.sampled_from("ab"), st.sampled_from(["helm.sh", "toolkit.fluxcd.io"]), st.text()),
    st.text(),
)
ENTRIES = st.dictionaries(KEYS, st.just("theirs"))


@given(labels=ENTRIES, annotations=ENTRIES)
def test_no_denied_key_survives_on_anything_that_is_built(labels, annotations):
    mark = Mark("shop", "podinfo", "uid-1", allow=("",))

    def marked(original):
        metadata = original["metadata"] | {"labels": labels, "annotations": annotations, "uid": "theirs"}
        return original | {"metadata": metadata}

    owner, root = marked(target()), marked(service())
    guarded = stable_budget(
        marked(budget()), candidate=LABELS, stable=STABLE_LABELS, selector={"matchLabels": STABLE_LABELS}, mark=mark
    )
    built = [
        stable_deployment(owner, template(), label=LABEL, replicas=1, mark=mark, revision="r", seq=1),
        *backend_services(root, (), owner, label=LABEL, name="podinfo", mark=mark),
        root_service("podinfo", (), owner, label=LABEL, mark=mark),
        stable_autoscaler(marked(hpa()), target_stable="podinfo-stable", mark=mark),
        stable_scaled_object(marked(scaled_object()), target_stable="podinfo-stable", mark=mark),
        guarded,
    ]
    for one in built:
        metadata = one["metadata"]
        assert set(metadata) == {"name", "namespace", "labels", "annotations"}
        theirs = {k for part in ("labels", "annotations") for k, v in metadata[part].items() if v == "theirs"}
        assert not [key for key in theirs if denied(key)]
        assert ownership(one, mark, ()) == Ours()


@pytest.mark.parametrize("limit", [63, 253])
@given(name=st.text("ab-.", min_size=1, max_size=300))
def test_names_of_copies_fit(limit, name):
    assert len(stable_name(name, limit)) <= limit
    assert stable_name(name, limit).endswith("-stable")


def test_a_name_that_is_cut_stays_distinct():
    assert stable_name("a" * 252 + "b") != stable_name("a" * 252 + "c")


def test_a_short_name_gets_the_suffix():
    assert stable_name("web") == "web-stable"
