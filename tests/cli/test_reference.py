"""The generated reference of the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from canary.cli.exits import Exit
from canary.cli.reference import PATH, page, pages, write

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", pages())
def test_the_reference_is_up_to_date(path):
    assert (ROOT / path).read_text(encoding="utf-8") == pages()[path], "run `make generate`"


def test_it_is_written_below_a_directory(tmp_path):
    write(tmp_path)
    assert (tmp_path / PATH).read_text(encoding="utf-8") == page()


@pytest.mark.parametrize("code", Exit)
def test_every_exit_code_is_explained(code):
    assert f"| {code.value} | {code.meaning}" in page()


def test_the_exit_codes_are_stable():
    assert {code.name: code.value for code in Exit} == {
        "REACHED": 0,
        "ERROR": 1,
        "FAILED": 2,
        "TIMEOUT": 3,
        "NOT_FOUND": 4,
        "FORBIDDEN": 5,
        "SUPERSEDED": 6,
        "SUSPENDED": 7,
    }


def test_options_of_all_commands_are_listed_once():
    assert page().count("`--kubeconfig FILE`") == 1


def test_repeatable_namespaces_of_run_are_its_own():
    section = page().partition("## canary run")[2].partition("\n## ")[0]
    assert "`-n, --namespace NAME` |  | Repeatable" in section
