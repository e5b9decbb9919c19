"""What a traffic can show, and how long it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.evidence import (
    Counts,
    RateLimit,
    RateRatio,
    Traffic,
    detectable_rate,
    fewest_windows,
    interval,
    requests_to_show,
    windows_to_detect,
)


@pytest.mark.parametrize(
    ("limit", "alpha", "requests"), [(0.01, 0.05, 409), (0.001, 0.05, 4104), (0.01, 0.01, 585), (0.5, 0.05, 6)]
)
def test_requests_without_a_failure_until_a_limit_is_shown(limit, alpha, requests):
    assert requests_to_show(limit, alpha) == pytest.approx(requests, abs=1)


def test_that_many_requests_are_enough_and_no_fewer():
    needed = requests_to_show(0.01, 0.05, 0.004)

    def high(requests):
        return interval(Counts(requests, 0.004 * requests), 0.05, prior=(0.5, 50.0)).high

    assert high(needed) <= 0.01 < high(needed - 2.0)


@pytest.mark.parametrize(("limit", "rate"), [(0.01, 0.01), (0.01, 0.5), (0.0, 0.0), (1.0, 0.1), (0.01, -0.1)])
def test_no_number_of_requests_shows_what_is_not_so(limit, rate):
    assert requests_to_show(limit, 0.05, rate) is None


def test_a_limit_just_above_the_rate_takes_more_requests_than_there_are():
    assert requests_to_show(0.01, 0.05, 0.01 - 1e-12) is None


def test_one_request_a_second_shows_disasters_alone():
    test = RateRatio(fewest=fewest_windows(30.0))
    traffic = Traffic(canary=3.0, stable=27.0, rate=0.01)
    assert detectable_rate(test, traffic, 10) == pytest.approx(0.29, abs=0.02)
    assert windows_to_detect(test, traffic, 1.0) == 2


def test_a_regression_within_the_tolerance_is_never_found():
    assert windows_to_detect(RateRatio(ratio=1.2), Traffic(1e4, 9e4, 0.01), 0.012) is None


@pytest.mark.parametrize(("share", "rate", "windows"), [(0.1, 0.02, 70), (0.5, 0.02, 28), (0.1, 0.05, 6)])
def test_how_long_it_takes_at_a_hundred_requests_a_second(share, rate, windows):
    traffic = Traffic(1000.0 * share, 1000.0 * (1.0 - share), 0.01)
    assert windows_to_detect(RateRatio(), traffic, rate) == windows


def test_nothing_is_found_sooner_than_the_fewest_windows():
    test, traffic = RateRatio(fewest=3), Traffic(1e6, 9e6, 0.01)
    assert windows_to_detect(test, traffic, 0.5) == 3
    assert [detectable_rate(test, traffic, windows) for windows in (0, 1, 2)] == [None, None, None]


@pytest.mark.parametrize("traffic", [Traffic(0.0, 900.0, 0.01), Traffic(100.0, 0.0, 0.01), Traffic(-1.0, 5.0, 0.01)])
def test_a_comparison_without_traffic_finds_nothing(traffic):
    assert windows_to_detect(RateRatio(), traffic, 0.5) is None
    assert detectable_rate(RateRatio(), traffic, 100) is None


def test_a_limit_needs_no_stable():
    assert windows_to_detect(RateLimit(limit=0.01), Traffic(100.0, 0.0), 0.2) == 3


RATES = st.floats(0.0001, 0.05)
REQUESTS = st.floats(10.0, 1e6)


@given(REQUESTS, st.sampled_from([0.05, 0.1, 0.5]), RATES, st.integers(3, 200))
def test_more_time_shows_smaller_regressions_and_what_is_shown_is_found(requests, share, rate, windows):
    test, traffic = RateRatio(), Traffic(requests * share, requests * (1.0 - share), rate)
    soon, later = detectable_rate(test, traffic, windows), detectable_rate(test, traffic, 2 * windows)
    if soon is not None:
        assert later is not None
        assert later <= soon + 1e-6
        needed = windows_to_detect(test, traffic, min(soon * 1.001, 1.0))
        assert needed is not None
        assert needed <= windows
