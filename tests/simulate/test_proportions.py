"""Exact intervals, against published values, and quantiles."""

from __future__ import annotations

import pytest

from canary.simulate.proportions import clopper_pearson, quantile


@pytest.mark.parametrize(
    ("found", "tries", "low", "high"),
    [
        (0, 2000, 0.0, 1 - 0.025 ** (1 / 2000)),
        (2000, 2000, 0.025 ** (1 / 2000), 1.0),
        (0, 10, 0.0, 0.308497),
        (1, 10, 0.002529, 0.445016),
        (5, 10, 0.187086, 0.812914),
        (9, 10, 0.554984, 0.997471),
        (10, 100, 0.049005, 0.176223),
    ],
)
def test_the_interval_is_that_of_clopper_and_pearson(found: int, tries: int, low: float, high: float) -> None:
    assert clopper_pearson(found, tries) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))


def test_more_confidence_is_wider() -> None:
    wide, narrow = clopper_pearson(5, 100, 0.99), clopper_pearson(5, 100, 0.9)
    assert wide.low < narrow.low < 0.05 < narrow.high < wide.high


@pytest.mark.parametrize(("share", "value"), [(0.5, 2.0), (0.95, 4.0), (0.25, 1.0), (0.0, 1.0)])
def test_a_quantile_is_one_of_the_values(share: float, value: float) -> None:
    assert quantile((1.0, 2.0, 3.0, 4.0), share) == value
