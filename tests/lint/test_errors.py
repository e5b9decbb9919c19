"""Errors: the controller's own, at the lines where they stand, and what comes before it reads anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.validation import validate
from canary.kube.clock import SystemClock
from canary.lint.check import Report, Source, lint
from canary.lint.finding import Level
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.proxies.flavour import shipped as shipped_flavour
from canary.server.sources import Installed, PrometheusSettings, SourceSettings
from tests.lint.conftest import by_rule, look, make_canary

CORPUS = Path(__file__).parents[1] / "api"
BAD = yaml.safe_load((CORPUS / "bad_specs.yaml").read_text("utf-8"))["specs"]
GOOD = yaml.safe_load((CORPUS / "good_specs.yaml").read_text("utf-8"))["specs"]


def with_spec(spec: Any) -> dict[str, Any]:
    return {**make_canary(), "spec": spec}


@pytest.mark.parametrize("bad", BAD, ids=[case["name"] for case in BAD])
def test_a_bad_spec_has_just_the_errors_of_the_validation_at_lines_of_the_document(bad: dict[str, Any]) -> None:
    text = yaml.safe_dump(with_spec(bad["spec"]), sort_keys=False)
    errors = [each for each in look(text).findings if each.level is Level.ERROR]
    assert sorted((each.field, each.message) for each in errors) == sorted(map(tuple, validate(bad["spec"])))
    lines = text.splitlines()
    for each in errors:
        assert 1 <= each.place.column <= len(lines[each.place.line - 1])


@pytest.mark.parametrize("good", GOOD, ids=[case["name"] for case in GOOD])
def test_a_good_spec_has_no_errors(good: dict[str, Any]) -> None:
    report = look(with_spec(good["spec"]))
    # Which source is named is no matter of the specs' corpus.
    assert [each for each in report.findings if each.level is Level.ERROR and each.rule != "source"] == []
    assert len(report.cases) == 1


def test_the_errors_point_at_what_is_wrong() -> None:
    text = """\
apiVersion: canary.delivery/v1beta1
kind: Canary
metadata: {name: web}
spec:
  backends: {stable: web-v1}
  service: {name: web}
  steps:
    - weight: 200
      minrequests: 5
  analysis:
    metrics:
      - {name: success-rate, min: "0"}
