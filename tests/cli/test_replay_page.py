"""The example of docs/replay.md is what the program says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from canary.cli.exits import Exit
from canary.cli.main import main
from canary.simulate.history.columns import columns

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The blocks of the page in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


Run = Callable[[str], str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What is said of the page's release by a Canary in YAML, which would have rolled it back."""

    def go(canary: str) -> str:
        monkeypatch.chdir(tmp_path)
        Path("canary.yaml").write_text(canary, encoding="utf-8")
        Path("past.csv").write_text(blocks("csv")[0], encoding="utf-8")
        assert main(["replay", "-f", "canary.yaml", "--metrics", "past.csv"]) == Exit.FAILED
        return capsys.readouterr().out

    return go


def test_the_example_is_what_the_program_says(run: Run) -> None:
    assert run(blocks("yaml")[0]) == blocks("text")[0]


def test_the_comparison_is_what_the_program_says(run: Run) -> None:
    compared = blocks("yaml")[1]
    assert "compare: Stable" in compared
    assert blocks("text")[1] in run(compared)


def test_every_column_of_the_table_is_one_that_is_read() -> None:
    named = re.findall(r"^\| (`(?:time|weight|canary_)[^|]*) \|", PAGE, re.MULTILINE)
    names = [name for cell in named for name in re.findall(r"`([a-z0-9_.]+)`", cell)]
    counts, counters = ([n for n in names if n.endswith("_total") is total] for total in (False, True))
    assert columns(counts).sides["canary"].buckets
    assert columns(["time", *counters]).sides["canary"].counters
