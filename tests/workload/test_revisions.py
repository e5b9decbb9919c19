"""Which revision a template is: the same for every way of writing it, another for every change."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.workload.config import ABSENT, ConfigRef
from canary.workload.template import canonical, only_added, revision_of, template_digest
from tests.workload.templates import JSON, TEMPLATES, rewritten, template

GOLDEN = json.loads((Path(__file__).parent / "revisions.json").read_text("utf-8"))
FLAGS = ConfigRef("ConfigMap", "flags")


def config_of(vector):
    return {ConfigRef(kind, name): digest for kind, name, digest in vector["config"]}


@pytest.mark.parametrize("vector", GOLDEN, ids=[vector["name"] for vector in GOLDEN])
def test_a_revision_has_the_name_that_it_always_had(vector):
    # When this fails, every workload of every cluster would roll out by itself on upgrade: count FORM up instead,
    # and have the controller take the old name for an alias.
    assert revision_of(vector["template"], config_of(vector)) == vector["revision"]


def test_the_golden_revisions_differ_but_for_the_two_that_are_written_differently():
    names = [vector["revision"] for vector in GOLDEN]
    assert len(names) == len(set(names)) + 1


def test_the_form_that_is_hashed_is_compact_sorted_ascii():
    pod = {"spec": {"b": [1, None, 1.5], "a": None, "é": True}, "metadata": {"creationTimestamp": None}}
    assert canonical(pod) == rb'{"spec":{"b":[1,null,1.5],"\u00e9":true}}'


@given(TEMPLATES)
def test_a_name_is_a_label_value_and_part_of_an_object_name(pod):
    assert re.fullmatch(r"v1-[0-9a-f]{16}", revision_of(pod, {}))


@given(TEMPLATES, st.randoms(use_true_random=False))
def test_the_order_of_keys_and_nulls_play_no_part(pod, rng):
    assert canonical(rewritten(pod, rng)) == canonical(pod)


def test_a_replica_set_has_the_revision_of_its_deployment():
    marked = template()
    marked["metadata"]["labels"] |= {"pod-template-hash": "5b9c", "controller-revision-hash": "x-1"}
    marked["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    assert revision_of(marked, {}) == revision_of(template(), {})


def test_empty_labels_annotations_and_metadata_are_as_good_as_none():
    bare = {"spec": template()["spec"]}
    assert template_digest({"metadata": {"labels": {}, "annotations": {}}, **bare}) == template_digest(bare)


def test_an_empty_map_elsewhere_counts():
    assert template_digest(template(securityContext={})) != template_digest(template())


def test_the_order_of_a_list_counts():
    first, second = {"name": "a"}, {"name": "b"}
    assert template_digest(template(volumes=[first, second])) != template_digest(template(volumes=[second, first]))


def test_numbers_text_and_truth_are_told_apart():
    values = [1, 1.0, "1", True]
    assert len({template_digest(template(x=value)) for value in values}) == len(values)


@pytest.mark.parametrize(
    "change",
    [
        {"containers": [{"name": "web", "image": "web:2"}]},
        {"containers": [{"name": "web", "image": "web:1", "env": [{"name": "A"}]}]},
        {"terminationGracePeriodSeconds": 0},
        {"dnsPolicy": ""},
        {"hostNetwork": False},
    ],
)
def test_a_change_is_another_revision(change):
    assert revision_of(template(**change), {}) != revision_of(template(), {})


def test_a_restart_that_was_asked_for_is_a_revision():
    restarted = template()
    restarted["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    assert revision_of(restarted, {}) != revision_of(template(), {})


def test_content_absence_and_no_tracking_of_configuration_are_three_things():
    found = [revision_of(template(), config) for config in ({FLAGS: "aa"}, {FLAGS: "bb"}, {FLAGS: ABSENT}, {})]
    assert len(set(found)) == 4


def test_the_order_of_configuration_plays_no_part():
    secret = ConfigRef("Secret", "flags")
    one, other = {FLAGS: "aa", secret: "bb"}, {secret: "bb", FLAGS: "aa"}
    assert revision_of(template(), one) == revision_of(template(), other)
    assert revision_of(template(), {FLAGS: "bb", secret: "aa"}) != revision_of(template(), one)


def test_whether_a_reference_is_optional_is_the_templates_to_say():
    assert revision_of(template(), {FLAGS._replace(optional=True): "aa"}) == revision_of(template(), {FLAGS: "aa"})


@given(JSON)
def test_whatever_is_no_template_has_a_revision_too(junk):
    assert revision_of(junk, {})


@given(TEMPLATES)
def test_nothing_of_a_template_is_changed(pod):
    before = copy.deepcopy(pod)
    revision_of(pod, {})
    only_added(pod, pod)
    assert pod == before


# --- only_added


@given(TEMPLATES, st.randoms(use_true_random=False))
def test_a_template_has_everything_of_itself(pod, rng):
    assert only_added(pod, rewritten(pod, rng))


@given(TEMPLATES, st.data())
def test_a_further_key_anywhere_could_be_a_default(pod, data):
    live = copy.deepcopy(pod)
    data.draw(st.sampled_from(list(maps_of(live))))["defaulted"] = "Always"
    assert only_added(pod, live)
    assert not only_added(live, pod)


@given(TEMPLATES, st.data())
def test_another_value_anywhere_is_no_default(pod, data):
    pinned = json.loads(canonical(pod))
    live = copy.deepcopy(pinned)
    holder = data.draw(st.sampled_from([found for found in maps_of(live) if found]))
    holder[data.draw(st.sampled_from(sorted(holder)))] = "another"
    assert not only_added(pinned, live)


def maps_of(value):
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from maps_of(item)


@pytest.mark.parametrize(
    ("pinned", "live"),
    [
        ([1], [1, 2]),
        ([1, 2], [1]),
        ([1, 2], [2, 1]),
        (1, True),
        (0, False),
        (1, 1.0),
        ("1", 1),
        ({}, []),
        ({"a": {}}, {"a": None}),
        ({"a": 1}, {}),
        ([{"a": 1}], [{"a": 2, "b": 1}]),
    ],
)
def test_this_is_no_mere_addition(pinned, live):
    assert not only_added(template(x=pinned), template(x=live))


def test_what_was_null_may_be_filled_in():
    assert only_added(template(dnsPolicy=None), template(dnsPolicy="ClusterFirst"))


def test_the_marks_of_controllers_are_not_missed():
    marked = template()
    marked["metadata"]["labels"] = {"app": "web", "pod-template-hash": "5b9c"}
    assert only_added(marked, template())
