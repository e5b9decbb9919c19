import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.kube.backoff import Backoff, jittered


def test_doubles_up_to_the_cap_without_jitter():
    backoff = Backoff(base=1, cap=10, jitter=0)
    assert [backoff.delay(n, random.Random(0)) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(failures=st.integers(-5, 10**9), jitter=st.floats(0, 1), seed=st.integers())
def test_stays_between_its_bounds_however_many_failures(failures: int, jitter: float, seed: int):
    delay = Backoff(base=0.5, cap=60, jitter=jitter).delay(failures, random.Random(seed))
    assert 0.5 * (1 - jitter) <= delay <= 60


@pytest.mark.parametrize(
    "wrong", [{"base": 0}, {"base": 2, "cap": 1}, {"factor": 0.5}, {"jitter": -0.1}, {"jitter": 1.1}]
)
def test_refuses_parameters_that_make_no_sense(wrong: dict[str, float]):
    with pytest.raises(ValueError, match="base"):
        Backoff(**wrong)


@given(st.integers())
def test_jitter_moves_a_period_both_ways_within_its_spread(seed: int):
    assert 1.6 <= jittered(2, random.Random(seed), 0.2) <= 2.4
