"""Latency by buckets, and by the sign of a gauge."""

from __future__ import annotations

import math

import pytest

from canary.core.evidence import Counts, Evidence, Finding, Gauge, WindowCounts, count, sign, sign_test, watch_points
from canary.core.window import Bucket, Missing, Sample

HISTOGRAM = tuple(
    Bucket(le, share * 1000.0) for le, share in [(0.05, 0.5), (0.1, 0.87), (0.2, 0.985), (0.5, 0.999), (math.inf, 1.0)]
)


def verdicts(signs, alpha=0.01):
    """The finding after each of these signs, 1 for a slower canary."""
    test, evidence, found = sign_test(alpha), Evidence(), []
    for number, slower in enumerate(signs):
        outcome = count(test, evidence, WindowCounts(number, number + 1.0, Counts(1.0, slower)))
        evidence = outcome.evidence
        found.append(outcome.finding)
    return found


@pytest.mark.parametrize(("alpha", "windows"), [(0.01, 10), (0.05, 7)])
def test_a_canary_that_is_always_slower_is_found(alpha, windows):
    assert verdicts([1.0] * windows, alpha).index(Finding.SHOWN) == windows - 1


def test_a_canary_that_is_slower_every_other_time_is_not():
    assert Finding.SHOWN not in verdicts([1.0, 0.0] * 200)


def test_a_canary_that_is_faster_is_no_debt_for_long():
    assert Finding.SHOWN in verdicts([0.0] * 100 + [1.0] * 25)


@pytest.mark.parametrize(
    ("canary", "bad"), [(0.10, 0.0), (0.1099, 0.0), (0.1101, 1.0), (0.05, 0.0), (3.0, 1.0)]
)  # fmt: skip
def test_a_sign_is_bad_above_stable_and_its_tolerance(canary, bad):
    assert sign(Gauge(canary, 500), Gauge(0.1, 500), 0.99) == Counts(1.0, bad)


def test_a_tolerance_below_a_tenth_is_a_tenth():
    assert sign(Gauge(0.105, 500), Gauge(0.1, 500), 0.99, 0.0) == Counts(1.0, 0.0)


@pytest.mark.parametrize(("quantile", "fewest"), [(0.99, 200), (0.9, 20), (0.5, 4)])
def test_a_quantile_needs_requests_above_it(quantile, fewest):
    stable = Gauge(0.1, 1e4)
    assert isinstance(sign(Gauge(0.2, fewest), stable, quantile), Counts)
    assert isinstance(sign(Gauge(0.2, fewest - 1), stable, quantile), Missing)


@pytest.mark.parametrize("quantile", [0.0, 1.0, -1.0, math.nan])
def test_no_other_number_is_a_quantile(quantile):
    assert isinstance(sign(Gauge(0.2, 1e4), Gauge(0.1, 1e4), quantile), Missing)


def test_stable_must_not_be_the_smaller_side():
    assert isinstance(sign(Gauge(0.2, 500), Gauge(0.1, 499), 0.99), Missing)


def test_a_tie_is_no_sign():
    assert isinstance(sign(Gauge(0.5 * 1.1, 500), Gauge(0.5, 500), 0.99), Missing)


def test_one_edge_for_the_bulk_and_one_for_the_tail():
    assert watch_points(Sample(1000.0, 0.0, histogram=HISTOGRAM)) == (0.1, 0.2)


def test_an_edge_that_serves_for_both_is_one():
    single = (Bucket(0.1, 950.0), Bucket(math.inf, 1000.0))
    assert watch_points(Sample(1000.0, 0.0, histogram=single)) == (0.1,)


def test_without_a_histogram_there_is_nothing_to_watch():
    assert watch_points(Sample(1000.0, 0.0)) == ()
