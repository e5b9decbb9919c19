"""Whatever a name is, it stays inside its string: told by a tokenizer of PromQL of the test's own.

Written from https://prometheus.io/docs/prometheus/latest/querying/basics/#string-literals and
https://go.dev/ref/spec#String_literals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.metrics.prometheus import promql
from canary.metrics.prometheus.pack_file import PACKS, shipped
from canary.metrics.prometheus.promql import NoLabelValue
from canary.metrics.prometheus.queries import queries
from canary.metrics.prometheus.question import Question, Unanswerable

SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
DIGITS = {"x": 2, "u": 4, "U": 8}
# Any code point that a text of a label can have; halves of a pair are not among them.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def tokens(query: str) -> Iterator[tuple[str, str]]:
    """(`string`, its value) or (`other`, a word or a sign). Fails on what PromQL would not read."""
    position = 0
    while position < len(query):
        if query[position] == '"':
            value, position = literal(query, position + 1)
            yield "string", value
            continue
        match = re.compile(r"[a-zA-Z0-9_:.]+|=~|!~|!=|[={}()\[\], ]").match(query, position)
        assert match, f"no token at {query[position:]!r}"
        yield "other", match[0]
        position = match.end()


def literal(query: str, position: int) -> tuple[str, int]:
    value = ""
    while (character := query[position]) != '"':
        assert character != "\n", "a line break ends a string"
        if character != "\\":
            assert 0x20 <= ord(character) < 0x7F, "what is not ASCII is escaped"
            value, position = value + character, position + 1
        elif (escape := query[position + 1]) in SIMPLE:
            value, position = value + SIMPLE[escape], position + 2
        else:
            end = position + 2 + DIGITS[escape]
            value, position = value + chr(int(query[position + 2 : end], 16)), end
    return value, position + 1


def strings(query: str) -> list[str]:
    return [text for kind, text in tokens(query) if kind == "string"]


def skeleton(query: str) -> list[str]:
    return [text if kind == "other" else "string" for kind, text in tokens(query)]


@given(TEXTS)
def test_a_string_reads_back_as_it_was(text: str) -> None:
    assert list(tokens(promql.string(text))) == [("string", text)]


@given(TEXTS)
def test_an_equal_matcher_wants_exactly_the_value(value: str) -> None:
    assert list(tokens(promql.equal("job", value))) == [("other", "job"), ("other", "="), ("string", value)]


@given(st.lists(TEXTS, min_size=1), TEXTS)
def test_one_of_wants_exactly_the_values(values: list[str], other: str) -> None:
    (_, label), (_, sign), (_, wanted) = tokens(promql.one_of("job", values))
    assert label == "job"
    # Prometheus anchors an expression at both ends.
    found = [value for value in {*values, other} if (re.fullmatch(wanted, value) if sign == "=~" else wanted == value)]
    assert sorted(found) == sorted(set(values))


@given(st.lists(TEXTS, min_size=1), TEXTS)
def test_none_of_wants_all_but_the_values(values: list[str], other: str) -> None:
    (_, _), (_, sign), (_, refused) = tokens(promql.none_of("job", values))
    left = re.fullmatch(refused, other) if sign == "!~" else refused == other
    assert bool(left) == (other in values)


def test_one_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no value"):
        promql.one_of("job", [])


def test_half_a_character_is_no_label_value() -> None:
    with pytest.raises(NoLabelValue):
        promql.equal("job", "\ud800")


@given(st.sampled_from(PACKS), st.booleans(), TEXTS, st.lists(TEXTS, max_size=3), TEXTS)
def test_nothing_that_is_asked_for_changes_the_form_of_a_query(
    name: str, edges: bool, namespace: str, names: list[str], peer: str
) -> None:
    pack = shipped(name)
    edges = edges and pack.edges is not None
    assert not edges or pack.edges is not None
    options: dict[str, Any] = {"edges": True, "peers": (peer,), "peer_namespace": namespace} if edges else {}
    view = pack.edges if edges else pack.received
    assert view is not None
    kind = next(kind for kind in view.destination.names if kind != "namespace")
    if edges:
        assert pack.edges is not None
        assert pack.edges.source is not None
        options["peer_kind"] = next(kind for kind in pack.edges.source.names if kind != "namespace")

    def written(question: Question) -> list[str]:
        asked = queries(pack, question)
        return [asked.counts, asked.newest, *asked.latency.values()]

    # The same number of names that are different; an empty namespace asks for all.
    plain = Question(kind, 60, namespace and "a", tuple(f"n{index}" for index in range(len(set(names)))), **options)
    if edges:
        plain = Question(
            kind,
            60,
            namespace and "a",
            plain.names,
            edges=True,
            peer_kind=options["peer_kind"],
            peers=("p",),
            peer_namespace=namespace and "a",
        )
    asked = Question(kind, 60, namespace, tuple(names), **options)
    try:
        expected = [skeleton(query) for query in written(plain)]
    except Unanswerable:
        with pytest.raises(Unanswerable):
            written(asked)
        return
    assert [skeleton(query) for query in written(asked)] == expected


@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_a_query_has_the_namespace_and_the_name_as_they_are(namespace: str, name: str) -> None:
    asked = queries(shipped("linkerd"), Question("deployment", 60, namespace, (name,)))
    for query in (asked.counts, asked.newest, *asked.latency.values()):
        assert {namespace, name} <= set(strings(query))


def test_a_regex_without_signs_is_an_equality_which_is_faster() -> None:
    assert promql.matching("direction", "inbound") == 'direction="inbound"'
    assert promql.matching("code", "5..") == 'code=~"5.."'


def test_a_selector_has_its_matchers_and_its_range() -> None:
    matchers = [promql.equal("a", "1"), promql.unequal("b", "")]
    assert promql.selector("up", matchers) == 'up{a="1",b!=""}'
    assert promql.selector("up", matchers, 30) == 'up{a="1",b!=""}[30s]'
