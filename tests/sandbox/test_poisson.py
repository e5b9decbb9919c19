"""Counts of a Poisson process are drawn exactly, few or many."""

from __future__ import annotations

import math
import random
from collections import Counter

import pytest

from canary.sandbox.mesh.timeline import poisson

DRAWS = 20_000


@pytest.mark.parametrize("mean", [0.5, 9.9, 10.0, 37.0, 180.0])
def test_counts_follow_the_distribution(mean):
    rng = random.Random(1)
    found = Counter(poisson(rng, mean) for _ in range(DRAWS))
    spread = 3 * math.sqrt(mean)
    distance, cells = 0.0, 0
    for count in range(max(0, math.floor(mean - spread)), math.ceil(mean + spread)):
        expected = DRAWS * math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))
        if expected > 20:
            distance += (found[count] - expected) ** 2 / expected
            cells += 1
    # Chi-square with so many degrees of freedom: five standard deviations.
    assert distance < cells + 5 * math.sqrt(2 * cells)


def test_nothing_comes_of_no_traffic():
    assert poisson(random.Random(1), 0.0) == 0
