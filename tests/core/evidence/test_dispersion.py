"""How much clustered failures weigh."""

from __future__ import annotations

import pytest

from canary.core.evidence import Counts, Evidence, RateLimit, RateRatio, WindowCounts, count
from canary.core.evidence.dispersion import Scatter


@pytest.mark.parametrize(
    ("scatter", "factor"),
    [(Scatter(), 1.0), (Scatter(1.0, 1), 6 / 5), (Scatter(10.0, 3), 15 / 7), (Scatter(2.0, 30), 1.0)],
)
def test_five_windows_without_excess_are_assumed(scatter, factor):
    assert scatter.factor == pytest.approx(factor)


def test_a_window_adds_its_squared_residual():
    assert Scatter().seen(15.0, 100.0, 0.1) == Scatter(round(25 / 9, 4), 1)


@pytest.mark.parametrize(("trials", "share"), [(0.0, 0.5), (10.0, 0.0), (10.0, 1.0)])
def test_a_window_in_which_nothing_can_scatter_is_none(trials, share):
    assert Scatter(3.0, 2).seen(0.0, trials, share) == Scatter(3.0, 2)


@pytest.mark.parametrize("test", [RateRatio(fewest=1), RateLimit(limit=0.01, fewest=1)])
def test_what_a_window_says_is_divided_by_the_scatter_of_those_before_it(test):
    def gain(scatter: Scatter) -> float:
        before = Evidence(windows=1, logs=(0.0,) * len(test.grid), rest=0.0, scatter=scatter)
        worse = WindowCounts(0.0, 10.0, Counts(1000.0, 30.0), Counts(9000.0, 90.0))
        return count(test, before, worse).evidence.logs[2]

    assert gain(Scatter(20.0, 1)) == pytest.approx(gain(Scatter()) / 5.0, abs=1e-4)
