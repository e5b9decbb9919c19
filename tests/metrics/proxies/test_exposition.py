"""Lines of wanted metrics, and nothing else, out of the text format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, generate_latest

from canary.metrics.proxies.exposition import MAX_LINES, Malformed, check, labels, numbers, samples


def only(line: str, name: str = "m") -> tuple[bytes, bytes]:
    """The one line of a body, split."""
    (found,) = samples(f"{line}\n".encode(), name.encode())
    return found


def read(line: str) -> tuple[dict[str, str], float]:
    series, value = only(line)
    return labels(series), numbers([value])[0]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('m{a="b"} 5', ({"a": "b"}, 5.0)),
        ("m 5", ({}, 5.0)),
        ("m\t5", ({}, 5.0)),
        ("m{} 5", ({}, 5.0)),
        ('m{a="b"}\t5', ({"a": "b"}, 5.0)),
        ('m {a="b"}  5', ({"a": "b"}, 5.0)),
        ('m{a="b"} 5 1700000000000', ({"a": "b"}, 5.0)),
        ('m{a="b"} 5 -1', ({"a": "b"}, 5.0)),
        ("m 5 1700000000000", ({}, 5.0)),
        ('m{a="b"} 5 ', ({"a": "b"}, 5.0)),
        ('m{a="b"} 5\r', ({"a": "b"}, 5.0)),
        ('m{a="b",} 5', ({"a": "b"}, 5.0)),
        ('m{ a = "b" , c = "d" } 5', ({"a": "b", "c": "d"}, 5.0)),
        ('m{a="} 7"} 5', ({"a": "} 7"}, 5.0)),
        ('m{a="} 7"} 5 12', ({"a": "} 7"}, 5.0)),
        ('m{a="",b="é"} 1.5e3', ({"a": "", "b": "é"}, 1500.0)),
    ],
)
def test_a_line_gives_labels_and_a_value(line: str, found: tuple[dict[str, str], float]) -> None:
    assert read(line) == found


@pytest.mark.parametrize(
    ("written", "meant"),
    [(r"\\", "\\"), (r"\"", '"'), (r"\n", "\n"), (r"\\n", r"\n"), (r"a\"} 9 \\", 'a"} 9 \\')],
)
def test_an_escape_in_a_label_stands_for_a_character(written: str, meant: str) -> None:
    assert read(f'm{{a="{written}"}} 5') == ({"a": meant}, 5.0)


@pytest.mark.parametrize("line", ["m ", "m{", 'm{a="b"}', "m{} ", 'm{a="b"} 5 six', 'm{a="b"} 5 6 7'])
def test_a_line_without_a_value_is_malformed(line: str) -> None:
    with pytest.raises(Malformed, match="malformed line"):
        only(line)


@pytest.mark.parametrize(
    "line",
    [
        'm{a="b} 5',
        "m{a=b} 5",
        'm{a="b" c="d"} 5',
        'm{a="b"} 5}',
        'm{a="b"} 5 }',
        'm{a="b"} 5 # {} 1',
        'm{a="\\x"} 5',
        'm{="b"} 5',
        'm{1a="b"} 5',
        "m{,} 5",
        'm{a="b",,} 5',
        'm{a="b",a="c"} 5',
    ],
)
def test_malformed_labels_are_an_error(line: str) -> None:
    with pytest.raises(Malformed):
        read(line)


def test_a_label_that_is_not_utf8_is_an_error() -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        labels(b'm{a="\xff"}')


@pytest.mark.parametrize("value", ["NaN", "+Inf", "-1", "-Inf", "1e999", "1_000", "five", "0x10", "--1"])
def test_a_value_that_no_counter_has_is_an_error(value: str) -> None:
    with pytest.raises(Malformed, match="where a count should be"):
        read(f"m {value}")


def test_a_message_shows_the_value_that_is_none() -> None:
    with pytest.raises(Malformed, match="has 'seven' where"):
        numbers([b"1", b"2", b"seven", b"4"])


def test_a_message_does_not_repeat_a_whole_body() -> None:
    with pytest.raises(Malformed) as error:
        read(f"m {'x' * 10_000}")
    assert len(str(error.value)) < 200


def test_counts_may_be_so_large_that_their_sum_is_not() -> None:
    assert list(numbers([b"1e308"] * 3)) == [1e308] * 3


@given(st.lists(st.floats().map(str) | st.text(), max_size=6).map(lambda texts: [text.encode() for text in texts]))
def test_values_are_read_together_as_each_by_itself(texts: list[bytes]) -> None:
    def together(texts: list[bytes]) -> list[float] | None:
        try:
            return list(numbers(texts))
        except Malformed:
            return None

    each = [together([text]) for text in texts]
    assert together(texts) == (None if None in each else [value for values in each for value in values])


def test_other_metrics_are_not_looked_at() -> None:
    body = b'other{a=} x\nm_total 3\nmm 4\n# m 5\nm{a="b"} 1\nother{m="1"} 9\n m 7\nm{a="c"} 2\n'
    assert samples(body, b"m") == [(b'm{a="b"}', b"1"), (b'm{a="c"}', b"2")]
    assert samples(body, b"m_total") == [(b"m_total", b"3")]


def test_a_metric_may_be_on_the_first_line_and_on_the_last() -> None:
    assert samples(b"m{} 1\nother 5\nm{} 2\n", b"m") == [(b"m{}", b"1"), (b"m{}", b"2")]


def test_a_body_without_the_metric_has_no_lines() -> None:
    assert samples(b"", b"m") == samples(b"other 1\n", b"m") == []


def test_more_lines_than_anybody_has_are_an_error() -> None:
    body = b"m{} 1\n" * MAX_LINES
    assert len(samples(body, b"m")) == MAX_LINES
    with pytest.raises(Malformed, match="more than"):
        samples(body + b"m{} 1\n", b"m")


def test_lines_of_other_metrics_are_not_too_many() -> None:
    others = b"other 1\n" * (MAX_LINES + 1)
    assert samples(others + b"m{} 1\n" + others, b"m") == [(b"m{}", b"1")]


@pytest.mark.parametrize("body", [b"", b"m 1\n", b"# HELP m a\nm 1\n", b"\n\n# EOF\n", b"\nm{} 1\n\n"])
def test_metrics_pass_for_metrics(body: bytes) -> None:
    check(body)


@pytest.mark.parametrize(
    "body", [b"<html>\n", b'{"a": 1}\n', b"\x1f\x8b\x08\x00\n", b"404\n", b"\x00", b"OK", b"upstream_error\n"]
)
def test_anything_else_does_not(body: bytes) -> None:
    with pytest.raises(Malformed, match="no metrics in the text format"):
        check(body)


def test_a_body_that_breaks_off_is_an_error() -> None:
    with pytest.raises(Malformed, match="breaks off"):
        check(b"m 1\nm{a=")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4, unique=True))
def test_what_the_official_client_writes_is_read_back(values: list[str]) -> None:
    registry = CollectorRegistry()
    counter = Counter("m", "", ["a"], registry=registry)
    for number_of, value in enumerate(values):
        counter.labels(value).inc(number_of)
    body = generate_latest(registry)
    check(body)
    found = [(labels(series)["a"], numbers([value])[0]) for series, value in samples(body, b"m_total")]
    assert found == [(value, float(number_of)) for number_of, value in enumerate(values)]


@given(st.binary(max_size=60).map(lambda noise: b"m" + noise + b"\n"))
def test_noise_is_read_or_refused_and_nothing_else(body: bytes) -> None:
    try:
        for series, value in samples(body, b"m"):
            labels(series)
            assert 0 <= numbers([value])[0] < float("inf")
    except Malformed:
        pass
