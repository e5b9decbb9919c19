"""What holds for every rollout: more failures of the canary are more evidence, no order and no restart matters."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.evidence import Counts, Early, Evidence, RateLimit, RateRatio, WindowCounts, count, interval


@st.composite
def counts(draw, most=10_000):
    requests = draw(st.integers(1, most))
    return Counts(float(requests), float(draw(st.integers(0, requests))))


PAIRS = st.lists(st.tuples(counts(), counts()), min_size=1, max_size=15)
TESTS = st.one_of(
    st.builds(RateRatio, alpha=st.sampled_from([0.01, 0.05]), ratio=st.sampled_from([1.0, 1.2, 1.5]),
              fewest=st.integers(1, 4), horizon=st.integers(1, 50)),
    st.builds(RateLimit, limit=st.sampled_from([0.0, 0.001, 0.01, 0.3, 1.0]), fewest=st.integers(1, 4)),
    st.just(Early().test),
)  # fmt: skip


def played(test, pairs):
    evidence = Evidence()
    for number, (canary, stable) in enumerate(pairs):
        evidence = count(test, evidence, WindowCounts(10.0 * number, 10.0 * number + 10.0, canary, stable)).evidence
    return evidence


@given(TESTS, PAIRS)
def test_what_is_stored_is_what_is_read(test, pairs):
    evidence = played(test, pairs)
    stored = msgspec.json.encode(evidence)
    assert msgspec.json.decode(stored, type=Evidence) == evidence
    assert b"null" not in stored


@given(TESTS, PAIRS, st.data())
def test_a_restart_after_any_window_changes_nothing(test, pairs, data):
    cut = data.draw(st.integers(0, len(pairs)))
    evidence = msgspec.json.decode(msgspec.json.encode(played(test, pairs[:cut])), type=Evidence)
    for number, (canary, stable) in enumerate(pairs):  # those that were counted come again
        evidence = count(test, evidence, WindowCounts(10.0 * number, 10.0 * number + 10.0, canary, stable)).evidence
    assert evidence == played(test, pairs)


@given(counts(), counts(), st.sampled_from([1.0, 1.2, 2.0]), st.data())
def test_another_failure_of_the_canary_is_more_evidence_that_it_is_worse(canary, stable, ratio, data):
    worse = Counts(canary.requests, float(data.draw(st.integers(int(canary.bad), int(canary.requests)))))
    for test in (RateRatio(ratio=ratio), RateLimit(limit=0.01)):
        less, more = test.increments(canary, stable), test.increments(worse, stable)
        assert all(a <= b + 1e-9 for a, b in zip(less, more, strict=True))
    reverse = Early().test
    less, more = reverse.increments(canary, stable), reverse.increments(worse, stable)
    assert all(a >= b - 1e-9 for a, b in zip(less, more, strict=True))


@given(counts(), counts(), st.sampled_from([1.0, 1.2, 2.0]), st.data())
def test_another_failure_of_stable_is_less(canary, stable, ratio, data):
    worse = Counts(stable.requests, float(data.draw(st.integers(int(stable.bad), int(stable.requests)))))
    less, more = (RateRatio(ratio=ratio).increments(canary, side) for side in (worse, stable))
    assert all(a <= b + 1e-9 for a, b in zip(less, more, strict=True))


@given(st.lists(st.tuples(counts(), counts()), min_size=1, max_size=4))
def test_with_all_staked_on_the_first_window_no_order_matters(pairs):
    # Without a cap and a dispersion, both of which belong to single windows.
    test = RateLimit(limit=0.1, fewest=1, first=1.0, clustered=False)
    found = {round(played(test, order).log_odds, 3) for order in itertools.permutations(pairs)}
    assert max(found) - min(found) <= 2e-3 + 1e-6 * max(map(abs, found))


@given(TESTS, PAIRS)
def test_one_window_adds_no_more_than_its_cap(test, pairs):
    before = played(test, pairs[:-1])
    after = played(test, pairs)
    assert after.log_odds <= max(before.log_odds, 0.0) + test.cap + 1e-6
    assert after.peak >= before.peak


@given(counts(most=20), counts(most=20), st.floats(0.0, 1.0), st.sampled_from([1.0, 1.2, 2.0]))
def test_the_factor_of_a_window_is_a_fair_bet_at_the_border_of_the_null_hypothesis(canary, stable, share, ratio):
    """By summing over all outcomes: at most 1 where the canary fails exactly `ratio` times as often as stable."""
    rate = share / ratio
    test = RateRatio(ratio=ratio)
    expected = [0.0] * len(test.grid)
    for ours in range(int(canary.requests) + 1):
        for theirs in range(int(stable.requests) + 1):
            chance = _binomial(canary.requests, ours, share) * _binomial(stable.requests, theirs, rate)
            found = test.increments(Counts(canary.requests, float(ours)), Counts(stable.requests, float(theirs)))
            expected = [total + chance * math.exp(value) for total, value in zip(expected, found, strict=True)]
    assert all(value <= 1.0 + 1e-9 for value in expected)


@given(st.integers(1, 60), st.floats(0.0, 1.0), st.sampled_from([0.001, 0.01, 0.2]))
def test_so_is_that_of_an_absolute_test(requests, below, limit):
    test = RateLimit(limit=limit)
    for index in range(len(test.grid)):
        total = sum(
            _binomial(requests, bad, below * limit)
            * math.exp(test.increments(Counts(float(requests), float(bad)), Counts())[index])
            for bad in range(requests + 1)
        )
        assert total <= 1.0 + 1e-9


def _binomial(requests, bad, rate):
    return math.comb(int(requests), bad) * rate**bad * (1.0 - rate) ** (int(requests) - bad)


@given(counts(most=10**9), st.sampled_from([0.001, 0.01, 0.05, 0.3]), st.floats(1.0, 50.0))
def test_an_interval_holds_the_observed_rate_and_widens_with_confidence_and_scatter(side, alpha, dispersion):
    low, high = interval(side, alpha)
    assert 0.0 <= low <= side.rate <= high <= 1.0
    surer, scattered = interval(side, alpha / 10.0), interval(side, alpha, dispersion=dispersion)
    for wider in (surer, scattered):
        assert wider.low <= low + 1e-9
        assert wider.high >= high - 1e-9


@pytest.mark.parametrize("requests", [1e3, 1e6, 1e9, 1e12, 1e15])
def test_many_requests_narrow_an_interval_without_end(requests):
    low, high = interval(Counts(requests, 0.01 * requests), 0.01)
    assert low < 0.01 < high
    # Beyond 10¹² the digits would not be enough: those bounds stay.
    assert requests <= 1e12 or (low, high) == pytest.approx(interval(Counts(1e12, 1e10), 0.01), abs=1e-12)
    assert high - low < 1.5 / math.sqrt(min(requests, 1e12))
