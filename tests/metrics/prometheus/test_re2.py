"""Regular expressions of packs mean the same to Python, which classifies, and to RE2, which selects."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.metrics.prometheus.re2 import NotPortable, compiled, is_literal, quoted


@pytest.mark.parametrize(
    ("regex", "matching", "other"),
    [
        ("failure", "failure", "failures"),
        ("5..", "503", "404"),
        ("5..", "5xx", "50"),
        ("2|4|1[2-5]", "14", "1"),
        ("(?:a|b)+c?", "abac", "c"),
        (r"[^a-c]\d{2,3}", "x12", "a12"),
        (r"a\.b\-c\\", "a.b-c\\", "axb-c\\"),
        (r"[\d\-x]*?", "1-x", "y"),
        ("a{2}?", "aa", "a"),
        (".*", "two\nlines", None),
    ],
)
def test_what_both_know_is_taken(regex: str, matching: str, other: str | None) -> None:
    pattern = compiled(regex)
    assert pattern.fullmatch(matching)
    assert other is None or not pattern.fullmatch(other)


@pytest.mark.parametrize(
    "regex",
    [
        r"(a)\1",
        r"(?P<x>a)(?P=x)",
        "(?P<x>a)",
        "(?=a)a",
        "(?!a)b",
        "(?<=a)b",
        "(?<!a)b",
        "(?>a)",
        "(?i)a",
        "(?i:a)",
        "(?#c)a",
        "(a)?(?(1)b|c)",
        "a*+",
        "a++",
        "a?+",
        "a{1,2}+",
        "a**",
        "a{2}{3}",
        "a{1001}",
        "a{0,1001}",
        "a{,2}",
        "*a",
        "|*",
        "(*a)",
        "a{",
        "a}",
        "a]",
        "[[:alpha:]]",
        "[a&&b]",
        "[a--b]",
        "[a||b]",
        "[a~~b]",
        "[]a]",
        "[",
        "(a",
        "a)",
        "^a",
        "a$",
        r"\ba",
        r"\Aa",
        r"a\Z",
        r"a\z",
        r"\s",
        r"\pL",
        r"\x41",
        r"\Qa\E",
        r"\é",
        "a\\",
        "[b-a]",
    ],
)
def test_what_they_read_differently_is_refused(regex: str) -> None:
    with pytest.raises(NotPortable):
        compiled(regex)


def test_digits_are_ascii_digits() -> None:
    assert not compiled(r"\d").fullmatch("٣")


@given(st.text(), st.text())
def test_a_quoted_text_matches_itself_only(text: str, other: str) -> None:
    assert re.fullmatch(quoted(text), text)
    assert bool(re.fullmatch(quoted(text), other)) == (text == other)


@given(st.text(alphabet=r"ab0.+*?()|[]{}^$\-/", max_size=12))
def test_a_literal_is_what_matches_itself_only(text: str) -> None:
    assert is_literal(text) == (quoted(text) == text)
    assert compiled(quoted(text)).fullmatch(text)


@given(st.text(alphabet=r"ab1.+*?()|[]{},^$\-:<=!#PdDwWsQEz", max_size=10))
def test_whatever_is_written_it_is_taken_or_refused(text: str) -> None:
    with suppress(NotPortable):
        compiled(text).fullmatch(text)
