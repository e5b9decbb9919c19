"""How often something may happen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.kube.token_bucket import Rate, TokenBucket

RATE = Rate(burst=10.0, per_second=0.5)


def taken(times: list[float]) -> list[float]:
    """The moments at which there was one."""
    bucket, had = TokenBucket(RATE), []
    for now in times:
        if not bucket.wait(now):
            bucket = bucket.take(now)
            had.append(now)
    return had


def empty(at: float) -> TokenBucket:
    bucket = TokenBucket(RATE)
    while not bucket.wait(at):
        bucket = bucket.take(at)
    return bucket


def test_a_burst_is_let_through_at_once_and_a_stream_at_its_rate():
    assert len(taken([0.0] * 50)) == RATE.burst
    assert len(taken([number / 10 for number in range(600)])) == pytest.approx(RATE.burst + 60 * RATE.per_second, abs=1)


@given(st.lists(st.floats(0.0, 30.0), max_size=80))
def test_no_stretch_of_time_has_more_than_the_burst_and_what_grows_in_it(gaps):
    now, times = 1000.0, []
    for gap in gaps:
        now += gap
        times.append(now)
    moments = taken(times)
    for first in range(len(moments)):
        for last in range(first, len(moments)):
            assert last - first + 1 <= RATE.burst + (moments[last] - moments[first]) * RATE.per_second + 1e-3


@given(st.integers(0, 60))
def test_whoever_waits_as_long_as_told_gets_one_however_often_it_asks(asked):
    bucket = empty(5.0)
    for _ in range(asked):
        bucket.wait(5.0)
    wait = bucket.wait(5.0)
    assert wait > 0.0
    assert bucket.wait(5.0 + wait / 2) > 0.0
    assert bucket.wait(5.0 + wait) == 0.0


def test_one_that_is_taken_from_an_empty_bucket_is_not_owed():
    overdrawn = empty(5.0).take(5.0)
    assert overdrawn.wait(5.0) == empty(5.0).wait(5.0)
