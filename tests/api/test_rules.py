"""Every rule means the same in CEL and in Python."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cel
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.rules import RULES, Rule, by_cel

WEEK = "168h0m0.001s"
PODS = {"stable": "web-v1", "canary": "web-v2"}
WEB = {"name": "web"}
TARGET = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def managed(**service: Any) -> dict[str, Any]:
    return {"targetRef": TARGET, "service": WEB | service}


def unmanaged(**service: Any) -> dict[str, Any]:
    return {"backends": PODS, "service": WEB | service}


# For each rule, by the path where it stands or points and a part of its message: values that it accepts and refuses.
CASES: tuple[tuple[str, str, list[Any], list[Any]], ...] = (
    ("spec", "exactly one of `steps` and `ramp`", [{"steps": []}, {"ramp": {}}], [{}, {"steps": [], "ramp": {}}]),
    (
        "spec.steps[]",
        "exactly one of `weight` and `approval`",
        [{"weight": 5}, {"approval": "qa"}],
        [{}, {"hold": "1m"}, {"weight": 5, "approval": "qa"}],
    ),
    (
        "spec.steps[]",
        "must stand beside a `weight`",
        [{"approval": "qa"}, {"weight": 5, "hold": "1m", "minRequests": 5}],
        [{"approval": "qa", "hold": "1m"}, {"approval": "qa", "minRequests": 5}],
    ),
    (
        "spec.steps",
        "greater than the one before",
        [[{"weight": 5}], [{"weight": 5}, {"approval": "qa"}, {"weight": 6}], [{"approval": "qa"}]],
        [[{"weight": 5}, {"weight": 5}], [{"weight": 6}, {"approval": "qa"}, {"weight": 5}]],
    ),
    (
        "spec.steps",
        "name of its own",
        [[{"approval": "a"}, {"approval": "b"}], [{"weight": 5}]],
        [[{"approval": "a"}, {"weight": 5}, {"approval": "a"}]],
    ),
    ("spec.ramp", "not be greater than", [{"from": 5, "to": 5}, {"from": 5, "to": 6}], [{"from": 6, "to": 5}]),
    ("spec.steps[].hold", "0s to 168h", ["0", "0s", "168h"], [WEEK, "", "1d", "-1s", "9999999999999999h"]),
    ("spec.ramp.hold", "0s to 168h", ["0s", "168h"], [WEEK]),
    ("spec.backends", "another Service than `stable`", [PODS], [{"stable": "web", "canary": "web"}]),
    (
        "spec",
        "than the root",
        [unmanaged(), managed()],
        [{"backends": {"stable": "web", "canary": "web"}, "service": WEB}],
    ),
    (
        "spec",
        "exactly one of `targetRef` and `backends`",
        [unmanaged(), managed()],
        [{"service": WEB}, managed() | unmanaged()],
    ),
    ("spec.service.adopt", "beside `targetRef`", [managed(adopt="Force"), unmanaged()], [unmanaged(adopt="Never")]),
    ("spec.service.ports", "beside `targetRef`", [managed(ports=[]), unmanaged()], [unmanaged(ports=[])]),
    (
        "spec.canaryScale",
        "beside `targetRef`",
        [managed() | {"canaryScale": 3}, unmanaged()],
        [unmanaged() | {"canaryScale": "Full"}],
    ),
    ("spec.autoscaler", "beside `targetRef`", [managed() | {"autoscaler": {}}], [unmanaged() | {"autoscaler": {}}]),
    ("spec.targetRef.kind", "are not supported yet", ["Deployment", "Service"], ["StatefulSet", "DaemonSet", ""]),
    ("spec.targetRef.kind", "for Services use", ["Deployment", "StatefulSet"], ["Service"]),
    (
        "spec.targetRef.apiVersion",
        "must be apps/v1",
        [TARGET, TARGET | {"kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}],
        [TARGET | {"apiVersion": "apps/v1beta2"}, TARGET | {"apiVersion": ""}],
    ),
    (
        "spec.autoscaler.minReplicas",
        "greater than",
        [{}, {"minReplicas": 3}, {"maxReplicas": 3}, {"minReplicas": 3, "maxReplicas": 3}],
        [{"minReplicas": 4, "maxReplicas": 3}],
    ),
    (
        "spec.service.ports",
        "`name` of its own",
        [[{"port": 80}], [{"port": 80, "name": "http"}, {"port": 90, "name": "grpc"}]],
        [[{"port": 80}, {"port": 90, "name": "http"}], [{"name": "http"}, {"name": "http"}], [{}, {}]],
    ),
    ("spec.traffic.settle", "0s to 10m", ["0s", "10m"], ["10m1s"]),
    ("spec.progressDeadline", "1s to 168h", ["1s", "168h"], ["999ms", WEEK]),
    ("spec.analysis.interval", "1s to 1h", ["1s", "1h"], ["0s", "1ns", "999ms", "61m", "999999h"]),
    ("spec.analysis.warmup", "0s to 24h", ["0s", "24h"], ["24h1s"]),
    ("spec.analysis.noData.timeout", "1s to 168h", ["1s"], ["0s"]),
    ("spec.analysis.sourceError.timeout", "1s to 168h", ["1s"], ["0s"]),
    ("spec.analysis.metrics[].max", "1ms to 1h", ["1ms", "1h"], ["0s", "2h"]),
    ("spec.analysis.metrics[].slowerThan", "1ms to 1h", ["1ms", "1h"], ["0s", "2h"]),
    (
        "spec.analysis.metrics[].maxShare",
        "above 0 and below 100",
        [1, 99, "0.0001", "99.9999"],
        [0, "0.0", 100, "100.0", "low"],
    ),
    ("spec.analysis.metrics[].min", "above 0, up to 100", [1, 100, "0.01", "100.0"], [0, "0.0", 101, "100.1", "low"]),
    (
        "spec.analysis.metrics[]",
        "must have either",
        [{"min": 99}, {"quantile": "p99", "max": "1s"}, {"slowerThan": "1s", "maxShare": 1}],
        [
            {},
            {"max": "1s"},
            {"quantile": "p99"},
            {"slowerThan": "1s"},
            {"maxShare": 1},
            {"min": 1, "max": "1s"},
            {"quantile": "p99", "min": 1},
            {"quantile": "p99", "max": "1s", "min": 1},
            {"slowerThan": "1s", "maxShare": 1, "min": 1},
            {"slowerThan": "1s", "maxShare": 1, "quantile": "p99", "max": "1s"},
            {"slowerThan": "1s", "max": "1s"},
            {"quantile": "p99", "maxShare": 1},
        ],
    ),
    (
        "spec.analysis.metrics[]",
        "above `maxShare`",
        [
            {"maxShare": 1},
            {"rollbackAt": 5},
            {"maxShare": 1, "rollbackAt": 2},
            {"maxShare": "0.5", "rollbackAt": "0.6"},
        ],
        [{"maxShare": 1, "rollbackAt": "1.0"}, {"maxShare": 5, "rollbackAt": 4}, {"maxShare": 1, "rollbackAt": "5s"}],
    ),
    (
        "spec.analysis.metrics[]",
        "below `min`",
        [{"min": 99}, {"rollbackAt": 5}, {"min": "99", "rollbackAt": 98}, {"min": 1, "rollbackAt": "0.5"}],
        [
            {"min": 99, "rollbackAt": "99.0"},
            {"min": 9, "rollbackAt": 10},
            {"min": 9, "rollbackAt": "0"},
            {"min": 99, "rollbackAt": "5s"},
        ],
    ),
    (
        "spec.analysis.metrics[]",
        "above `max`",
        [{"max": "1s"}, {"rollbackAt": "1s"}, {"max": "1s", "rollbackAt": "1001ms"}],
        [{"max": "1s", "rollbackAt": "1000ms"}, {"max": "1s", "rollbackAt": 90}, {"max": "1s", "rollbackAt": "90"}],
    ),
    ("spec.analysis.confidence", "from 50, below 100", [50, 99, "99.9999"], [49, "49.9", 100, "100.0", "high"]),
    (
        "spec.analysis.metrics[]",
        "beside `compare`",
        [{"compare": "Stable"}, {"compare": "Stable", "tolerance": 5}, {}],
        [{"tolerance": 5}, {"tolerance": 5, "mode": "Sequential"}],
    ),
    (
        "spec.analysis.metrics[]",
        "counts requests",
        [{"mode": "Sequential", "min": 99}, {"quantile": "p99", "compare": "Stable"}],
        [{"mode": "Sequential", "quantile": "p99"}],
    ),
    (
        "spec.analysis",
        "`confidence` must",
        [
            {"metrics": [{}]},
            {"confidence": 99, "metrics": [{}, {"compare": "Stable"}]},
            {"confidence": 99, "metrics": [{"mode": "Sequential"}]},
        ],
        [{"confidence": 99, "metrics": [{}]}, {"confidence": 99, "metrics": []}],
    ),
    (
        "spec.analysis",
        "`early` must",
        [{"early": False, "metrics": [{}]}, {"early": True, "metrics": [{"mode": "Sequential"}]}],
        [{"early": True, "metrics": [{}]}, {"early": True, "metrics": [{"quantile": "p99", "compare": "Stable"}]}],
    ),
)


def in_cel(rule: Rule, new: Any, old: Any = None) -> bool:
    """The verdict of the rule's CEL text. `isSorted` is of Kubernetes' CEL library, so it is given here."""
    context = cel.Context({"self": new, "oldSelf": old})
    context.add_function("isSorted", lambda items: all(low <= high for low, high in pairwise(items)))
    try:
        return bool(cel.evaluate(rule.cel, context))
    except (RuntimeError, TypeError, ValueError, LookupError):
        return False


def chosen(path: str, words: str) -> list[Rule]:
    return [rule for rule in RULES if path in (rule.path, rule.path + rule.field_path) and words in rule.message]


@pytest.mark.parametrize(("path", "words", "accepted", "refused"), CASES, ids=[f"{c[0]} {c[1]}" for c in CASES])
def test_a_rule_accepts_and_refuses_alike_in_cel_and_in_python(
    path: str, words: str, accepted: list[Any], refused: list[Any]
) -> None:
    rules = chosen(path, words)
    assert rules
    for rule in rules:
        assert [(v, rule.holds(v), in_cel(rule, v)) for v in accepted] == [(v, True, True) for v in accepted]
        assert [(v, rule.holds(v), in_cel(rule, v)) for v in refused] == [(v, False, False) for v in refused]


def test_no_rule_is_without_a_case() -> None:
    cased = {id(rule) for path, words, _, _ in CASES for rule in chosen(path, words)}
    assert [rule for rule in RULES if id(rule) not in cased and not rule.transition] == []


# For each rule about a change: a pair of new and old that it accepts, and one that it refuses.
CHANGES: tuple[tuple[str, Any, Any], ...] = (
    ("spec", (managed(), managed(adopt="Never")), (managed(), unmanaged())),
    ("spec", (unmanaged(), {"backends": {"stable": "web-v2", "canary": "web-v3"}}), (unmanaged(), managed())),
    ("spec.targetRef", (TARGET, dict(TARGET)), (TARGET, TARGET | {"name": "shop"})),
    ("spec.service.name", ("web", "web"), ("web", "shop")),
)


@pytest.mark.parametrize(("path", "accepted", "refused"), CHANGES, ids=[change[0] for change in CHANGES])
def test_what_must_not_change_is_kept_alike_in_cel_and_in_python(path: str, accepted: Any, refused: Any) -> None:
    (rule,) = [rule for rule in RULES if rule.transition and rule.path == path]
    assert (rule.holds(*accepted), in_cel(rule, *accepted)) == (True, True)
    assert (rule.holds(*refused), in_cel(rule, *refused)) == (False, False)


def test_no_rule_about_a_change_is_without_a_case() -> None:
    assert {rule.path for rule in RULES if rule.transition} == {path for path, _, _ in CHANGES}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.transition], ids=lambda rule: rule.path)
def test_a_rule_about_a_change_says_nothing_about_a_new_object(rule: Rule) -> None:
    assert rule.holds({})


def test_a_rule_reads_the_fields_whose_values_it_compares() -> None:
    (rule,) = [rule for rule in RULES if rule.field_path == ".backends.stable"]
    assert rule.reads == {"backends.stable", "service.name"}
    assert by_cel()["has(self.steps) != has(self.ramp)"].reads == frozenset()
    assert by_cel()["has(self.targetRef) || !has(self.service.adopt)"].reads == frozenset()


DURATIONS = st.sampled_from(["0", "0s", "1ns", "1ms", "999ms", "1s", "1m30s", ".5s", "1.5h", "10m", "1h", "24h", WEEK])
PERCENTS = st.one_of(
    st.integers(1, 100),
    st.decimals(0, 100, places=2, allow_nan=False).map(str),
    st.integers(0, 99).map("{:02d}.5".format),
)
NAMES = st.sampled_from(["web", "web-v1", "web-v2"])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


STEPS = some(
    weight=st.integers(1, 100), hold=DURATIONS, minRequests=st.integers(0, 9), approval=st.sampled_from(["a", "b"])
)
METRICS = some(
    min=PERCENTS,
    quantile=st.just("p99"),
    max=DURATIONS,
    slowerThan=DURATIONS,
    maxShare=PERCENTS,
    rollbackAt=st.one_of(PERCENTS, DURATIONS, st.just("90")),
    compare=st.just("Stable"),
    tolerance=PERCENTS,
    mode=st.just("Sequential"),
)
ANALYSES = some(confidence=PERCENTS, early=st.booleans(), metrics=st.lists(METRICS, max_size=3))
TARGETS = st.fixed_dictionaries(
    {
        "apiVersion": st.sampled_from(["apps/v1", "v1"]),
        "kind": st.sampled_from(["Deployment", "StatefulSet", "Service"]),
        "name": NAMES,
    }
)
PORTS = st.lists(some(name=NAMES, port=st.integers(1, 9)), max_size=4)
SCALERS = some(minReplicas=st.integers(1, 3), maxReplicas=st.integers(1, 3))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "spec": st.fixed_dictionaries(
        {
            "service": st.fixed_dictionaries(
                {"name": NAMES}, optional={"adopt": st.just("Never"), "ports": st.just([{"port": 80}])}
            ),
        },
        optional={
            "targetRef": TARGETS,
            "backends": st.fixed_dictionaries({"stable": NAMES, "canary": NAMES}),
            "canaryScale": st.sampled_from([3, "Full"]),
            "autoscaler": SCALERS,
            "steps": st.just([]),
            "ramp": st.just({}),
        },
    ),
    "spec.targetRef": TARGETS,
    "spec.targetRef.kind": st.sampled_from(["Deployment", "StatefulSet", "Service", ""]),
    "spec.autoscaler": SCALERS,
    "spec.service.ports": PORTS,
    "spec.backends": st.fixed_dictionaries({"stable": NAMES, "canary": NAMES}),
    "spec.service.name": NAMES,
    "spec.steps": st.lists(STEPS, min_size=1, max_size=5),
    "spec.steps[]": STEPS,
    "spec.ramp": st.fixed_dictionaries({"from": st.integers(1, 100), "to": st.integers(1, 100)}),
    "spec.analysis": ANALYSES,
    "spec.analysis.confidence": PERCENTS,
    "spec.analysis.metrics[]": METRICS,
    "spec.analysis.metrics[].min": PERCENTS,
    "spec.analysis.metrics[].maxShare": PERCENTS,
}


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_cel_and_python_agree_on_every_value(data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(RULES))
    values = VALUES.get(rule.path, DURATIONS)
    new, old = data.draw(values), data.draw(values)
    assert rule.holds(new, old) == in_cel(rule, new, old), (rule.cel, new, old)
