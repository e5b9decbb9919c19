"""What a step must show to end before its hold is over."""

from __future__ import annotations

import pytest

from canary.core.evidence import Counts, Early, Evidence, Finding, interval

GOOD, DOUBLE = ((1000, 1), (9000, 9)), ((1000, 20), (9000, 90))


def found(play, windows, **overrides):
    early = Early(**overrides)
    return early.finding(play(windows, early.test).evidence)


def test_a_good_canary_passes_when_it_has_shown_enough(play):
    assert found(play, [GOOD]) is Finding.UNDECIDED
    assert found(play, [GOOD] * 20) is Finding.SHOWN


def test_a_canary_that_is_twice_as_bad_does_not(play):
    assert found(play, [DOUBLE] * 60) is Finding.UNDECIDED


def test_a_rate_is_shown_by_the_ratio_where_the_margin_is_too_narrow(play):
    windows = [((1000, 50), (9000, 450))] * 20
    assert found(play, windows, margin=0.001) is Finding.SHOWN
    assert found(play, windows, margin=0.001, ratio=1.01) is Finding.UNDECIDED


def test_a_canary_without_any_failure_passes_by_the_margin_alone(play):
    windows = [((1000, 0), (9000, 0))] * 4
    assert found(play, windows) is Finding.SHOWN
    assert found(play, windows, margin=0.0001) is Finding.UNDECIDED


def test_all_is_staked_on_the_beginning_of_a_step(play):
    assert play([GOOD], Early().test).evidence.rest == 0.0


def test_a_limit_is_looked_at_through_bounds_that_are_narrow_around_it(play):
    early = Early(limit=0.01)
    step = play([((1000, 0), (9000, 0))], early.test).evidence
    assert early.highest_rate(step) == interval(Counts(1000.0, 0.0), 0.05, prior=(0.5, 50.0)).high
    assert early.highest_rate(step) < interval(Counts(1000.0, 0.0), 0.05).high


def test_a_limit_must_be_kept_as_well(play):
    windows = [((1000, 30), (9000, 270))] * 20
    assert found(play, windows) is Finding.SHOWN
    assert found(play, windows, limit=0.04) is Finding.SHOWN
    assert found(play, windows, limit=0.02) is Finding.UNDECIDED


def test_a_limit_of_zero_is_never_shown(play):
    assert found(play, [((1e6, 0), (9e6, 0))] * 20, limit=0.0) is Finding.UNDECIDED


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_a_shared_outage_is_no_proof(play, share):
    windows = [((1000, 1000 * share), (9000, 9000 * share))] * 60
    assert found(play, windows) is Finding.UNDECIDED
    assert found(play, windows, limit=1.0) is Finding.UNDECIDED


def test_nothing_is_shown_without_both_sides():
    early = Early()
    assert early.finding(Evidence()) is Finding.UNUSABLE
    assert early.finding(Evidence(canary=Counts(1e6, 0.0))) is Finding.UNUSABLE
    assert early.finding(Evidence(stable=Counts(1e6, 0.0))) is Finding.UNUSABLE


def test_no_burst_of_good_luck_passes_in_a_window_or_two(play):
    lucky = ((1000, 0), (9000, 2000))
    test = Early().test
    assert [play([lucky] * windows, test).finding for windows in (1, 2, 3)] == [
        Finding.UNDECIDED, Finding.UNDECIDED, Finding.SHOWN
    ]  # fmt: skip


def test_clustered_counts_show_less(play):
    even = [((1000, 4), (9000, 36))] * 12
    clustered = [((1000, 12), (9000, 36)), ((1000, 0), (9000, 36)), ((1000, 0), (9000, 36))] * 4
    early = Early()
    bounds = [early.difference(play(windows, early.test).evidence) for windows in (even, clustered)]
    assert bounds[0] < bounds[1]
