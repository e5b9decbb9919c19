"""What docs/gitops.md says is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cel
import pytest
import yaml

from canary.sandbox.judges import judge_all
from canary.sandbox.judges.argocd import SCRIPTS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/gitops.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
EXAMPLES = sorted((SCRIPTS / "testdata").glob("*.yaml"))
(EXPRESSIONS,) = next(block["healthCheckExprs"] for block in BLOCKS if "healthCheckExprs" in block)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_health_expressions_say_what_the_text_says_of_them(path: Path) -> None:
    canary = yaml.safe_load(path.read_text(encoding="utf-8"))
    failed, current = (bool(cel.evaluate(EXPRESSIONS[key], canary)) for key in ("failed", "current"))
    degraded = judge_all(canary).argocd.status == "Degraded"
    seen = "conditions" in canary["status"]
    assert (failed, current) == (degraded, seen and not degraded)


def test_a_canary_is_named_by_its_version_and_kind() -> None:
    checks: list[dict[str, Any]] = [
        check for block in BLOCKS for check in block.get("spec", {}).get("healthChecks", [])
    ]
    for check in (*checks, EXPRESSIONS):
        assert (check["apiVersion"], check["kind"]) == ("canary.delivery/v1beta1", "Canary")


def test_every_file_that_is_linked_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in link]
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)


def test_every_action_is_named() -> None:
    assert all(f"*{path.parent.name}*" in TEXT for path in SCRIPTS.glob("actions/*/action.lua"))
