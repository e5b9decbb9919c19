"""A report as SARIF, which code hosts show beside the lines.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from canary.lint.check import Report
from canary.lint.finding import Finding
from canary.lint.rules import RULES, Rule

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
STDIN = "stdin"


def sarif(report: Report, version: str) -> dict[str, Any]:
    """The log with one run; `version` is that of this program."""
    rules = list(RULES.values())
    index = {rule.id: number for number, rule in enumerate(rules)}
    driver = {"name": "canary lint", "semanticVersion": version, "rules": [_rule(rule) for rule in rules]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, index) for finding in report.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(rule: Rule) -> dict[str, Any]:
    links = "".join(f"\n\n- {source}" if not number else f"\n- {source}" for number, source in enumerate(rule.sources))
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.reason},
        "help": {"text": f"{rule.title} {rule.reason}{links}", "markdown": f"{rule.reason}{links}"},
        **({"helpUri": rule.sources[0]} if rule.sources else {}),
        "defaultConfiguration": {"level": rule.level.value},
    }


def _result(finding: Finding, index: Mapping[str, int]) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": _uri(finding.file)},
            "region": _region(finding),
        }
    }
    if finding.field:
        whole = f"{finding.canary}/{finding.field}" if finding.canary else finding.field
        location["logicalLocations"] = [{"fullyQualifiedName": whole, "kind": "member"}]
    return {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": finding.level.value,
        "message": {"text": finding.sentence},
        "locations": [location],
    }


def _region(finding: Finding) -> dict[str, int]:
    place = finding.place
    region = {"startLine": place.line, "startColumn": place.column}
    return {**region, "endLine": place.line, "endColumn": place.end_column} if place.end_column else region


def _uri(file: str) -> str:
    if file == "-":
        return STDIN
    path = quote(file.replace("\\", "/"))
    return f"file://{path}" if path.startswith("/") else path
