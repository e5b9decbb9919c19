"""Fewer requests than were recorded, never more, and at the same rate."""

from __future__ import annotations

import random
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.window import Bucket, Missing, Sample, Sides
from canary.metrics.source import NO_REQUESTS
from canary.simulate.history.seen import levels
from canary.simulate.history.thinning import Drawn, Evenly, same_weight, shares, thinned


@pytest.mark.parametrize(
    ("weight", "recorded", "kept"),
    [
        (0.05, 0.5, (0.1, 1.0)),
        (0.5, 0.1, (1.0, pytest.approx(5 / 9))),
        (0.0, 0.5, (0.0, 1.0)),
        (1.0, 0.5, (1.0, 0.0)),
        (0.1, 0.0, (1.0, 0.9)),
        (0.5, 1.0, (0.5, 1.0)),
    ],
)
def test_a_side_keeps_what_the_other_weight_would_have_given_it(
    weight: float, recorded: float, kept: tuple[float, float]
) -> None:
    assert shares(weight, recorded) == kept


@given(st.floats(0, 1), st.lists(st.integers(0, 1000), max_size=50))
def test_evenly_never_is_a_whole_request_off(share: float, counts: list[int]) -> None:
    pick, kept = Evenly(), 0.0
    for count in counts:
        found = pick("failure", count, share)
        assert 0 <= found <= count
        assert found == int(found)
        kept += found
    assert sum(counts) * share - 1 - 1e-6 <= kept <= sum(counts) * share + 1e-6


def test_drawn_counts_are_binomial() -> None:
    pick = Drawn(random.Random(7))
    found = [pick("failure", 200, 0.1) for _ in range(2000)]
    mean = sum(found) / len(found)
    variance = sum((each - mean) ** 2 for each in found) / len(found)
    assert mean == pytest.approx(20, abs=4 * sqrt(18 / 2000))
    assert variance == pytest.approx(18, rel=0.15)


def test_latency_stays_and_the_histogram_shrinks_alike() -> None:
    side = Sample(90.0, 10.0, {"p99": 0.3}, (Bucket(0.1, 50.0), Bucket(float("inf"), 100.0)))
    found, stable = thinned(Sides(side, NO_REQUESTS), (0.5, 1.0), Evenly())
    assert found == Sample(45.0, 5.0, {"p99": 0.3}, (Bucket(0.1, 25.0), Bucket(float("inf"), 50.0)))
    assert isinstance(found, Sample)
    assert (found.latency, found.histogram[0], stable) == ({"p99": 0.3}, Bucket(0.1, 25.0), NO_REQUESTS)


def test_nothing_left_is_no_requests_and_what_is_missing_stays_missing() -> None:
    gone = Missing("gap")
    assert thinned(Sides(Sample(3.0, 0.0), gone), (0.1, 0.1), Evenly()) == (NO_REQUESTS, gone)


@pytest.mark.parametrize(("canary", "same"), [(100, True), (118, True), (120, False), (80, False)])
def test_two_deviations_are_still_the_weight(canary: float, same: bool) -> None:
    # 1000 requests at 10 %: the deviation is 9.5.
    assert same_weight(0.1, canary, 1000.0) is same


def test_levels_are_steps_not_noise() -> None:
    shares = [(0.0, 5.0), (30.0, 6.2), (60.0, 4.1), (90.0, 24.0), (120.0, 27.0), (150.0, 50.0)]
    assert levels(shares) == ((0.0, 5.0), (90.0, 24.0), (150.0, 50.0))
