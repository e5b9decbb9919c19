"""How windows add up: once each, in any batch, and over restarts."""

from __future__ import annotations

import msgspec
import pytest

from canary.core.evidence import Counts, Evidence, Finding, RateLimit, RateRatio, WindowCounts, count, fewest_windows
from canary.core.window import Missing

HEALTHY, WORSE = ((100, 1), (900, 9)), ((100, 20), (900, 9))


def test_a_window_counts_once(play, window):
    before = play([WORSE] * 2).evidence
    again = count(RateRatio(), before, window(*WORSE, number=1))
    assert (again.finding, again.evidence) == (Finding.IGNORED, before)


def test_a_window_that_comes_late_is_ignored(play, window):
    before = play([WORSE] * 5).evidence
    assert count(RateRatio(), before, window(*WORSE, number=2)).finding is Finding.IGNORED


def test_a_window_that_overlaps_a_counted_one_is_ignored(play):
    before = play([WORSE]).evidence
    overlapping = WindowCounts(5.0, 15.0, Counts(100, 20), Counts(900, 9))
    assert count(RateRatio(), before, overlapping).evidence == before


def test_a_clock_that_was_set_back_by_milliseconds_loses_no_window(play):
    before = play([WORSE]).evidence
    early = WindowCounts(9.9, 19.9, Counts(100, 20), Counts(900, 9))
    assert count(RateRatio(), before, early).evidence.windows == 2


def test_a_restart_changes_nothing(play):
    whole = play([HEALTHY] * 7 + [WORSE] * 2).evidence
    stored = msgspec.json.encode(play([HEALTHY] * 5).evidence)
    restored = msgspec.json.decode(stored, type=Evidence)
    assert play([HEALTHY] * 2 + [WORSE] * 2, before=restored).evidence == whole


def test_a_long_rollout_is_a_few_hundred_bytes(play):
    evidence = play([((1234.567, 12.345), (98765.432, 987.654))] * 400).evidence
    size = len(msgspec.json.encode(evidence))
    print(f"{size} bytes")
    assert size < 300


@pytest.mark.parametrize("fewest", [2, 3, 5])
def test_no_fewer_windows_decide_however_bad_they_are(play, fewest):
    test = RateRatio(fewest=fewest)
    terrible = ((1e6, 1e6), (9e6, 0))
    assert play([terrible] * (fewest - 1), test).finding is Finding.UNDECIDED
    assert play([terrible] * fewest, test).finding is Finding.SHOWN


def test_windows_of_half_a_minute_decide_in_two():
    assert [fewest_windows(seconds) for seconds in (1, 10, 29.9, 30, 60)] == [3, 3, 3, 2, 2]


def test_what_was_shown_stays_shown(play):
    bad = play([WORSE] * 4).evidence
    after = play([HEALTHY] * 100, before=bad)
    assert after.finding is Finding.SHOWN
    assert after.evidence.odds < 100


def test_a_long_healthy_time_is_no_debt(play):
    healthy = play([HEALTHY] * 120).evidence
    late = [play([WORSE] * windows, before=healthy).finding for windows in (3, 4, 5)]
    assert late[-1] is Finding.SHOWN


def test_a_regression_after_the_planned_windows_is_found(play):
    test = RateRatio(horizon=10)
    healthy = play([HEALTHY] * 400, test).evidence
    assert play([WORSE] * 8, test, healthy).finding is Finding.SHOWN


def test_all_stakes_together_are_what_there_was(play):
    nothing = play([((100, 0), (900, 0))] * 1000).evidence
    assert nothing.odds == pytest.approx(1.0, abs=1e-2)
    assert nothing.odds <= 1.0


def test_a_shared_outage_says_nothing_against_the_canary(play):
    assert play([HEALTHY] * 3 + [((100, 80), (900, 720))] * 30).evidence.odds < 1.0


def test_all_errors_on_both_sides_say_nothing_against_the_canary(play):
    assert play([((100, 100), (900, 900))] * 60).evidence.odds < 1.0


def test_windows_without_failures_are_neutral(play):
    assert play([((100, 0), (900, 0))]).evidence.odds == pytest.approx(1.0, abs=1e-4)


def test_the_absolute_test_needs_no_stable(play):
    outcome = play([((100, 20), Missing("scaled to zero"))] * 3, RateLimit(limit=0.01))
    assert outcome.finding is Finding.SHOWN


def test_a_limit_of_zero_takes_more_than_one_failure(play):
    test = RateLimit(limit=0.0)
    assert play([((100, 1), (900, 0))], test).finding is Finding.UNDECIDED
    assert play([((100, 1), (900, 0))] * 3, test).finding is Finding.SHOWN


def test_nothing_is_above_a_limit_of_everything(play):
    assert play([((100, 100), (900, 0))] * 50, RateLimit(limit=1.0)).finding is Finding.UNDECIDED


def test_clustered_failures_weigh_less(play):
    steady = [((100, 3), (900, 9))] * 20
    clustered = [((100, 12), (900, 9)), ((100, 0), (900, 9)), ((100, 0), (900, 9)), ((100, 0), (900, 9))] * 5
    even, bursty = play(steady).evidence, play(clustered).evidence
    assert even.canary == bursty.canary
    assert even.overdispersion == 1.0
    assert bursty.overdispersion > 3.0
    assert bursty.peak < even.peak


def test_evidence_of_a_test_with_other_alternatives_is_begun_anew_but_no_window_is_counted_twice(play, window):
    before = play([WORSE] * 4).evidence
    other = RateRatio(grid=(2.0, 4.0))
    assert count(other, before, window(*WORSE, number=3)).finding is Finding.IGNORED
    anew = count(other, before, window(*WORSE, number=4))
    assert (anew.finding, anew.evidence.windows, len(anew.evidence.logs)) == (Finding.UNDECIDED, 1, 2)


@pytest.mark.parametrize("edit", [{"rest": 5.0}, {"rest": -1.0}, {"logs": (1e30,) * 8}])
def test_evidence_that_was_edited_into_something_impossible_is_begun_anew(play, window, edit):
    before = msgspec.structs.replace(play([HEALTHY] * 4).evidence, **edit)
    assert count(RateRatio(), before, window(*HEALTHY, number=4)).evidence.windows == 1


def test_a_test_of_the_canary_alone_keeps_nothing_of_stable(play):
    assert play([WORSE], RateLimit(limit=0.01)).evidence.stable == Counts()
