"""The Deployment of the stable side."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.names import REVISION_ANNOTATION, SEQ_ANNOTATION
from canary.workload.ownership import Ours, ownership
from canary.workload.selectors import selects
from canary.workload.stable import (
    SideLabel,
    Unsupported,
    side_key,
    side_label,
    stable_deployment,
    stable_selector,
    stable_template,
)
from tests.workload.objects import LABEL, LABELS, MARK, STABLE_LABELS, target, template

REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
OURS, THEIRS = {"matchLabels": {"app": "podinfo"}}, {"matchLabels": {"app": "db"}}
STABLE = {"matchLabels": {"app": "podinfo-stable"}}


def built(owner=None, pinned=None, **overrides):
    fields = {"label": LABEL, "replicas": 3, "mark": MARK, "revision": "v1-abc", "seq": 7} | overrides
    return stable_deployment(owner or target(), pinned or template(), **fields)


def rewritten(**spec):
    return stable_template(template(**spec), *LABEL, "shop")["spec"]


def term(selector, **fields):
    return {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"} | fields


# Which label.


@pytest.mark.parametrize(
    ("labels", "key"),
    [
        (("name", "app", "app.kubernetes.io/name", "a"), "app.kubernetes.io/name"),
        (("name", "app", "a"), "app"),
        (("name", "a"), "name"),
        (("zone", "component"), "component"),
    ],
)
def test_the_side_label_is_the_best_known_key_else_the_first(labels, key):
    assert side_key({"matchLabels": dict.fromkeys(labels, "podinfo")}) == key


@pytest.mark.parametrize(
    "selector", [{}, {"matchLabels": {}}, {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
)
def test_a_selector_without_labels_is_refused(selector):
    with pytest.raises(Unsupported, match=r"spec\.selector\.matchLabels"):
        side_key(selector)


def test_a_value_with_room_for_the_suffix_is_taken():
    assert side_key({"matchLabels": {"app": "a" * 56}}) == "app"


@pytest.mark.parametrize("value", ["a" * 57, ""])
def test_a_value_that_cannot_have_the_suffix_is_refused(value):
    with pytest.raises(Unsupported, match=r"spec\.selector\.matchLabels\[app\]"):
        side_key({"matchLabels": {"app": value}})


def test_the_label_of_a_target_has_its_value():
    assert side_label(target()) == SideLabel("app", "podinfo")


def test_a_target_that_recreates_its_pods_is_refused():
    with pytest.raises(Unsupported, match=r"spec\.strategy\.type"):
        side_label(target(strategy={"type": "Recreate"}))


def test_a_template_without_the_label_is_refused():
    with pytest.raises(Unsupported, match=r"spec\.template\.metadata\.labels\[app\]"):
        side_label(target(template={"metadata": {"labels": {"tier": "web"}}}))


def test_a_target_with_too_long_a_name_is_refused():
    with pytest.raises(Unsupported, match=r"metadata\.name"):
        side_label(target("a" * 247))


def test_a_selector_that_forbids_the_stable_value_is_refused():
    expression = {"key": "app", "operator": "NotIn", "values": ["podinfo-stable"]}
    selector = {"matchLabels": {"app": "podinfo"}, "matchExpressions": [expression]}
    with pytest.raises(Unsupported, match=r"spec\.selector of the target"):
        side_label(target(selector=selector))


# The template.


def test_only_the_side_label_of_the_template_changes():
    pinned = template(terminationGracePeriodSeconds=5)
    pinned["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026", "argocd.argoproj.io/x": "y"}
    expected = copy.deepcopy(pinned)
    expected["metadata"]["labels"] = STABLE_LABELS
    assert stable_template(pinned, *LABEL) == expected


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
def test_required_affinity_follows_the_label(kind):
    affinity = {kind: {REQUIRED: [term(OURS), term(THEIRS)]}}
    assert rewritten(affinity=affinity)["affinity"] == {kind: {REQUIRED: [term(STABLE), term(THEIRS)]}}


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
def test_preferred_affinity_follows_the_label(kind):
    affinity = {kind: {PREFERRED: [{"weight": 1, "podAffinityTerm": term(OURS)}]}}
    expected = {kind: {PREFERRED: [{"weight": 1, "podAffinityTerm": term(STABLE)}]}}
    assert rewritten(affinity=affinity)["affinity"] == expected


def test_a_list_of_values_keeps_the_others():
    selector = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "podinfo"]}]}
    terms = rewritten(affinity={"podAntiAffinity": {REQUIRED: [term(selector)]}})["affinity"]["podAntiAffinity"]
    found = terms[REQUIRED][0]["labelSelector"]["matchExpressions"][0]["values"]
    assert found == ["db", "podinfo-stable"]


@pytest.mark.parametrize(
    ("fields", "follows"),
    [
        ({"namespaces": ["shop", "other"]}, True),
        ({"namespaces": []}, True),
        ({"namespaces": ["other"]}, False),
        ({"namespaces": ["other"], "namespaceSelector": {}}, True),
    ],
)
def test_affinity_to_pods_of_another_namespace_stays(fields, follows):
    affinity = {"podAffinity": {REQUIRED: [term(OURS, **fields)]}}
    found = rewritten(affinity=affinity)["affinity"]["podAffinity"][REQUIRED]
    assert found == [term(STABLE if follows else OURS, **fields)]


def test_topology_spread_follows_the_label():
    constraints = [term(OURS, maxSkew=1), term(THEIRS, maxSkew=1), {"topologyKey": "zone", "maxSkew": 1}]
    found = rewritten(topologySpreadConstraints=constraints)["topologySpreadConstraints"]
    assert [one.get("labelSelector") for one in found] == [STABLE, THEIRS, None]


def test_node_affinity_stays():
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": []}]}}}
    assert rewritten(affinity=affinity)["affinity"] == affinity


VALUES = st.sampled_from(["podinfo", "db", "podinfo-stable"])
SELECTORS = st.one_of(
    st.builds(lambda value: {"matchLabels": {"app": value}}, VALUES),
    st.builds(
        lambda operator, values: {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]},
        st.sampled_from(["In", "NotIn"]),
        st.lists(st.sampled_from(["podinfo", "db"]), min_size=1, max_size=3),
    ),
    st.just({}),
    st.just({"matchLabels": {"tier": "web"}}),
)


@given(selector=SELECTORS)
def test_stable_pods_stand_to_each_other_as_the_targets_did(selector):
    if selector != {"matchLabels": {"app": "podinfo-stable"}}:
        found = rewritten(topologySpreadConstraints=[term(selector)])["topologySpreadConstraints"][0]["labelSelector"]
        assert selects(found, STABLE_LABELS) == selects(selector, LABELS)


# The Deployment.


def test_the_deployment_is_ours_and_named_after_the_target():
    found = built()
    assert (found["kind"], found["metadata"]["name"], found["metadata"]["namespace"]) == (
        "Deployment",
        "podinfo-stable",
        "shop",
    )
    assert ownership(found, MARK, ()) == Ours()


def test_nothing_of_ours_has_an_owner_reference():
    owner = target()
    owner["metadata"]["ownerReferences"] = [{"kind": "App", "name": "shop"}]
    assert "ownerReferences" not in built(owner)["metadata"]


def test_the_revision_stands_beside_the_template():
    found = built()["metadata"]["annotations"]
    assert (found[REVISION_ANNOTATION], found[SEQ_ANNOTATION]) == ("v1-abc", "7")


def test_the_pinned_template_runs_not_the_targets():
    pinned = template()
    pinned["spec"]["containers"][0]["image"] = "podinfo:0"
    assert built(pinned=pinned)["spec"]["template"]["spec"]["containers"][0]["image"] == "podinfo:0"


def test_neither_side_selects_the_others_pods():
    found = built()["spec"]
    assert selects(found["selector"], found["template"]["metadata"]["labels"])
    assert not selects(found["selector"], LABELS)
    assert not selects(target()["spec"]["selector"], found["template"]["metadata"]["labels"])


def test_all_of_the_selector_is_copied():
    expression = {"key": "tier", "operator": "In", "values": ["web"]}
    selector = {"matchLabels": {"app": "podinfo", "tier": "web"}, "matchExpressions": [expression]}
    assert stable_selector(target(selector=selector), LABEL) == {
        "matchLabels": STABLE_LABELS,
        "matchExpressions": [expression],
    }


def test_replicas_are_left_to_an_autoscaler():
    assert "replicas" not in built(replicas=None)["spec"]


def test_zero_replicas_are_written():
    assert built(replicas=0)["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("rolling", "surge"),
    [
        (None, "25%"),
        ({}, "25%"),
        ({"maxSurge": 2, "maxUnavailable": 1}, 2),
        ({"maxSurge": "10%"}, "10%"),
        ({"maxSurge": 0, "maxUnavailable": 1}, 1),
        ({"maxSurge": "0%", "maxUnavailable": "50%"}, 1),
    ],
)
def test_stable_never_has_fewer_pods_than_it_should(rolling, surge):
    strategy = {"type": "RollingUpdate"} | ({} if rolling is None else {"rollingUpdate": rolling})
    assert built(target(strategy=strategy))["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": 0, "maxSurge": surge},
    }


def test_a_strategy_that_nobody_wrote_is_a_rolling_update():
    assert built()["spec"]["strategy"]["type"] == "RollingUpdate"


@pytest.mark.parametrize("kind", ["Recreate", "Unheard"])
def test_no_deployment_is_built_for_another_strategy(kind):
    with pytest.raises(Unsupported, match=r"spec\.strategy\.type"):
        built(target(strategy={"type": kind}))


def test_what_governs_rollouts_is_copied_and_a_pause_is_not():
    pace = {"minReadySeconds": 0, "progressDeadlineSeconds": 60, "revisionHistoryLimit": 3}
    found = built(target(paused=True, **pace))["spec"]
    assert found.items() >= pace.items()
    assert "paused" not in found


def test_inputs_stay_as_they_are():
    affinity = {"podAntiAffinity": {REQUIRED: [term(OURS)]}}
    owner, pinned = target(strategy={"rollingUpdate": {"maxSurge": 0}}), template(affinity=affinity)
    before = copy.deepcopy((owner, pinned))
    found = built(owner, pinned)
    found["spec"]["selector"]["matchLabels"]["x"] = "y"
    found["spec"]["template"]["spec"]["containers"].clear()
    assert (owner, pinned) == before
