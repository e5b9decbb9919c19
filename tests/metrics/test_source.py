"""One side of a rollout from the readings of its workloads."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.window import Bucket, Missing, Sample
from canary.metrics.source import NO_REQUESTS, NO_SERIES, combined, series_of, side

ONE = Sample(90.0, 10.0, {"p50": 0.02, "p99": 0.08})
TWO = Sample(5.0, 5.0, {"p50": 0.01, "p90": 0.3})


def test_requests_are_summed_and_the_slowest_latency_counts():
    assert combined([ONE, TWO]) == Sample(95.0, 15.0, {"p50": 0.02, "p99": 0.08, "p90": 0.3})


@pytest.mark.parametrize("empty", [NO_SERIES, NO_REQUESTS])
def test_a_workload_without_requests_adds_nothing(empty):
    assert combined([empty, ONE]) == ONE


def test_a_workload_whose_numbers_cannot_be_used_spoils_the_side():
    assert combined([ONE, Missing("wrong window: 60s instead of 30s"), NO_SERIES]) == Missing(
        "wrong window: 60s instead of 30s"
    )


def test_a_side_that_is_known_and_idle_has_no_requests():
    assert combined([NO_SERIES, NO_REQUESTS]) == NO_REQUESTS


def test_a_side_that_nobody_knows_is_named():
    assert side({}, "Pod", "shop", ("a", "b")) == Missing("no series for Pod a, b")


def test_a_side_without_names_is_missing():
    assert side({}, "Pod", "shop", ()) == Missing("no series for Pod (none)")


def test_a_side_is_found_by_kind_namespace_and_name():
    answer = {series_of("Pod", "shop", "web"): ONE, series_of("Pod", "test", "web"): TWO}
    assert side(answer, "pod", "shop", ("web",)) == ONE


FAST = Sample(3.0, 0.0, histogram=(Bucket(0.1, 2.0), Bucket(inf, 3.0)))
SLOWER = Sample(9.0, 1.0, histogram=(Bucket(0.1, 1.0), Bucket(inf, 10.0)))


def test_histograms_with_the_same_bounds_are_added():
    assert combined([FAST, SLOWER]).histogram == (Bucket(0.1, 3.0), Bucket(inf, 13.0))


@pytest.mark.parametrize(
    "other",
    [
        Sample(9.0, 1.0, histogram=(Bucket(0.2, 1.0), Bucket(inf, 10.0))),
        Sample(9.0, 1.0, histogram=(Bucket(0.1, 1.0), Bucket(0.2, 1.0), Bucket(inf, 10.0))),
        Sample(9.0, 1.0),
    ],
)
def test_histograms_that_cannot_be_added_are_none(other):
    assert combined([FAST, other]).histogram == ()


def test_a_workload_without_requests_takes_no_histogram_away():
    assert combined([FAST, NO_REQUESTS]).histogram == FAST.histogram


samples = st.builds(
    Sample,
    st.floats(0.001, 1e12),
    st.floats(0.0, 1e12),
    st.dictionaries(st.sampled_from(["p50", "p90", "p99"]), st.floats(1e-6, 1e6)),
)


@given(st.lists(samples, min_size=1, max_size=6))
def test_the_combined_rate_and_latency_lie_within_those_of_the_parts(parts):
    whole = combined(parts)
    assert isinstance(whole, Sample)
    rates = [part.success_rate for part in parts]
    assert min(rates) - 1e-9 <= whole.success_rate <= max(rates) + 1e-9
    for quantile, seconds in whole.latency.items():
        assert seconds == max(part.latency[quantile] for part in parts if quantile in part.latency)
