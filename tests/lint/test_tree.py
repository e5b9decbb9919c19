"""YAML with the place of each value, meaning what it means to kubectl."""

from __future__ import annotations

from typing import Any

import pytest

from canary.lint.finding import Place
from canary.lint.parts import Lines, parts_of
from canary.lint.tree import Broken, Tree

NESTED = """\
spec:
  service: {name: web}
  steps:
    - {weight: 5, hold: 2m}
    - weight: 25
      hold: "5m"
  a: {c: 1}
  a.b: 1
"""


def tree(text: str) -> Tree:
    (part,) = parts_of(text)
    return Tree(part, Lines(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: yes", {"a": True}),
        ("a: off", {"a": False}),
        ("a: ~", {"a": None}),
        ("a:", {"a": None}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 2026-01-01T00:00:00Z", {"a": "2026-01-01T00:00:00Z"}),
        ("a: 0x10", {"a": 16}),
        ("a: 1e3", {"a": "1e3"}),
        ("a: 1.5", {"a": 1.5}),
        ("a: '5'", {"a": "5"}),
        ("a: !!int five", {"a": "five"}),
        ("a: !!bool maybe", {"a": "maybe"}),
        ("a: !!int ''", {"a": ""}),
        ("a: !Ref five", {"a": "five"}),
        ("a: =", {"a": "="}),
        ("1: a", {"1": "a"}),
        ("on: a", {"true": "a"}),
        ("~: a", {"null": "a"}),
        ('a: "\\ud83d\\ude00"', {"a": "\N{GRINNING FACE}"}),
        ('a: "\\ud83d"', {"a": "\N{REPLACEMENT CHARACTER}"}),
        ("{base: &b {x: 1, y: 2}, a: {<<: *b, y: 3}}", {"base": {"x": 1, "y": 2}, "a": {"x": 1, "y": 3}}),
        (
            "{b: &b {x: 1}, c: &c {x: 2, z: 4}, a: {<<: [*b, *c]}}",
            {"b": {"x": 1}, "c": {"x": 2, "z": 4}, "a": {"x": 1, "z": 4}},
        ),
    ],
)
def test_a_value_is_that_of_kubectl(text: str, value: Any) -> None:
    assert tree(text).value == value


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("spec.service.name", Place(2, 19, 22)),
        ("spec.service", Place(2, 3, 10)),
        ("spec.service.nme", Place(2, 3, 10)),
        ("spec.steps", Place(3, 3, 8)),
        ("spec.steps[0]", Place(4, 7)),
        ("spec.steps[0].hold", Place(4, 25, 27)),
        ("spec.steps[1].hold", Place(6, 13, 17)),
        ("spec.steps[1].minRequests", Place(5, 7)),
        ("spec.steps[7].hold", Place(3, 3, 8)),
        ("spec.a.b", Place(8, 8, 9)),
        ("spec.a.d", Place(7, 3, 4)),
        ("spec", Place(1, 1, 5)),
        ("kind", Place(1, 1)),
        ("", Place(1, 1)),
    ],
)
def test_a_path_leads_to_its_place(path: str, place: Place) -> None:
    assert tree(NESTED).locate(path) == place


def test_the_name_of_a_field_can_be_asked_for() -> None:
    assert tree(NESTED).locate("spec.steps[1].hold", name=True) == Place(6, 7, 11)


def test_what_is_merged_in_stands_where_it_is_written() -> None:
    assert tree("a: &a\n  x: 1\nb: {<<: *a, y: 2}\n").locate("b.x") == Place(2, 6, 7)


@pytest.mark.parametrize(
    ("text", "words", "line", "column"),
    [
        ("a: b: c", "mapping values are not allowed here", 1, 5),
        ("a: 1\nb: [1, 2\n", "expected ',' or ']'", 3, 1),
        ("a: 1\n\tb: 2", "cannot start any token", 2, 1),
        ("a: *nobody", "undefined alias", 1, 4),
        ("a: \x07", "U+0007", 1, 4),
        ("a: &a [*a]", "contains itself", 1, 4),
        ("a: &a {<<: *a}", "contains itself", 1, 4),
        ("a: &a {b: {<<: *a}}", "contains itself", 1, 11),
        ("a: {<<: 5}", "`<<` must have a mapping", 1, 9),
        ("? [a]\n: b", "a name must be a text", 1, 3),
        ('a: "\\UFFFFFFFF"', "is no YAML", 1, 1),
        ("[" * 5000, "is nested too deeply", 1, 1),
    ],
)
def test_what_is_no_yaml_says_where(text: str, words: str, line: int, column: int) -> None:
    with pytest.raises(Broken) as broken:
        tree(text)
    assert words in str(broken.value)
    assert (broken.value.place.line, broken.value.place.column) == (line, column)


def test_every_name_that_stands_twice_is_known() -> None:
    found = tree("a: {x: 1, x: 2}\nb:\n  - {y: 1, 'y': 2, y: 3}\n").duplicates
    assert [(each.field, each.place.line, each.place.column) for each in found] == [
        ("a.x", 1, 11),
        ("b[0].y", 3, 12),
        ("b[0].y", 3, 20),
    ]


def test_an_override_of_what_is_merged_in_is_no_duplicate() -> None:
    assert tree("a: &a {x: 1}\nb: {<<: *a, x: 2}").duplicates == []


def test_aliases_of_aliases_cost_no_more_than_the_text() -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 20)}]\n" for n in range(1, 30))
    assert len(tree(f"l0: &l0 [x, x]\n{levels}").value["l29"]) == 20


def test_merges_of_merges_cost_no_more_than_the_text() -> None:
    levels = "".join(f"l{n}: &l{n} {{<<: [{', '.join([f'*l{n - 1}'] * 20)}]}}\n" for n in range(1, 30))
    assert tree(f"l0: &l0 {{x: 1}}\n{levels}").value["l29"] == {"x": 1}


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        ("a: 1\n", [1]),
        ("---\na: 1\n---\nb: 2\n", [1, 3]),
        ("# only words\n---\na: 1\n---\n# and no more", [2]),
        ("a: 1\n--- # two\nb: 2\n...\n", [1, 2]),
        ("%YAML 1.1\n---\na: 1\n", [1]),
        ("a: |\n  text\n  --- no\n", [1]),
        ("a: ---b\n", [1]),
        ("", []),
        ("---\n---\n", []),
    ],
)
def test_documents_are_told_apart(text: str, starts: list[int]) -> None:
    lines = Lines(text)
    parts = list(parts_of(text))
    assert [lines.place(part.start).line for part in parts] == starts
    for part in parts:
        Tree(part, lines)
