"""The example of docs/replay.md is what the program says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from canary.cli.exits import Exit
from canary.cli.main import main
from canary.simulate.history.columns import columns

PAGE = (Path(__file__).parents[2] / "docs" / "replay.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of the page in that language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


def test_the_example_is_what_the_program_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("canary.yaml").write_text(block("yaml"), encoding="utf-8")
    Path("past.csv").write_text(block("csv"), encoding="utf-8")
    assert main(["replay", "-f", "canary.yaml", "--metrics", "past.csv"]) == Exit.FAILED
    assert capsys.readouterr().out == block("text")


def test_every_column_of_the_table_is_one_that_is_read() -> None:
    named = re.findall(r"^\| (`(?:time|weight|canary_)[^|]*) \|", PAGE, re.MULTILINE)
    names = [name for cell in named for name in re.findall(r"`([a-z0-9_.]+)`", cell)]
    counts, counters = ([n for n in names if n.endswith("_total") is total] for total in (False, True))
    assert columns(counts).sides["canary"].buckets
    assert columns(["time", *counters]).sides["canary"].counters
