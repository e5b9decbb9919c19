"""Numbers that mean nothing are said to be unusable, change nothing, and are never a pass."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.core.evidence import (
    Counts,
    Early,
    Evidence,
    Finding,
    Gauge,
    RateLimit,
    RateRatio,
    WindowCounts,
    count,
    failures,
    interval,
    sign,
    slower,
)
from canary.core.window import Bucket, Missing, Sample

NONSENSE = {
    "NaN requests": (math.nan, 1.0),
    "NaN failures": (100.0, math.nan),
    "infinite requests": (math.inf, 1.0),
    "negative requests": (-5.0, 0.0),
    "a counter that was reset": (100.0, -3.0),
    "more failures than requests": (100.0, 101.0),
    "a little more failures than requests": (100.0, 100.001),
    "more than anybody answers": (1e16, 0.0),
    "no requests": (0.0, 0.0),
}


@pytest.mark.parametrize("counts", NONSENSE.values(), ids=NONSENSE)
@pytest.mark.parametrize("side", ["canary", "stable"])
def test_nonsense_of_either_side_is_unusable(play, window, counts, side):
    before = play([((100, 1), (900, 9))] * 3).evidence
    bad = window(**{side: counts}, number=3)
    for test in (RateRatio(), Early().test):
        outcome = count(test, before, bad)
        assert outcome.finding is Finding.UNUSABLE
        assert outcome.evidence == before
        assert outcome.reason.startswith(f"{side}: ")


@pytest.mark.parametrize("counts", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_nothing_to_an_absolute_test(window, counts):
    assert count(RateLimit(limit=0.01), Evidence(), window(counts)).finding is Finding.UNUSABLE


@pytest.mark.parametrize("side", ["canary", "stable"])
def test_a_missing_side_is_unusable_and_says_why(window, side):
    outcome = count(RateRatio(), Evidence(), window(**{side: Missing("no series")}))
    assert (outcome.finding, outcome.reason) == (Finding.UNUSABLE, f"{side}: no series")


@pytest.mark.parametrize(
    ("start", "end"), [(math.nan, 10.0), (0.0, math.nan), (10.0, 10.0), (10.0, 0.0), (0.0, math.inf), (-10.0, 0.0)]
)
def test_a_window_without_beginning_and_end_is_unusable(start, end):
    outcome = count(RateRatio(), Evidence(), WindowCounts(start, end, Counts(100, 50), Counts(900, 9)))
    assert (outcome.finding, outcome.evidence) == (Finding.UNUSABLE, Evidence())


def test_an_unusable_window_may_come_again_with_numbers(play, window):
    before = play([((100, 1), (900, 9))]).evidence
    unusable = count(RateRatio(), before, window(Missing("late"), number=1)).evidence
    assert count(RateRatio(), unusable, window(number=1)).evidence.windows == 2


@pytest.mark.parametrize("requests", [1e-3, 0.5, 1e9, 1e15])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_few_many_no_and_all_failures_are_counts(play, requests, share):
    windows = [((requests, share * requests), (9 * requests if requests < 1e15 else requests, 0.0))] * 400
    for test in (RateRatio(), RateRatio(fewest=1), RateLimit(limit=0.01), Early().test):
        outcome = play(windows[:20], test)
        assert outcome.finding in (Finding.SHOWN, Finding.UNDECIDED)
        assert 0.0 <= outcome.evidence.odds < math.inf
        assert 0.0 <= outcome.evidence.p_value <= 1.0


def test_a_side_of_a_billion_requests_does_not_drown_the_other(play):
    assert play([((10, 10), (1e9, 1e7))] * 10).finding is Finding.SHOWN


@pytest.mark.parametrize("counts", NONSENSE.values(), ids=NONSENSE)
def test_nothing_is_known_of_a_rate_by_nonsense(counts):
    assert interval(Counts(*counts), 0.01) == (0.0, 1.0)


@pytest.mark.parametrize(
    "gauge", [Gauge(math.nan, 1e3), Gauge(0.0, 1e3), Gauge(-1.0, 1e3), Gauge(math.inf, 1e3), Gauge(0.1, math.nan),
              Gauge(0.1, -1.0)]
)  # fmt: skip
def test_a_gauge_that_means_nothing_is_no_sign(gauge):
    good = Gauge(0.1, 1e3)
    assert isinstance(sign(gauge, good, 0.99), Missing)
    assert isinstance(sign(good, gauge, 0.99), Missing)


def test_a_reading_becomes_counts_or_says_why_not():
    reading = Sample(90.0, 10.0, histogram=(Bucket(0.1, 80.0), Bucket(math.inf, 100.0)))
    assert failures(reading) == Counts(100.0, 10.0)
    assert slower(reading, 0.1) == Counts(100.0, pytest.approx(20.0))
    assert isinstance(slower(Sample(90.0, 10.0), 0.1), Missing)
    missing = Missing("no series")
    assert failures(missing) is missing
    assert slower(missing, 0.1) is missing


FINITE = st.floats(allow_nan=False, allow_infinity=False)
STORED = st.builds(
    Evidence, windows=st.integers(-5, 10**6), end=st.floats(-10.0, 100.0), logs=st.one_of(
        st.just(()), st.lists(FINITE, min_size=8, max_size=8).map(tuple), st.lists(FINITE, max_size=9).map(tuple)
    ), rest=FINITE, peak=FINITE,
)  # fmt: skip


@given(STORED, st.sampled_from([RateRatio(), RateRatio(horizon=1), RateLimit(limit=0.01), Early().test]))
def test_whatever_was_stored_nothing_raises_and_what_is_stored_can_be_read(stored, test):
    evidence = stored
    for number in range(3):
        window = WindowCounts(100.0 + number, 101.0 + number, Counts(100, 2), Counts(900, 9))
        evidence = count(test, evidence, window).evidence
        assert 0.0 <= evidence.odds < math.inf
        assert 0.0 <= evidence.p_value <= 1.0
        assert msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence) == evidence


ANY = st.one_of(st.floats(), st.sampled_from([0.0, -1.0, 1e9, 1e15, math.nan, math.inf]))
ANY_SIDE = st.one_of(st.builds(Counts, ANY, ANY), st.just(Missing("nobody knows")))


@given(st.lists(st.builds(WindowCounts, ANY, ANY, ANY_SIDE, ANY_SIDE), max_size=12))
def test_whatever_comes_nothing_raises_and_nothing_unusable_is_a_pass(windows):
    early = Early()
    tests = [RateRatio(), RateRatio(fewest=1), RateLimit(limit=0.01), early.test]
    kept = [Evidence() for _ in tests]
    for window in windows:
        for number, test in enumerate(tests):
            outcome = count(test, kept[number], window)
            sides = (window.canary, window.stable) if isinstance(test, RateRatio) else (window.canary,)
            if any(isinstance(side, Missing) or side.flaw or not side.requests for side in sides):
                assert outcome.finding is Finding.UNUSABLE
            if outcome.finding in (Finding.UNUSABLE, Finding.IGNORED):
                assert outcome.evidence is kept[number]
            kept[number] = outcome.evidence
            assert math.isfinite(outcome.evidence.odds)
    if not kept[-1].windows:
        assert early.finding(kept[-1]) is Finding.UNUSABLE
