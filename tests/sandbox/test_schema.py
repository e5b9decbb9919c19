"""Validation, defaults and pruning against structural schemas."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from canary.sandbox.apiserver.schema import Cause, default, prune, unknown_fields, validate

VERDICTS = [json.loads(line) for line in (Path(__file__).parent / "schema_verdicts.jsonl").read_text().splitlines()]


def obj(**properties):
    return {"type": "object", "properties": properties}


def spec(**properties):
    return obj(spec=obj(**properties))


def triples(causes):
    return sorted([cause.field, cause.reason, cause.message] for cause in causes)


@pytest.mark.parametrize("case", VERDICTS, ids=lambda case: json.dumps(case["value"])[:60])
def test_the_verdict_is_that_of_the_real_server(case):
    """The file holds what k8s.io/apiextensions-apiserver 0.36.3 said of random schemas and values."""
    given = copy.deepcopy(case)
    old = {"old": case["old"]} if "old" in case else {}

    assert triples(validate(case["schema"], case["value"], **old)) == sorted(case["causes"])
    assert default(case["schema"], case["value"]) == case["defaulted"]
    assert prune(case["schema"], case["value"]) == case["pruned"]
    assert unknown_fields(case["schema"], case["value"]) == [f'unknown field "{path}"' for path in case["unknown"]]
    assert case == given


@pytest.mark.parametrize(
    ("schema", "value", "reason", "message"),
    [
        (
            {"type": "integer", "minimum": 1},
            0,
            "FieldValueInvalid",
            "Invalid value: 0: spec.x in body should be greater than or equal to 1",
        ),
        (
            {"type": "integer", "maximum": 100},
            200,
            "FieldValueInvalid",
            "Invalid value: 200: spec.x in body should be less than or equal to 100",
        ),
        (
            {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            0,
            "FieldValueInvalid",
            "Invalid value: 0: spec.x in body should be greater than 0",
        ),
        (
            {"type": "number", "multipleOf": 0.5},
            0.3,
            "FieldValueInvalid",
            "Invalid value: 0.3: spec.x in body should be a multiple of 0.5",
        ),
        (
            {"type": "integer"},
            "5",
            "FieldValueTypeInvalid",
            'Invalid value: "string": spec.x in body must be of type integer: "string"',
        ),
        (
            {"type": "integer", "format": "int32"},
            1 << 31,
            "FieldValueInvalid",
            'Invalid value: "": Checked value must be of type integer with format int32 in spec.x',
        ),
        (
            {"type": "string", "enum": ["Hold", "Rollback"]},
            "Stop",
            "FieldValueNotSupported",
            'Unsupported value: "Stop": supported values: "Hold", "Rollback"',
        ),
        (
            {"type": "string", "pattern": "^[a-z]+$"},
            "A",
            "FieldValueInvalid",
            "Invalid value: \"A\": spec.x in body should match '^[a-z]+$'",
        ),
        ({"type": "string", "maxLength": 2}, "abc", "FieldValueTooLong", "Too long: may not be more than 2 bytes"),
        (
            {"type": "string", "minLength": 2},
            "ü",
            "FieldValueInvalid",
            'Invalid value: "ü": spec.x in body should be at least 2 chars long',
        ),
        (
            {"type": "string", "format": "date-time"},
            "yesterday",
            "FieldValueTypeInvalid",
            'Invalid value: "yesterday": spec.x in body must be of type date-time: "yesterday"',
        ),
        (
            {"type": "array", "maxItems": 1, "items": {"type": "string"}},
            ["a", "b"],
            "FieldValueTooMany",
            "Too many: 2: must have at most 1 item",
        ),
        (
            {"type": "array", "minItems": 1, "items": {"type": "string"}},
            [],
            "FieldValueInvalid",
            "Invalid value: 0: spec.x in body should have at least 1 items",
        ),
        (
            {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
            {},
            "FieldValueInvalid",
            "Invalid value: 0: spec.x in body should have at least 1 properties",
        ),
        (
            {"x-kubernetes-int-or-string": True},
            True,
            "FieldValueTypeInvalid",
            'Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean"',
        ),
        (
            {"type": "string"},
            None,
            "FieldValueTypeInvalid",
            'Invalid value: "null": spec.x in body must be of type string: "null"',
        ),
    ],
    ids=lambda part: part if isinstance(part, str) and " " not in part else None,
)
def test_a_refused_value_is_named_as_users_know_it(schema, value, reason, message):
    field = "<nil>" if message.startswith('Invalid value: "": ') else "spec.x"

    assert validate(spec(x=schema), {"spec": {"x": value}}) == [Cause(field, reason, message)]


def test_lengths_are_counted_in_characters():
    assert validate(spec(x={"type": "string", "maxLength": 2}), {"spec": {"x": "üü"}}) == []


def test_a_missing_field_is_required():
    schema = obj(spec={**obj(a={"type": "string"}), "required": ["a"]})

    assert validate(schema, {"spec": {}}) == [Cause("spec.a", "FieldValueRequired", "Required value")]


def test_a_branch_that_fits_best_explains_one_of():
    schema = spec(x={"type": "object", "oneOf": [{"required": ["steps"]}, {"required": ["ramp"]}]})

    causes = validate(schema, {"spec": {"x": {}}})

    sentence = 'Invalid value: "": "spec.x" must validate one and only one schema (oneOf). Found none valid'
    assert Cause("<nil>", "FieldValueInvalid", sentence) in causes
    assert Cause("spec.x.steps", "FieldValueRequired", "Required value") in causes


def test_two_branches_of_one_of_are_one_too_many():
    schema = spec(x={"type": "object", "oneOf": [{"required": ["a"]}, {"required": ["b"]}]})

    causes = validate(schema, {"spec": {"x": {"a": 1, "b": 1}}})

    assert [cause.message[-32:] for cause in causes] == ["(oneOf). Found 2 valid alternatives"[-32:]]


def keyed_list():
    items = obj(name={"type": "string"}, weight={"type": "integer", "maximum": 100})
    keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return {"type": "array", "items": items, **keys}


def test_a_key_that_occurs_twice_is_a_duplicate():
    causes = validate(spec(m=keyed_list()), {"spec": {"m": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}})

    assert causes == [Cause("spec.m[2]", "FieldValueDuplicate", 'Duplicate value: {"name":"a"}')]


def test_an_element_of_a_set_that_occurs_twice_is_a_duplicate():
    schema = spec(s={"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"})

    assert validate(schema, {"spec": {"s": ["a", "b", "a"]}}) == [
        Cause("spec.s[2]", "FieldValueDuplicate", 'Duplicate value: "a"')
    ]


def test_true_is_not_one():
    schema = spec(x={"type": "integer", "enum": [1]}, s={"type": "array", "x-kubernetes-list-type": "set"})

    fields = {cause.field for cause in validate(schema, {"spec": {"x": True, "s": [1, True]}})}

    assert fields == {"spec.x"}


def test_an_embedded_resource_says_what_it_is():
    schema = spec(template={**obj(), "x-kubernetes-embedded-resource": True})

    fields = [cause.field for cause in validate(schema, {"spec": {"template": {}}})]

    assert fields == ["spec.template.apiVersion", "spec.template.kind"]


def test_an_update_does_not_judge_again_what_it_leaves():
    schema = spec(x={"type": "integer", "maximum": 1}, y={"type": "integer", "maximum": 1})
    old = {"spec": {"x": 5, "y": 5}}

    assert validate(schema, old, old=old) == []
    assert [cause.field for cause in validate(schema, {"spec": {"x": 5, "y": 6}}, old=old)] == ["spec.y"]


def test_an_update_knows_the_items_of_a_keyed_list_by_their_key():
    old = {"spec": {"m": [{"name": "a", "weight": 500}, {"name": "b", "weight": 1}]}}
    moved = {"spec": {"m": [{"name": "c", "weight": 2}, {"name": "a", "weight": 500}]}}
    raised = {"spec": {"m": [{"name": "b", "weight": 500}]}}

    assert validate(spec(m=keyed_list()), moved, old=old) == []
    assert [cause.field for cause in validate(spec(m=keyed_list()), raised, old=old)] == ["spec.m[0].weight"]


def test_defaults_fill_what_is_absent_at_every_depth():
    schema = spec(
        analysis={**obj(interval={"type": "string", "default": "30s"}), "default": {}},
        metrics={"type": "array", "items": obj(kind={"type": "string", "default": "latency"})},
    )

    assert default(schema, {"spec": {"metrics": [{}]}}) == {
        "spec": {"analysis": {"interval": "30s"}, "metrics": [{"kind": "latency"}]}
    }


def test_a_default_does_not_make_its_parent():
    assert default(spec(x={"type": "string", "default": "a"}), {}) == {}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string", "default": "a"}, {"x": "a"}),
        ({"type": "string", "default": "a", "nullable": True}, {"x": None}),
        ({"type": "string"}, {}),
        ({"type": "string", "nullable": True}, {"x": None}),
    ],
)
def test_a_null_takes_the_default_or_goes_unless_it_is_allowed(schema, expected):
    assert default(spec(x=schema), {"spec": {"x": None}}) == {"spec": expected}


def test_a_default_is_not_shared_between_objects():
    schema = spec(x={"type": "array", "items": {"type": "string"}, "default": []})

    default(schema, {"spec": {}})["spec"]["x"].append("a")

    assert default(schema, {"spec": {}}) == {"spec": {"x": []}}


def test_pruning_drops_what_the_schema_does_not_name():
    schema = spec(x={"type": "string"}, free={"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    value = {"spec": {"x": "a", "y": 1, "free": {"z": [1]}}, "other": 1}

    assert prune(schema, value) == {"spec": {"x": "a", "free": {"z": [1]}}}
    assert unknown_fields(schema, value) == ['unknown field "other"', 'unknown field "spec.y"']


def test_pruning_keeps_type_and_metadata_whatever_the_schema_says():
    value = {"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a", "labels": {"x": "y"}, "nonsense": 1}}

    assert prune(obj(), value) == {**value, "metadata": {"name": "a", "labels": {"x": "y"}}}
    assert unknown_fields(obj(), value) == ['unknown field "metadata.nonsense"']


def test_an_unknown_field_in_a_list_is_named_by_its_index():
    schema = spec(steps={"type": "array", "items": obj(weight={"type": "integer"})})

    assert unknown_fields(schema, {"spec": {"steps": [{"weight": 1}, {"wait": 2}]}}) == [
        'unknown field "spec.steps[1].wait"'
    ]
