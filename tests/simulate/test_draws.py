"""The counts have the distribution that they claim: mean, variance and, where they are few, each probability."""

from __future__ import annotations

import math
import random
import statistics
from collections import Counter

import pytest

from canary.simulate.draws import binomial, poisson, poisson_once

DRAWS = 20_000


@pytest.mark.parametrize("mean", [0.2, 3.0, 9.9, 10.1, 55.0, 900.0, 1e6])
def test_poisson_counts_have_mean_and_variance_of_the_mean(mean: float) -> None:
    rng = random.Random(f"poisson {mean}")
    found = [poisson_once(rng, mean) for _ in range(DRAWS)]
    # Five standard errors of each.
    assert statistics.fmean(found) == pytest.approx(mean, abs=5 * math.sqrt(mean / DRAWS))
    assert statistics.variance(found) == pytest.approx(mean, rel=5 * math.sqrt((2 + 1 / mean) / DRAWS))


@pytest.mark.parametrize("mean", [4.0, 12.0])
def test_poisson_counts_have_the_probabilities_of_the_table(mean: float) -> None:
    rng = random.Random(1)
    once, table = (Counter(draw(rng, mean) for _ in range(DRAWS)) for draw in (poisson_once, poisson))
    for count in range(int(2 * mean)):
        share = math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
        error = 5 * math.sqrt(share * (1 - share) / DRAWS)
        assert once[count] / DRAWS == pytest.approx(share, abs=error)
        assert table[count] / DRAWS == pytest.approx(share, abs=error)


@pytest.mark.parametrize(
    ("tries", "share"), [(1, 0.5), (20, 0.1), (40, 0.3), (100, 0.95), (1000, 0.004), (50_000, 0.2)]
)
def test_binomial_counts_have_mean_and_variance(tries: int, share: float) -> None:
    rng = random.Random(f"binomial {tries}")
    found = [binomial(rng, tries, share) for _ in range(DRAWS)]
    variance = tries * share * (1 - share)
    assert statistics.fmean(found) == pytest.approx(tries * share, abs=5 * math.sqrt(variance / DRAWS))
    assert statistics.variance(found) == pytest.approx(variance, rel=5 * math.sqrt((2 + 1 / variance) / DRAWS))
    assert 0 <= min(found) <= max(found) <= tries


@pytest.mark.parametrize(("share", "found"), [(0.0, 0), (1.0, 7)])
def test_a_share_of_nothing_or_everything_is_certain(share: float, found: int) -> None:
    assert binomial(random.Random(1), 7, share) == found
    assert binomial(random.Random(1), 0, 0.5) == 0
    assert poisson_once(random.Random(1), 0.0) == 0
