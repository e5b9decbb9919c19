"""Patterns are RE2, searched anywhere in the text."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.schema import validate
from canary.sandbox.apiserver.schema.patterns import PatternError, search


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^a$", "a\n", False),
        (r"^\d+$", "٣", False),
        (r"^\s$", "\v", False),
        (r"^[\s]$", " ", True),
        ("^[[:alpha:]]+$", "abC", True),
        ("^[^]a]$", "]", False),
        ("^[a&&b]$", "&", True),
        ("^{a$", "{a", True),
        ("^a{,2}$", "aa", False),
        ("^a{,2}$", "a{,2}", True),
        (r"^\x{fc}$", "ü", True),
        (r"^\Qa.b\E$", "a.b", True),
        (r"^\Qa.b\E$", "axb", False),
        ("(?i)ABC", "xabcx", True),
        ("^.$", "\n", False),
        ("(?s)^.$", "\n", True),
        ("(?P<word>a)", "a", True),
        ("(?<word>a)", "a", True),
        (r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$", "1m30.5s", True),
        (r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$", "-1m", False),
    ],
)
def test_a_pattern_means_what_it_means_in_re2(pattern, text, found):
    assert (search(pattern)(text) is not None) is found


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?!a)", "(?<=a)b", r"(a)\1", "a++", "a**", "(?>a)", "a{1001}", "[a", "(a", r"\pL", "a{2}+"]
)
def test_what_re2_refuses_is_refused(pattern):
    with pytest.raises(PatternError, match="error parsing regexp"):
        search(pattern)


def test_a_value_never_matches_a_broken_pattern():
    (cause,) = validate({"type": "object", "properties": {"x": {"type": "string", "pattern": "(?=a)"}}}, {"x": "a"})

    assert "but pattern is invalid: error parsing regexp" in cause.message
