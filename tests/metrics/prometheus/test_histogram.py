"""Classic histograms, with numbers worked out by hand."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.window import Bucket
from canary.metrics.prometheus.histogram import buckets, quantile, quantiles

COUNTS = (("0.1", 50.0), ("0.5", 90.0), ("1", 98.0), ("+Inf", 100.0))
HISTOGRAM = (Bucket(0.1, 50.0), Bucket(0.5, 90.0), Bucket(1.0, 98.0), Bucket(inf, 100.0))


def test_buckets_ascend_whatever_their_order():
    assert buckets(reversed(COUNTS), "s") == HISTOGRAM


def test_milliseconds_become_seconds():
    assert buckets([("500", 1.0), ("+Inf", 2.0)], "ms") == (Bucket(0.5, 1.0), Bucket(inf, 2.0))


def test_counts_of_the_same_bound_are_added():
    assert buckets([("1", 3.0), ("1.0", 4.0), ("+Inf", 9.0), ("Inf", 1.0)], "s") == (
        Bucket(1.0, 7.0),
        Bucket(inf, 10.0),
    )


def test_a_count_that_falls_is_raised_to_the_one_before():
    fallen = [("0.1", 50.0), ("0.5", 40.0), ("1", 60.0), ("+Inf", 55.0)]
    assert [count for _, count in buckets(fallen, "s")] == [50.0, 50.0, 60.0, 60.0]


def test_a_rounding_error_between_buckets_is_no_request():
    assert [count for _, count in buckets([("1", 3.0), ("+Inf", 3.0 + 1e-13)], "s")] == [3.0, 3.0]


@pytest.mark.parametrize(
    "counts",
    [
        [],
        [("+Inf", 5.0)],
        [("0.1", 5.0)],
        [("0.1", 1.0), ("0.5", 5.0)],  # none up to infinity
        [("0.1", 0.0), ("+Inf", 0.0)],  # no requests
        [("0.1", float("nan")), ("+Inf", 5.0)],
        [("0.1", 1.0), ("+Inf", inf)],
        [("0.1", -1.0), ("+Inf", 5.0)],
        [("fast", 1.0), ("+Inf", 5.0)],
        [("", 1.0), ("+Inf", 5.0)],
        [("NaN", 1.0), ("+Inf", 5.0)],
    ],
)
def test_what_is_no_histogram_is_none(counts):
    assert buckets(counts, "s") == ()


@pytest.mark.parametrize(
    ("share", "seconds"),
    [
        (0.25, 0.05),  # the first bucket begins at 0: 25 of its 50
        (0.50, 0.1),  # at a bound
        (0.70, 0.3),  # 20 of the 40 between 0.1 and 0.5
        (0.90, 0.5),
        (0.94, 0.75),
        (0.99, 1.0),  # in the last bucket: the bound before it
        (1.00, 1.0),
    ],
)
def test_a_quantile_is_interpolated_as_promql_does(share, seconds):
    assert quantile(share, HISTOGRAM) == pytest.approx(seconds)


def test_empty_buckets_are_skipped():
    histogram = (Bucket(0.1, 0.0), Bucket(0.5, 0.0), Bucket(1.0, 10.0), Bucket(inf, 10.0))
    assert quantile(0.5, histogram) == pytest.approx(0.75)


def test_a_lowest_bucket_up_to_zero_answers_its_bound():
    assert quantile(0.5, (Bucket(-1.0, 9.0), Bucket(inf, 10.0))) == -1.0


def test_without_a_histogram_there_is_no_quantile():
    assert quantile(0.5, ()) is None


def test_a_sample_has_the_three_quantiles():
    assert quantiles(HISTOGRAM) == {"p50": pytest.approx(0.1), "p90": pytest.approx(0.5), "p99": pytest.approx(1.0)}


def test_a_quantile_that_is_not_above_zero_is_unknown():
    assert quantiles((Bucket(0.0, 95.0), Bucket(1.0, 100.0), Bucket(inf, 100.0))) == {"p99": pytest.approx(0.8)}


@given(
    st.lists(st.floats(0.001, 60.0), min_size=1, max_size=12, unique=True),
    st.lists(st.integers(0, 10_000), min_size=13, max_size=13),
)
def test_quantiles_ascend_and_stay_within_the_finite_bounds(bounds, requests):
    total, counts = 0, []
    for le, count in zip([*sorted(bounds), inf], requests, strict=False):
        total += count
        counts.append((repr(le), float(total)))
    found = list(quantiles(buckets(counts, "s")).values())
    assert found == sorted(found)
    assert len(found) == (3 if total else 0)
    assert all(0 < seconds <= max(bounds) * (1 + 1e-9) for seconds in found)
