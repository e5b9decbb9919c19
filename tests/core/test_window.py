"""How many requests of one side were slower than a limit."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.window import Bucket, Sample

BUCKETS = (Bucket(0.1, 50.0), Bucket(0.5, 90.0), Bucket(1.0, 98.0), Bucket(inf, 100.0))


@pytest.mark.parametrize(
    ("seconds", "share"),
    [
        (0.1, 0.50),  # at a bound: what took exactly as long is not slower
        (0.5, 0.10),
        (1.0, 0.02),
        (0.3, 0.30),  # halfway between two bounds, halfway between their counts
        (0.05, 0.75),  # the first bucket begins at 0
        (0.6, 0.084),
        (30.0, 0.02),  # in the last bucket all count as slower
    ],
)
def test_the_share_is_interpolated_inside_a_bucket(seconds, share):
    assert Sample(1.0, 0.0, histogram=BUCKETS).slower_than(seconds) == pytest.approx(share)


@pytest.mark.parametrize("histogram", [(), (Bucket(0.1, 0.0), Bucket(inf, 0.0))])
def test_without_a_request_that_was_timed_the_share_is_unknown(histogram):
    assert Sample(1.0, 0.0, histogram=histogram).slower_than(0.5) is None


@given(
    st.lists(st.floats(0.001, 60.0), min_size=1, max_size=8, unique=True),
    st.lists(st.floats(0.0, 1e6), min_size=9, max_size=9),
    st.lists(st.floats(0.001, 100.0), min_size=2, max_size=6),
)
def test_the_share_lies_between_0_and_1_and_falls_with_the_limit(bounds, counts, limits):
    total, histogram = 1.0, []
    for le, count in zip([*sorted(bounds), inf], counts, strict=False):
        total += count
        histogram.append(Bucket(le, total))
    shares = [Sample(1.0, 0.0, histogram=tuple(histogram)).slower_than(limit) for limit in sorted(limits)]
    assert all(share is not None and -1e-9 <= share <= 1.0 + 1e-9 for share in shares)
    assert all(low >= high - 1e-9 for low, high in pairwise(shares))
