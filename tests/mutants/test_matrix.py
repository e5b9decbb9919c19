"""The kill matrix says what is kept, and the page is the one that is made of it."""

from __future__ import annotations

import json
import re

import pytest

from canary.sandbox.mutants.__main__ import main
from canary.sandbox.mutants.catalogue import ROOT, Mutant, load
from canary.sandbox.mutants.hunt import Kill, load_kills
from canary.sandbox.mutants.matrix import PAGE, page, rows

FIELDS = {"broken": "It is.", "file": "core/state.py", "before": "b", "after": "c", "invariants": ("S4",)}


def mutant(**fields: object) -> Mutant:
    return Mutant(**{"id": "a", **FIELDS, **fields})


def test_the_page_is_up_to_date() -> None:
    made = page(load(), load_kills())
    assert PAGE.read_text("utf-8") == made, "run `python -m canary.sandbox.mutants matrix --write`"


def test_every_link_of_the_page_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text("utf-8"))
    assert links
    assert all((ROOT / "docs" / link).exists() for link in links)


@pytest.mark.parametrize(
    ("kill", "test", "cell"),
    [
        (Kill(7, ("S4", "S12"), "S4 at 1 s"), "", "seed 7 (S4, S12)"),
        (Kill(7, ("S2",), "S2 at 1 s", True), "", "seed 7 (S2, another than expected)"),
        (Kill(7, (), "KeyError: 1", True), "", "seed 7 (another failure: KeyError: 1)"),
        (Kill(7, ("S4",), ""), "tests/a/test_b.py::test_it_falls", "seed 7 (S4)"),
        (None, "tests/a/test_b.py::test_it_falls[c]", "[test it falls](../tests/a/test_b.py)"),
        (None, "", "**nothing yet**"),
    ],
)
def test_the_page_says_what_kills(kill: Kill | None, test: str, cell: str) -> None:
    text = page([mutant(test=test)], {} if kill is None else {"a": kill})
    assert f"| It is.<br>`a` | `state.py` | S4 | {cell} |" in text


def test_json_has_the_same() -> None:
    made = rows([mutant(), mutant(id="b", test="t"), mutant(id="c")], {"a": Kill(7, ("S4",), "S4 at 1 s")})
    assert [(row["id"], row["killed"], row.get("seed"), row.get("test")) for row in made] == [
        ("a", True, 7, None),
        ("b", True, None, "t"),
        ("c", False, None, None),
    ]


def test_the_command_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["matrix", "-o", "json"])
    printed = json.loads(capsys.readouterr().out)
    assert [row["id"] for row in printed] == [m.id for m in load()]
    assert code == (0 if all(row["killed"] for row in printed) else 1)


def test_the_command_lists_every_mutant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [m.id for m in load()]


def test_the_command_refuses_an_unknown_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kill", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err