"""
    found = {(each.field, each.place.line, each.place.column, each.rule) for each in look(text).findings}
    assert found == {
        ("spec.backends.canary", 5, 3, "schema"),
        ("spec.steps[0].weight", 8, 15, "schema"),
        ("spec.steps[0].minrequests", 9, 7, "unknown-field"),
        ("spec.analysis.metrics[0].min", 12, 35, "schema"),
    }


@pytest.mark.parametrize(
    ("spec", "suggestion"),
    [
        ({"setps": []}, "steps"),
        ({"steps": [{"Weight": 5}]}, "weight"),
        ({"interval": "30s"}, "spec.analysis.interval"),
        ({"metrics": []}, "spec.analysis.metrics"),
        ({"traffic": {"apiVersion": "auto"}}, "Auto"),
        ({"analysis": {"noData": {"action": "rollback"}}}, "Rollback"),
        ({"analysis": {"metrics": [{"name": "a", "quantile": "P99", "max": "1s"}]}}, "p99"),
        ({"xyzzy": 1}, ""),
    ],
)
def test_what_was_probably_meant_is_said(spec: dict[str, Any], suggestion: str) -> None:
    (error,) = [each for each in look(make_canary(**spec)).findings if "must be one of" in each.message]
    assert error.suggestion == suggestion
    assert error.sentence.endswith(f"; did you mean `{suggestion}`?") == bool(suggestion)


@pytest.mark.parametrize(
    ("head", "field", "words"),
    [
        ({"apiVersion": "canary.delivery/v1alpha1"}, "apiVersion", "must be canary.delivery/v1beta1"),
        ({"apiVersion": "canary.delivry/v1beta1"}, "apiVersion", "must be canary.delivery/v1beta1"),
        ({"apiVersion": "v1beta1"}, "apiVersion", "must be canary.delivery/v1beta1"),
        ({"apiVersion": None}, "apiVersion", "must be canary.delivery/v1beta1"),
        ({"kind": "canary"}, "kind", "must be Canary"),
        ({"kind": "Canaries"}, "kind", "must be Canary"),
    ],
)
def test_a_head_that_was_meant_for_a_canary_is_an_error(head: dict[str, Any], field: str, words: str) -> None:
    errors = [each for each in look({**make_canary(), **head}).findings if each.level is Level.ERROR]
    assert [(each.rule, each.field, each.message) for each in errors] == [("identity", field, words)]


@pytest.mark.parametrize("name", ["apiVersion", "kind"])
def test_a_head_without_one_half_is_an_error(name: str) -> None:
    document = {key: value for key, value in make_canary().items() if key != name}
    assert by_rule(look(document))["identity"].field == name


@pytest.mark.parametrize(
    "document",
    [
        {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "web"}, "spec": {"weight": "no"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "data": {"kind": "Canary"}},
        {"apiVersion": "apps/v1", "kind": "Deployment"},
        "just words",
        "- a\n- list",
        "5",
        "a: {x: 1, x: 2}",
    ],
)
def test_what_is_no_canary_is_skipped(document: Any) -> None:
    assert look(document) == Report(0, ())


def test_the_items_of_a_list_are_looked_at() -> None:
    items = [make_canary(), {"apiVersion": "v1", "kind": "Service"}, make_canary(suspend="no")]
    report = look({"apiVersion": "v1", "kind": "List", "items": items})
    (error,) = [each for each in report.findings if each.level is Level.ERROR]
    assert (report.canaries, error.field, error.canary) == (2, "spec.suspend", "shop/web")


@pytest.mark.parametrize(
    ("metadata", "field"),
    [
        ({"name": "Web"}, "metadata.name"),
        ({"name": "web\n"}, "metadata.name"),
        ({"name": "w" * 64}, "metadata.name"),
        ({"name": 5}, "metadata.name"),
        ({"name": None}, "metadata.name"),
        ({"namespace": "a.b"}, "metadata.namespace"),
        ({"labels": {"app": 1}}, "metadata.labels.app"),
        ({"labels": {"app": "a b"}}, "metadata.labels.app"),
        ({"labels": ["app"]}, "metadata.labels"),
        ({"annotations": {"a": True}}, "metadata.annotations.a"),
    ],
)
def test_metadata_that_the_server_refuses_is_an_error(metadata: dict[str, Any], field: str) -> None:
    errors = [each for each in look(make_canary(metadata=metadata)).findings if each.level is Level.ERROR]
    assert [(each.rule, each.field) for each in errors] == [("metadata", field)]


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": None, "generateName": "web-"},
        {"name": "w" * 63},
        {"name": "web.shop"},
        {"labels": {"a": "", "b": "x_1.y"}, "annotations": {"a": "b c"}, "creationTimestamp": None},
    ],
)
def test_metadata_that_the_server_takes_is_none(metadata: dict[str, Any]) -> None:
    assert look(make_canary(metadata=metadata)).count(Level.ERROR) == 0


@pytest.mark.parametrize("metadata", [None, 5, []])
def test_an_object_without_metadata_is_an_error(metadata: Any) -> None:
    assert by_rule(look({**make_canary(), "metadata": metadata}))["metadata"].place.line == 3


def test_unknown_names_outside_of_the_spec_are_errors() -> None:
    report = look({**make_canary(metadata={"nmae": "x"}), "sepc": {}})
    assert {(each.field, each.suggestion) for each in report.findings if each.rule == "unknown-field"} == {
        ("sepc", "spec"),
        ("metadata.nmae", "name"),
    }


def test_a_name_that_stands_twice_is_an_error() -> None:
    text = yaml.safe_dump(make_canary(), sort_keys=False) + "  suspend: false\n  suspend: true\n"
    error = by_rule(look(text))["duplicate-key"]
    assert (error.field, error.place.line) == ("spec.suspend", len(text.splitlines()))


def test_a_broken_document_hides_no_other() -> None:
    report = look("a: b: c\n", make_canary(suspend="no"))
    assert [each.rule for each in report.findings if each.level is Level.ERROR] == ["syntax", "schema"]


@pytest.mark.parametrize(
    "text", ["kind: Canary\nname: {{ .Values.name }}\n", "{{- if .Values.canary }}\nkind: Canary\n"]
)
@pytest.mark.parametrize("asked", [True, False])
def test_a_template_must_be_rendered_first(text: str, asked: bool) -> None:
    error = by_rule(look(text, asked=asked))["template"]
    assert "render it first" in error.message


def test_in_a_folder_only_what_mentions_a_canary_can_be_broken() -> None:
    assert look("kind: Deployment\nname: {{ .Values.name }}\n", asked=False).findings == ()
    assert by_rule(look("apiVersion: canary.delivery/v1beta1\na: b: c\n", asked=False)).keys() == {"syntax"}


def test_json_may_be_indented_by_tabs() -> None:
    document = json.dumps(make_canary(suspend="no"), indent="\t")
    error = by_rule(look(document, file="canary.json"))["schema"]
    assert document.splitlines()[error.place.line - 1][error.place.column - 1 :] == '"no"'


def test_a_source_that_can_never_carry_a_metric_is_an_error() -> None:
    slow = {"name": "slow", "slowerThan": "500ms", "maxShare": "1"}
    seen = {"name": "seen", "min": "99", "from": {"kind": "Deployment", "name": "web"}}
    for source, metric in (("SMI", slow), ("Proxies", seen)):
        error = by_rule(look(make_canary(analysis={"source": source, "metrics": [metric]})))["source"]
        assert error.field == "spec.analysis.metrics[0]"
        assert f"source {source}" in error.message
    for source, metric in (("Prometheus", slow), ("Prometheus", seen), ("SMI", seen), ("Proxies", slow)):
        assert "source" not in by_rule(look(make_canary(analysis={"source": source, "metrics": [metric]})))


METRICS: list[dict[str, Any]] = [
    {"name": "ok", "min": "99"},
    {"name": "late", "quantile": "p99", "max": "1s"},
    {"name": "slow", "slowerThan": "1s", "maxShare": "1"},
    {"name": "seen", "min": "99", "from": {"kind": "Deployment", "name": "web"}},
]


@pytest.mark.parametrize("source", ["SMI", "Prometheus", "Proxies"])
async def test_a_source_carries_here_what_the_best_installation_carries(source: str) -> None:
    prometheus = PrometheusSettings(url="http://prometheus.example", pack=shipped("linkerd"), scrape=1.0)
    nobody: Any = None  # nothing is asked
    settings = SourceSettings(prometheus=prometheus, proxies=shipped_flavour("linkerd"))
    best = Installed(settings, nobody, lambda *_: {}, clock=SystemClock(), user_agent="test")
    try:
        for metric in METRICS:
            manifest = make_canary(analysis={"source": source, "metrics": [metric]})
            (case,) = look(manifest).cases
            errors = [each for each in look(manifest).findings if each.rule == "source"]
            assert [(each.field, each.message) for each in errors] == [*map(tuple, best.sources.errors(case.spec))]
    finally:
        await best.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from(["apiVersion", "kind", "metadata", "spec", "items", "x"])
SPEC = st.dictionaries(
    st.sampled_from([*make_canary()["spec"], "analysis", "ramp", "traffic", "x.y[0]"]),
    JSON | st.dictionaries(st.sampled_from(["name", "weight", "interval", "metrics", "from", "to"]), JSON),
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(FIELDS, JSON), SPEC)
def test_no_document_makes_it_raise(top: dict[str, Any], spec: dict[str, Any]) -> None:
    base = make_canary()
    for document in ({**base, **top}, {**base, "spec": {**base["spec"], **spec}}, {**base, "metadata": top}):
        for text in (json.dumps(document), yaml.safe_dump(document)):
            report = lint([Source("a.yaml", text.encode("utf-8", "surrogatepass"))])
            lines = text.count("\n") + 1
            assert all(1 <= each.place.line <= lines and each.place.column >= 1 for each in report.findings)


PIECES = [
    "kind: Canary\n",
    "apiVersion: canary.delivery/v1beta1\n",
    "spec:\n",
    "  - ",
    "  a: ",
    "&a ",
    "*a",
    "<<: ",
    "{",
    "}",
    "[",
    "]",
]
PIECES += [
    "---\n",
    '"',
    "'",
    "\t",
    "!!int ",
    "|\n",
    "? ",
    ": ",
    "# x\n",
    "%YAML 1.1\n",
    "{{ .Values }}",
    "\\U",
    "\x07",
    "\r",
    "\u2028",
    "é",
]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=14).map("".join))
def test_no_text_makes_it_raise(text: str) -> None:
    for asked in (True, False):
        lint([Source("a.yaml", text.encode("utf-8", "replace"), asked)])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    for prefix in (b"", b"apiVersion: canary.delivery/v1beta1\nkind: Canary\n", b"\xff\xfe"):
        lint([Source("a.yaml", prefix + data)])
