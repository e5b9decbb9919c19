"""Other programs' words lose their credentials and keep their sense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.workload.quoting import last_line, quoted

HIDDEN = "[redacted]"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Head https://u:p@ss@registry.example/v2/: denied", f"Head https://{HIDDEN}@registry.example/v2/: denied"),
        ("GET https://s3.example/a?X-Sig=abc&b=c: 403", f"GET https://s3.example/a{HIDDEN} 403"),
        ("Authorization: Bearer abcdef0123", f"Authorization: Bearer {HIDDEN}"),
        (f"unexpected token {JWT}.", f"unexpected token {HIDDEN}."),
    ],
)  # fmt: skip
def test_credentials_are_hidden_in_everybodys_words(words, expected):
    assert quoted(words, 200) == expected


@pytest.mark.parametrize(
    "words",
    [
        "pull access denied, repository does not exist or may require authorization: server message: denied",
        "failed to fetch anonymous token: unexpected status 401",
        'secret "db-password" not found',
        "couldn't find key password in Secret shop/db",
        'Bearer realm="https://auth.example/token"',
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef: not found",
        'exceeded quota: small, requested: secrets=1, used: secrets=4, limited: secrets=4',
    ],
)  # fmt: skip
def test_words_of_the_control_plane_are_kept(words):
    assert quoted(words, 200) == words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("DB_PASSWORD=hunter2 is wrong", f"DB_PASSWORD={HIDDEN} is wrong"),
        ('{"password": "hunter 2", "user": "a"}', f'{{"password": {HIDDEN}, "user": "a"}}'),
        ("{'apiKey': 'hunter2'}", f"{{'apiKey': {HIDDEN}}}"),
        (r"{\"token\":\"hunter2\"}", rf"{{\"token\":{HIDDEN}"),
        ("password: hunter2", f"password: {HIDDEN}"),
        ("secret_key => hunter2", f"secret_key => {HIDDEN}"),
        ("tokenValue=hunter2", f"tokenValue={HIDDEN}"),
        ("authorization: Token hunter2 or so", f"authorization: {HIDDEN}"),
        ("run --db-password hunter2 --verbose", f"run --db-password {HIDDEN} --verbose"),
    ],
)
def test_what_an_application_assigns_to_such_a_name_is_hidden(words, expected):
    assert quoted(words, 200, own=True) == expected


@pytest.mark.parametrize(
    "words", ["KeyError: 'region'", "no such tokenizer: bert", "listen tcp :8080: bind: address already in use"]
)
def test_other_words_of_an_application_are_kept(words):
    assert quoted(words, 200, own=True) == words


@given(st.one_of(st.text(), st.none(), st.integers(), st.lists(st.text())), st.integers(1, 50), st.booleans())
def test_a_quotation_is_one_printable_line_of_at_most_so_many_characters(words, limit, own):
    found = quoted(words, limit, own=own)
    assert len(found) <= limit
    assert found.isprintable()


@pytest.mark.parametrize("words", ["a" * 100_000, "-" * 100_000, "://" * 30_000, "secret" * 20_000, "--a" * 30_000])
def test_hostile_words_are_quoted_at_once(words):
    assert len(quoted(words, 160, own=True)) <= 160


@pytest.mark.parametrize(
    ("words", "expected"), [("a\nb\n\n", "b"), ("a", "a"), ("", ""), ("\n", ""), (None, ""), (7, "")]
)
def test_the_last_line_that_says_something(words, expected):
    assert last_line(words) == expected
