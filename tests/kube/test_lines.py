"""Lines of any length out of chunks of any length."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.kube.lines import LineBuffer, LineTooLong


@given(text=st.text("aé\n", max_size=60), cuts=st.lists(st.integers(0, 90), max_size=8))
def test_cutting_changes_nothing_and_the_torn_end_is_dropped(text: str, cuts: list[int]) -> None:
    data = text.encode()
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    buffer = LineBuffer(1000)
    lines = [line for start, end in itertools.pairwise(edges) for line in buffer.feed(data[start:end])]
    assert lines == [line for line in data.split(b"\n")[:-1] if line]


def test_a_line_over_the_limit_is_refused_before_it_ends() -> None:
    buffer = LineBuffer(8)
    assert buffer.feed(b"12345678\n1234") == [b"12345678"]
    with pytest.raises(LineTooLong):
        buffer.feed(b"56789")
