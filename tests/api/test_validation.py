"""The controller judges a spec by itself, as an API server would, and says everything at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.canary import Analysis, Canary, CanarySpec, ServicePort, TargetRef
from canary.api.crd import schema
from canary.api.meta import ObjectMeta
from canary.api.rules import RULES
from canary.api.validation import FieldError, InvalidSpec, defaulted, load_spec, validate
from canary.sandbox.apiserver import schema as server

SPEC = schema()["properties"]["spec"]


def canary(spec: Any) -> Canary:
    return Canary(ObjectMeta(name="web"), msgspec.Raw(msgspec.json.encode(spec)))


def test_a_good_spec_is_accepted(good: dict[str, Any]) -> None:
    assert validate(good["spec"]) == ()


def test_a_good_spec_is_read(good: dict[str, Any]) -> None:
    spec = load_spec(canary(good["spec"]))
    assert spec.service.name == good["spec"]["service"]["name"]
    assert (spec.target_ref is None) != (spec.backends is None)


def test_a_bad_spec_is_refused_and_the_field_named(bad: dict[str, Any]) -> None:
    errors = validate(bad["spec"])
    assert [error for error in errors if bad["field"] in str(error)], errors


def test_a_bad_spec_is_not_read(bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as refused:
        load_spec(canary(bad["spec"]))
    assert bad["field"] in str(refused.value)


def test_no_field_is_named_twice_for_one_fault(bad: dict[str, Any]) -> None:
    errors = validate(bad["spec"])
    assert len(set(errors)) == len(errors)


def test_every_error_says_what_is_allowed(bad: dict[str, Any]) -> None:
    assert [error for error in validate(bad["spec"]) if "must" not in error.message] == []


def test_the_schema_judges_as_the_embedded_server_does(bad: dict[str, Any]) -> None:
    filled = defaulted(bad["spec"])
    # A number that is no int32 has a second cause there, which names no field.
    theirs = {cause.field for cause in server.validate(SPEC, filled, path="spec")} - {"<nil>"}
    mine = {error.field for error in validate(bad["spec"])}
    assert {field for field in theirs if not any(own.startswith(field) for own in mine)} == set()


def test_defaults_are_those_of_the_embedded_server(good: dict[str, Any]) -> None:
    assert defaulted(good["spec"]) == server.default(SPEC, good["spec"])


def test_a_change_is_judged_by_its_new_spec_alone(change: dict[str, Any]) -> None:
    assert validate(change["spec"]) == ()


def test_all_errors_come_at_once(spec: Callable[..., dict[str, Any]]) -> None:
    bad = spec(
        backends={"stable": "web", "canary": "web"},
        steps=[{"weight": 50}, {"weight": 200}, {"approval": "QA"}],
        ramp={"from": 9, "to": 5, "increment": 1, "hold": "1m"},
        speed=5,
        analysis={"interval": "1ns", "metrics": [{"name": "a", "min": "0"}, {"name": "a"}]},
    )
    assert {error.field for error in validate(bad)} == {
        "spec",
        "spec.speed",
        "spec.backends.stable",
        "spec.backends.canary",
        "spec.steps[1].weight",
        "spec.steps[2].approval",
        "spec.ramp.from",
        "spec.analysis.interval",
        "spec.analysis.metrics[0].min",
        "spec.analysis.metrics[1]",
        "spec.analysis.metrics[1].name",
    }


def test_a_rule_is_silent_about_what_is_malformed(spec: Callable[..., dict[str, Any]]) -> None:
    bad = spec(steps=[{"weight": "50"}, {"weight": 10}], backends={"stable": "web-v1"})
    assert [error.field for error in validate(bad)] == ["spec.backends.canary", "spec.steps[0].weight"]


def test_a_rule_speaks_beside_a_fault_that_it_does_not_look_at(spec: Callable[..., dict[str, Any]]) -> None:
    bad = spec(ramp={"from": 500, "to": 5, "increment": 1, "hold": "1m"})
    assert [error.field for error in validate(bad)] == ["spec.ramp.from", "spec"]


def test_the_errors_of_a_huge_list_stay_few(spec: Callable[..., dict[str, Any]]) -> None:
    errors = validate(spec(steps=[{"weight": -1}] * 100_000))
    assert errors[0] == FieldError("spec.steps", "must have at most 50 items")
    assert len(errors) == 51


def test_an_old_object_without_defaults_gets_them(spec: Callable[..., dict[str, Any]]) -> None:
    read = load_spec(canary(spec()))
    assert read.analysis == Analysis()
    assert read.progress_deadline == "10m"


def test_the_target_of_a_managed_spec_is_a_deployment_when_nothing_else_is_said(managed: dict[str, Any]) -> None:
    read = load_spec(canary(managed))
    assert read.backends is None
    assert read.target_ref == TargetRef(api_version="apps/v1", kind="Deployment", name="web")


def test_defaults_of_managed_mode_are_not_written_into_the_spec(
    managed: dict[str, Any], spec: Callable[..., dict[str, Any]]
) -> None:
    for value in (managed, spec()):
        read = load_spec(canary(value))
        assert (read.scale, read.service.adoption) == ("Proportional", "IfFree")
        assert {"canaryScale", "autoscaler"} & defaulted(value).keys() == set()
        assert defaulted(value)["service"] == {"name": "web"}


def test_what_a_managed_spec_says_counts(managed: dict[str, Any]) -> None:
    service = {"name": "web", "adopt": "Force", "ports": [{"port": 80, "targetPort": "http"}]}
    read = load_spec(canary(managed | {"canaryScale": 3, "service": service}))
    assert (read.scale, read.service.adoption) == (3, "Force")
    assert read.service.ports == (ServicePort(port=80, target_port="http"),)


def test_a_misplaced_field_is_told_whatever_is_wrong_beside_it(spec: Callable[..., dict[str, Any]]) -> None:
    bad = spec(service={"name": "Web", "adopt": "Force"})
    assert [error.field for error in validate(bad)] == ["spec.service.name", "spec.service.adopt"]


@pytest.mark.parametrize("service", [5, [], "web", None])
def test_a_service_of_the_wrong_type_has_no_misplaced_fields(service: Any, spec: Callable[..., dict[str, Any]]) -> None:
    assert [error.field for error in validate(spec(service=service))] == ["spec.service"]


def test_nothing_that_was_given_is_replaced_by_a_default(spec: Callable[..., dict[str, Any]]) -> None:
    read = load_spec(canary(spec(analysis={"interval": "1m"}, suspend=True)))
    assert (read.analysis.interval, read.analysis.warmup, read.suspend) == ("1m", "60s", True)


def test_defaulting_leaves_its_argument_alone(spec: Callable[..., dict[str, Any]]) -> None:
    given_spec = spec(ramp=None)
    defaulted(given_spec)
    assert given_spec == spec(ramp=None)


def test_two_specs_do_not_share_their_defaults(spec: Callable[..., dict[str, Any]]) -> None:
    defaulted(spec())["analysis"]["metrics"].clear()
    assert len(defaulted(spec())["analysis"]["metrics"]) == 2


@pytest.mark.parametrize("spec_json", [b"null", b"[]", b'"web"', b"5", b"{}", b"{", b""])
def test_what_is_no_spec_is_refused(spec_json: bytes) -> None:
    with pytest.raises(InvalidSpec, match="spec"):
        load_spec(Canary(ObjectMeta(), msgspec.Raw(spec_json)))


def test_an_object_without_a_spec_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.service: must be set"):
        load_spec(Canary(ObjectMeta()))


# Not 5.0: schemas take it for a whole number, rules do not, and it is stored as 5.
FLOATS = st.floats(-1e3, 1e3).filter(lambda number: not number.is_integer())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | FLOATS | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["weight", "name", "steps", "min", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
RULE_MESSAGES = {rule.message for rule in RULES}
FIELDS = [*SPEC["properties"], "unknown"]


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_json_is_either_read_or_refused(top: dict[str, Any], inner: dict[str, Any]) -> None:
    base = {"backends": {"stable": "a", "canary": "b"}, "service": {"name": "c"}, "steps": [{"weight": 5}]}
    managed = {**base, "backends": None, "targetRef": {"name": "web"}}
    for value in (top, {**base, **top}, {**base, "analysis": inner}, {**managed, **top}):
        errors = validate(value)
        if errors:
            with pytest.raises(InvalidSpec) as refused:
                load_spec(canary(value))
            assert refused.value.errors == errors
        else:
            assert isinstance(load_spec(canary(value)), CanarySpec)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_json_has_the_same_structure_errors_as_in_the_embedded_server(
    top: dict[str, Any], inner: dict[str, Any]
) -> None:
    for value in (top, {**top, "analysis": inner}, {**top, "steps": [inner]}):
        filled = defaulted(value)
        mine = [e for e in validate(value) if e.message not in RULE_MESSAGES and "is unknown" not in e.message]
        assert bool(mine) == bool(server.validate(SPEC, filled, path="spec")), (mine, value)
