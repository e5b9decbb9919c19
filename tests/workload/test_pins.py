"""A pin comes back from its ControllerRevision as it went in; what is no pin is none."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.names import ALIASES_ANNOTATION, REVISION_ANNOTATION, TARGET_ANNOTATION
from canary.workload.pins import MOST_ALIASES, Pin, pin_body, pin_name, read_pin
from tests.workload.templates import JSON, TEMPLATES, spoiled, template

REVISION = "v1-0123456789abcdef"
REVISIONS = st.from_regex(r"v[1-9]-[0-9a-f]{16}", fullmatch=True)
PINS = st.builds(
    Pin,
    revision=REVISIONS,
    template=TEMPLATES,
    config=st.dictionaries(st.from_regex(r"(ConfigMap|Secret)/[a-z]{1,5}", fullmatch=True), st.text(max_size=5)),
    aliases=st.lists(REVISIONS, max_size=3).map(tuple),
)


def body(pin=None, **more):
    pin = pin or Pin(REVISION, template())
    return pin_body(pin_name("web", pin.revision), "shop", "web", pin, {"ours": "l"}, {"ours": "a"}, 3) | more


@given(PINS)
def test_a_pin_comes_back_as_it_was(pin):
    assert read_pin(json.loads(json.dumps(body(pin)))) == pin


def test_a_pin_is_a_controller_revision_with_our_metadata():
    made = body(Pin(REVISION, template(), aliases=("v1-a", "v1-b")))
    assert (made["apiVersion"], made["kind"]) == ("apps/v1", "ControllerRevision")
    assert made["revision"] == 3
    assert made["metadata"] == {
        "name": f"web-{REVISION}",
        "namespace": "shop",
        "labels": {"ours": "l"},
        "annotations": {
            "ours": "a",
            REVISION_ANNOTATION: REVISION,
            TARGET_ANNOTATION: "web",
            ALIASES_ANNOTATION: "v1-a,v1-b",
        },
    }


def test_an_alias_leaves_the_data_as_it_is():
    pin = Pin(REVISION, template())
    assert body(pin.with_alias("v1-a"))["data"] == body(pin)["data"]


def test_items_of_a_list_are_read_although_they_have_no_kind():
    item = body()
    del item["kind"], item["apiVersion"]
    assert read_pin(item) == Pin(REVISION, template())


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"metadata": None},
        body(metadata={"name": "web-5b9c"}),
        body(metadata={"annotations": None}),
        body(metadata={"annotations": {REVISION_ANNOTATION: ""}}),
        body(metadata={"annotations": {REVISION_ANNOTATION: 7}}),
        body(kind="ConfigMap"),
        body(data=None),
        body(data={"spec": {"template": template()}}),
        body(data={"form": 2, "template": template(), "config": {}}),
        body(data={"form": 1, "template": [], "config": {}}),
        body(data={"form": 1, "template": template(), "config": {"a": 1}}),
        body(data={"form": True, "template": template()}),
    ],
)
def test_what_is_no_pin_of_ours_is_none(foreign):
    assert read_pin(foreign) is None


@given(PINS, st.randoms(use_true_random=False), JSON)
def test_a_spoiled_pin_is_a_pin_or_none(pin, rng, junk):
    damaged = spoiled(body(pin), rng, junk)
    if isinstance(damaged, dict):
        found = read_pin(damaged)
        assert found is None or isinstance(found.template, dict)


def test_a_pin_shares_nothing_with_its_body():
    pin = Pin(REVISION, template())
    body(pin)["data"]["template"]["spec"]["hostNetwork"] = True
    assert pin == Pin(REVISION, template())


@given(st.from_regex(r"[a-z]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True))
def test_the_name_of_a_pin_fits_and_ends_with_its_revision(target):
    name = pin_name(target, REVISION)
    assert len(name) <= 253
    assert name.endswith(f"-{REVISION}")
    assert re.match(r"[a-z]", name)


def test_long_targets_that_begin_alike_have_different_pins():
    assert pin_name("a" * 250 + "b", REVISION) != pin_name("a" * 250 + "c", REVISION)


# --- aliases


def test_a_pin_stands_for_its_revision_and_its_aliases():
    pin = Pin(REVISION, template()).with_alias("v1-a")
    assert pin.stands_for(REVISION)
    assert pin.stands_for("v1-a")
    assert not pin.stands_for("v1-b")


def test_an_alias_is_added_once_and_the_revision_itself_never():
    pin = Pin(REVISION, template())
    assert pin.with_alias(REVISION) is pin
    assert pin.with_alias("v1-a").with_alias("v1-a").aliases == ("v1-a",)


def test_the_oldest_alias_goes():
    pin = Pin(REVISION, template())
    for number in range(MOST_ALIASES + 1):
        pin = pin.with_alias(f"v1-{number}")
    assert pin.aliases == tuple(f"v1-{number}" for number in range(1, MOST_ALIASES + 1))
