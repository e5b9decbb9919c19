"""Numbers worked out by hand: 100 requests to the canary with 5 failures, 900 to stable with 9, three times."""

from __future__ import annotations

import math

import pytest

from canary.core.evidence import Counts, Finding, RateLimit, RateRatio, interval

BAD = ((100, 5), (900, 9))


def test_the_factors_of_one_window():
    found = RateRatio(ratio=1.0).increments(Counts(100, 5), Counts(900, 9))
    assert [round(value, 2) for value in found] == [0.77, 1.34, 2.13, 2.94, 3.34, 2.53, -2.05, -10.42]
    assert found[4] == pytest.approx(5 * math.log(5) - 14 * math.log(1.4))


@pytest.mark.parametrize(
    ("ratio", "odds", "p_value"), [(1.0, ("3.28", "24.8", "228"), "0.00438"), (1.2, ("2.76", "17.8", "151"), "0.00662")]
)
def test_the_evidence_window_by_window(play, ratio, odds, p_value):
    test = RateRatio(ratio=ratio)
    outcomes = [play([BAD] * windows, test) for windows in (1, 2, 3)]
    assert tuple(f"{outcome.evidence.odds:.3g}" for outcome in outcomes) == odds
    assert [outcome.finding for outcome in outcomes] == [Finding.UNDECIDED, Finding.UNDECIDED, Finding.SHOWN]
    assert f"{outcomes[-1].evidence.p_value:.3g}" == p_value


def test_a_healthy_release_loses_evidence(play):
    # A little below the 0.435 of stakes on the planned windows alone: some are kept for the time after.
    assert play([((100, 1), (900, 9))] * 30).evidence.odds == pytest.approx(0.44, abs=0.01)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        ((300, 15), 0.0151, 0.1149),
        ((2700, 27), 0.0040, 0.0203),
        ((500, 0), 0.0, 0.0164),
        ((1000, 3), 0.00007, 0.0163),
        ((1000, 30), 0.0130, 0.0573),
    ],
)
def test_intervals_at_99_percent(counts, low, high):
    assert interval(Counts(*counts), 0.01) == pytest.approx((low, high), abs=5e-5)


def test_the_factor_of_an_absolute_test():
    test = RateLimit(limit=0.01)
    found = test.increments(Counts(100, 5), Counts())
    assert found[2] == pytest.approx(5 * math.log(2) + 95 * math.log(0.98 / 0.99))
