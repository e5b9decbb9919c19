"""The forms of a report: for people, for programs, and for code hosts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from canary.lint.check import Report, Source, lint
from canary.lint.finding import Finding, Level, Place
from canary.lint.reference import page
from canary.lint.report import plain
from canary.lint.rules import RULES
from canary.lint.sarif import sarif
from canary.lint.timetable import Traffic
from tests.lint.conftest import look, make_canary

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "lint.md").read_text("utf-8")


def finding(**overrides: Any) -> Finding:
    values = {
        "file": "canary.yaml",
        "place": Place(3, 5, 9),
        "level": Level.ERROR,
        "rule": "schema",
        "field": "spec.a",
        "message": "must be b",
    }
    return Finding(**values | overrides)


def result(**overrides: Any) -> dict[str, Any]:
    (run,) = sarif(Report(1, (finding(**overrides),)), "1.2.3")["runs"]
    (only,) = run["results"]
    return only


def test_a_report_is_plain_values() -> None:
    report = plain(look(make_canary(suspend="no"), make_canary(), rps=10))
    assert {name: report[name] for name in ("canaries", "errors", "warnings", "notes")} == {
        "canaries": 2,
        "errors": 1,
        "warnings": 0,
        "notes": 1,
    }
    assert report["findings"][0] == {
        "file": "canary.yaml",
        "line": 17,
        "column": 12,
        "endColumn": 16,
        "level": "error",
        "rule": "schema",
        "field": "spec.suspend",
        "message": "must be true or false",
        "canary": "shop/web",
    }


def test_a_plan_says_what_each_step_sees() -> None:
    (plan,) = plain(look(make_canary(), rps=10))["plans"]
    assert (plan["canary"], plan["leastSeconds"], plan["timeoutSeconds"], plan["approvals"]) == (
        "shop/web",
        1300,
        1980,
        [],
    )
    # 570 s at 1 request/s; 5 of 570 are less than the limit of 1 %.
    assert plan["steps"][0] == {
        "number": 1,
        "weight": 10,
        "leastSeconds": 600,
        "seconds": 600,
        "windows": 19,
        "requests": pytest.approx(570),
        "breachFrom": pytest.approx(0.01),
    }


@pytest.mark.parametrize(
    ("rps", "least"),
    # minBad of 5 failures among 57 requests, or of fewer than 5; without a traffic nobody knows.
    [(1.0, 5 / 57), (0.05, 5 / 2.85), (None, None)],
)
def test_the_smallest_breach_has_min_bad_failures(rps: float | None, least: float | None) -> None:
    (plan,) = plain(look(make_canary(), rps=rps))["plans"]
    assert plan["steps"][0]["breachFrom"] == pytest.approx(least)


def test_without_a_limit_for_failures_none_is_a_breach() -> None:
    metrics = [{"name": "late", "quantile": "p99", "max": "1s"}]
    (plan,) = plain(look(make_canary(analysis={"metrics": metrics}), rps=10))["plans"]
    assert plan["steps"][0]["breachFrom"] is None


# SARIF. What a log, a run, a rule and a result must have, and of which types, by the specification's sections 3.13 to
# 3.49 and its schema.
TEXT = {"text": str}
RULE = {"id": str, "shortDescription": TEXT, "fullDescription": TEXT, "help": {**TEXT, "markdown": str}}
REGION = {"startLine": int, "startColumn": int}
RESULT = {"ruleId": str, "ruleIndex": int, "level": str, "message": TEXT, "locations": list}


def has(value: Any, shape: Any) -> bool:
    if isinstance(shape, dict):
        return isinstance(value, dict) and all(name in value and has(value[name], part) for name, part in shape.items())
    return isinstance(value, shape) and not (shape is int and value < 0)


def test_a_log_has_what_the_specification_demands() -> None:
    report = look(make_canary(suspend="no"), make_canary(), "a: b: c\n", rps=0.1)
    log = sarif(report, "1.2.3")
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("/sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    assert (driver["name"], driver["semanticVersion"]) == ("canary lint", "1.2.3")
    assert [has(rule, RULE) for rule in driver["rules"]] == [True] * len(RULES)
    assert len({rule["id"] for rule in driver["rules"]}) == len(RULES)
    assert len(run["results"]) == len(report.findings) > 4
    for each in run["results"]:
        assert has(each, RESULT)
        assert each["level"] in ("none", "note", "warning", "error")
        assert driver["rules"][each["ruleIndex"]]["id"] == each["ruleId"]
        assert has(each["locations"][0]["physicalLocation"]["region"], REGION)


def test_a_result_says_what_and_where() -> None:
    assert result(suggestion="c", canary="shop/web") == {
        "ruleId": "schema",
        "ruleIndex": list(RULES).index("schema"),
        "level": "error",
        "message": {"text": "spec.a: must be b; did you mean `c`?"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "canary.yaml"},
                    "region": {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9},
                },
                "logicalLocations": [{"fullyQualifiedName": "shop/web/spec.a", "kind": "member"}],
            }
        ],
    }


def test_a_region_without_a_known_end_has_none() -> None:
    region = result(place=Place(3, 5))["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 3, "startColumn": 5}


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("-", "stdin"),
        ("deploy/a b.yaml", "deploy/a%20b.yaml"),
        ("/srv/é.yaml", "file:///srv/%C3%A9.yaml"),
        ("..\\a.yaml", "../a.yaml"),
        ("a:b#c.yaml", "a%3Ab%23c.yaml"),
    ],
)
def test_a_path_is_a_uri(file: str, uri: str) -> None:
    assert result(file=file)["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": uri}


# The pages.


def test_every_rule_has_its_reason_on_the_page() -> None:
    for rule in RULES.values():
        assert f"\n## {rule.id}\n" in page()
        assert rule.reason in page()


def test_every_advice_has_a_public_source() -> None:
    own = {"full-weight", "suspended"}  # What they say is how this project works.
    assert {rule.id for rule in RULES.values() if rule.level is not Level.ERROR and not rule.sources} == own


def quoted() -> tuple[bytes, str]:
    """The Canary of docs/lint.md, and what the command is said to answer."""
    canary = re.search(r"^```yaml\n(apiVersion: canary.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    answer = re.search(r"^\$ canary lint -f canary\.yaml --rps 10\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert canary
    assert answer
    return canary[1].encode(), answer[1]


def test_the_page_quotes_what_is_said() -> None:
    document, answer = quoted()
    report = lint([Source("canary.yaml", document)], Traffic(10.0))
    assert [line for line in answer.splitlines() if line.startswith("canary.yaml:")] == [
        f"{each.file}:{each.place.line}:{each.place.column}: {each.level.value}: {each.sentence} [{each.rule}]"
        for each in report.findings
    ]
