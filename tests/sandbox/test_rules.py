"""Rules of a schema, judged by their twins in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from canary.sandbox.apiserver.rules import violations
from canary.sandbox.apiserver.schema import Cause


@dataclass(frozen=True)
class Twin:
    cel: str
    holds: Callable[[Any, Any], bool]
    message: str = ""
    reason: str = "FieldValueInvalid"


def registry(*twins):
    return {twin.cel: twin for twin in twins}


ASCENDING = Twin("self.low <= self.high", lambda new, _old: new["low"] <= new["high"], "low must not exceed high")
IMMUTABLE = Twin("self == oldSelf", lambda new, old: new == old)
SMALL = Twin("self < 10", lambda new, _old: new < 10)
KNOWN = registry(ASCENDING, IMMUTABLE, SMALL)


def bounds(**rule):
    number = {"type": "integer"}
    return {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {"low": number, "high": number},
                "x-kubernetes-validations": [{"rule": ASCENDING.cel, "message": "low must not exceed high", **rule}],
            }
        },
    }


def field(rule, **schema):
    return {
        "type": "object",
        "properties": {"x": {"type": "integer", "x-kubernetes-validations": [{"rule": rule}], **schema}},
    }


BAD = {"spec": {"low": 2, "high": 1}}
GOOD = {"spec": {"low": 1, "high": 2}}


def test_a_rule_that_holds_says_nothing():
    assert violations(bounds(), GOOD, registry=KNOWN) == []


def test_a_rule_that_is_broken_says_its_message_and_not_the_whole_object():
    assert violations(bounds(), BAD, registry=KNOWN) == [
        Cause("spec", "FieldValueInvalid", "Invalid value: low must not exceed high")
    ]


def test_a_rule_of_a_number_shows_the_number():
    assert violations(field(SMALL.cel), {"x": 12}, registry=KNOWN) == [
        Cause("x", "FieldValueInvalid", "Invalid value: 12: failed rule: self < 10")
    ]


def test_a_rule_can_point_at_a_field_below():
    (cause,) = violations(bounds(fieldPath=".low"), BAD, registry=KNOWN)

    assert cause.field == "spec.low"


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("FieldValueRequired", "Required value: low must not exceed high"),
        ("FieldValueForbidden", "Forbidden: low must not exceed high"),
        ("FieldValueDuplicate", "Duplicate value"),
        ("FieldValueInvalid", "Invalid value: low must not exceed high"),
    ],
)
def test_a_rule_can_have_another_reason(reason, message):
    assert violations(bounds(reason=reason), BAD, registry=KNOWN) == [Cause("spec", reason, message)]


def test_a_message_that_is_an_expression_is_that_of_the_twin():
    schema = bounds(message="", messageExpression="'low must not ' + 'exceed high'")

    assert violations(schema, BAD, registry=KNOWN)[0].message == "Invalid value: low must not exceed high"


def test_a_rule_without_a_twin_is_not_judged():
    assert violations(bounds(), BAD, registry={}) == []


def test_a_rule_about_a_change_waits_for_one():
    schema = field(IMMUTABLE.cel)

    assert violations(schema, {"x": 1}, registry=KNOWN) == []
    assert violations(schema, {"x": 1}, {}, registry=KNOWN) == []
    assert violations(schema, {"x": 1}, {"x": 1}, registry=KNOWN) == []
    assert [cause.field for cause in violations(schema, {"x": 1}, {"x": 2}, registry=KNOWN)] == ["x"]


def test_a_rule_about_a_change_finds_the_item_with_the_same_key():
    items = {"type": "object", "properties": {"name": {"type": "string"}, **field(IMMUTABLE.cel)["properties"]}}
    keyed = {"type": "array", "items": items, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    schema = {"type": "object", "properties": {"list": keyed}}
    old = {"list": [{"name": "a", "x": 1}, {"name": "b", "x": 2}]}

    moved = violations(schema, {"list": [{"name": "b", "x": 2}, {"name": "a", "x": 1}]}, old, registry=KNOWN)
    changed = violations(schema, {"list": [{"name": "b", "x": 1}]}, old, registry=KNOWN)

    assert moved == []
    assert [cause.field for cause in changed] == ["list[0].x"]


def test_what_an_update_leaves_as_it_was_is_not_refused():
    assert violations(bounds(), BAD, BAD, registry=KNOWN) == []
    assert violations(bounds(), {"spec": {"low": 3, "high": 1}}, BAD, registry=KNOWN) != []


def test_a_null_is_not_judged():
    assert violations(field(SMALL.cel, nullable=True), {"x": None}, registry=KNOWN) == []


def test_no_rule_is_judged_when_types_are_in_doubt_and_the_answer_says_so():
    (cause,) = violations(bounds(), {"spec": {"low": "2", "high": 1}}, registry=KNOWN)

    assert cause.field == "<nil>"
    assert cause.message.startswith("Invalid value: null: some validation rules were not checked")


def test_nothing_is_said_of_unjudged_rules_where_there_are_none():
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}

    assert violations(schema, {"x": "a"}, registry=KNOWN) == []


def test_rules_of_a_value_out_of_bounds_are_judged_all_the_same():
    schema = field(SMALL.cel, maximum=5)

    assert [cause.field for cause in violations(schema, {"x": 12}, registry=KNOWN)] == ["x"]
