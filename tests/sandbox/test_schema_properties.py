"""Laws that hold for every schema and every value."""

from __future__ import annotations

import copy

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.sandbox.apiserver.schema import default, prune, unknown_fields, validate

KEYS = st.sampled_from(["a", "b", "c", "name", "metadata"])
# A definition says nothing of the object's own metadata.
ROOT_KEYS = KEYS.filter(lambda key: key != "metadata")
SCALARS = st.none() | st.booleans() | st.integers(-5, 200) | st.sampled_from(["", "a", "ab", "10s", "x y"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def leaf(kind, **bounds):
    return st.fixed_dictionaries({"type": st.just(kind)}, optional={**bounds, "nullable": st.booleans()})


LEAVES = (
    leaf("string", maxLength=st.integers(0, 3), pattern=st.sampled_from(["^a", "s$", "^$"]), default=st.just("ab"))
    | leaf("integer", minimum=st.integers(-5, 5), maximum=st.integers(0, 100), default=st.integers(-9, 9))
    | leaf("boolean", default=st.booleans())
    | st.just({"x-kubernetes-int-or-string": True})
    | st.just({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
)


def only_known_required(schema):
    """What is required of an object and no field of it can never be kept."""
    required = [key for key in schema.get("required", ()) if key in schema["properties"]]
    return {**schema, "required": required} if "required" in schema else schema


def wider(inner):
    named = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(KEYS, inner, max_size=3)},
        optional={"required": st.lists(KEYS, max_size=2), "default": st.just({}), "nullable": st.booleans()},
    ).map(only_known_required)
    mapped = st.fixed_dictionaries({"type": st.just("object"), "additionalProperties": inner})
    listed = st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(0, 3)})
    return named | mapped | listed


SCHEMAS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(ROOT_KEYS, st.recursive(LEAVES, wider, max_leaves=6), max_size=4),
    }
)


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_pruning_twice_is_pruning_once_and_leaves_nothing_unknown(schema, value):
    pruned = prune(schema, value)

    assert prune(schema, pruned) == pruned
    assert unknown_fields(schema, pruned) == []


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_nothing_is_dropped_exactly_when_nothing_is_unknown(schema, value):
    assert (prune(schema, value) == value) is (unknown_fields(schema, value) == [])


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_defaulting_twice_is_defaulting_once(schema, value):
    filled = default(schema, value)

    assert default(schema, filled) == filled


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_a_valid_object_stays_valid_when_what_is_unknown_goes(schema, value):
    if not validate(schema, value):
        assert validate(schema, prune(schema, value)) == []


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, OBJECTS)
def test_an_object_that_is_written_back_unchanged_is_accepted(schema, value):
    stored = prune(schema, value)

    assert validate(schema, stored, old=stored) == []


@settings(max_examples=300, deadline=None)
@given(SCHEMAS, OBJECTS, OBJECTS)
def test_arguments_are_never_changed(schema, value, old):
    before = copy.deepcopy((schema, value, old))

    validate(schema, value, old=old)
    default(schema, value)
    prune(schema, value)

    assert (schema, value, old) == before
