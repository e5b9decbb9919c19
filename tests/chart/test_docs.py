"""What the pages tell people to give to helm is what the chart takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "charts/canary/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^ *(helm (?:install|upgrade)[^\n]* charts/canary(?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
KNOWN = yaml.safe_load((ROOT / "charts/canary/values.yaml").read_text()).keys()

COMMANDS = [(page.name, match[1]) for page in PAGES for match in COMMAND.finditer(page.read_text("utf-8"))]


def _values() -> list[tuple[str, str]]:
    """The blocks that are values of the chart: all that they name stands in values.yaml."""
    found = [(page.name, match[1]) for page in PAGES for match in BLOCK.finditer(page.read_text("utf-8"))]
    return [(page, text) for page, text in found if _keys(text) and _keys(text) <= KNOWN]


def _keys(text: str) -> set[str]:
    content = next(iter(yaml.safe_load_all(text)))
    return set(content) if isinstance(content, dict) else set()


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_of_the_pages_is_accepted_by_the_chart(helm: Any, page: str, command: str) -> None:
    words = shlex.split(command.replace("\\\n", " "))
    settings = [word for at, word in enumerate(words) if "--set" in (word, words[at - 1])]
    done = helm("template", "demo", str(ROOT / "charts/canary"), *settings)
    assert (done.returncode, done.stderr) == (0, ""), page
    assert settings, "without a registry the image is not found"


@pytest.mark.parametrize(("page", "text"), _values())
def test_values_of_the_pages_are_accepted_by_the_chart(helm: Any, page: str, text: str) -> None:
    done = helm("template", "demo", str(ROOT / "charts/canary"), "-f", "-", stdin=text)
    assert (done.returncode, done.stderr) == (0, ""), page


def test_the_pages_have_commands_and_values() -> None:
    assert {page for page, _ in COMMANDS} == {"README.md", "metrics.md", "smi-metrics.md"}
    assert {page for page, _ in _values()} == {"smi-metrics.md", "metrics.md"}
