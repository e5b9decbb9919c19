"""Verdicts on one window, with numbers worked out by hand."""

from __future__ import annotations

from math import inf

import pytest

from canary.core.plan import Limit
from canary.core.verdict import Pool, Sums, Verdict, judge, pooled
from canary.core.verdict_words import show, show_limit
from canary.core.window import Bucket, Missing, Peer, Sample, Sides, Window

SUCCESS = Limit("success-rate", 99.0, 90.0)
LATENCY = Limit("latency", 0.5, 2.0, "p99")
SLOW = Limit("slow", 1.0, 20.0, slower_than=0.5)
NONE = Sums()


def window(canary, stable=None):
    return Window(0.0, 10.0, 1000.0, canary, stable or Sample(100.0, 0.0))


def before(limit, earlier):
    """What the windows before have counted for one limit."""
    return Pool(metrics={limit.name: earlier})


@pytest.fixture
def verdict(plan):
    def ask(limit, canary, earlier=NONE, **overrides):
        judged = judge(plan(limits=(limit,), **overrides), window(canary), before(limit, earlier))
        return judged.verdict.value, judged.severe

    return ask


@pytest.mark.parametrize(
    ("success", "failure", "earlier", "expected"),
    [
        (100, 0, Sums(), ("Healthy", False)),
        (99, 1, Sums(), ("Healthy", False)),  # exactly at the limit
        (98, 2, Sums(), ("Collecting", False)),  # 98 %, but 2 are fewer than 5
        (494, 5, Sums(), ("Breach", False)),  # 98.998 %, 5 bad
        (495, 5, Sums(), ("Healthy", False)),  # 99 %
        (96, 4, Sums(), ("Collecting", False)),
        (95, 5, Sums(), ("Breach", False)),
        (90, 10, Sums(), ("Breach", True)),  # at rollbackAt
        (91, 9, Sums(), ("Breach", False)),
        (0, 4, Sums(), ("Collecting", False)),  # all fail, yet only 4
        (0, 5, Sums(), ("Breach", True)),
        (0.5, 0.0, Sums(), ("Healthy", False)),  # fractional counts
        (0.0, 0.1, Sums(), ("Collecting", False)),
        (98, 2, Sums(100, 2), ("Collecting", False)),  # 4 of 200
        (98, 2, Sums(100, 3), ("Breach", False)),  # 5 of 200: 97.5 %
        (98, 2, Sums(1000, 3), ("Healthy", False)),  # 5 of 1100: 99.55 %
        (7, 1, Sums(32, 4), ("Breach", True)),  # 5 of 40: 87.5 %
        (95, 5, Sums(1_000_000, 0), ("Breach", False)),  # enough in one window: no pool can hide it
        (100, 0, Sums(100, 4), ("Collecting", False)),  # 4 of 200: 98 %
    ],
)
def test_success_rate_at_least_99_percent(verdict, success, failure, earlier, expected):
    assert verdict(SUCCESS, Sample(success, failure), earlier) == expected


def test_without_rollback_at_nothing_is_severe(verdict):
    assert verdict(Limit("success-rate", 99.0), Sample(0.0, 1000.0)) == ("Breach", False)


def test_min_bad_of_one_makes_each_bad_request_count(verdict):
    assert verdict(SUCCESS, Sample(9.5, 1.0), min_bad=1) == ("Breach", False)


@pytest.mark.parametrize(
    ("p50", "p90", "p99", "requests", "slow", "expected"),
    [
        (0.1, 0.2, 0.5, 1000, 0, ("Healthy", False)),  # exactly at the limit
        (0.1, 0.2, 0.6, 1000, 0, ("Breach", False)),  # 1 % of 1000 are 10
        (0.1, 0.2, 0.6, 499, 0, ("Collecting", False)),  # 4.99
        (0.1, 0.2, 0.6, 500, 0, ("Breach", False)),  # 5
        (0.1, 0.6, 0.6, 50, 0, ("Breach", False)),  # 10 % of 50 are 5
        (0.6, 0.6, 0.6, 10, 0, ("Breach", False)),  # half of 10
        (0.6, 0.6, 0.6, 9, 0, ("Collecting", False)),
        (0.1, 0.2, 2.0, 1000, 0, ("Breach", True)),  # at rollbackAt
        (0.1, 0.2, 1.99, 1000, 0, ("Breach", False)),
        (0.1, 0.2, 9.0, 100, 0, ("Collecting", False)),  # 1 bad at most is known
        (0.1, 0.2, 0.6, 100, 3.9, ("Collecting", False)),  # 4.9 in the step's windows
        (0.1, 0.2, 0.6, 100, 4, ("Breach", False)),
    ],
)
def test_latency_p99_at_most_500_milliseconds(verdict, p50, p90, p99, requests, slow, expected):
    sample = Sample(float(requests), 0.0, {"p50": p50, "p90": p90, "p99": p99})

    assert verdict(LATENCY, sample, Sums(1000.0, slow)) == expected


@pytest.mark.parametrize("latency", [{}, {"p50": 0.1, "p90": 0.2}])
def test_an_absent_quantile_is_no_data(verdict, latency):
    assert verdict(LATENCY, Sample(1000.0, 0.0, latency)) == ("NoData", False)


def timed(requests, slow, **fields):
    """So many requests, of which `slow` took between half a second and one."""
    buckets = (Bucket(0.5, requests - slow), Bucket(1.0, requests), Bucket(inf, requests))
    return Sample(requests, 0.0, histogram=buckets, **fields)


@pytest.mark.parametrize(
    ("requests", "slow", "earlier", "expected"),
    [
        (1000, 0, NONE, ("Healthy", False)),
        (1000, 10, NONE, ("Healthy", False)),  # exactly at the limit
        (1000, 11, NONE, ("Breach", False)),
        (100, 4, NONE, ("Collecting", False)),  # 4 %, but 4 are fewer than 5
        (100, 5, NONE, ("Breach", False)),
        (100, 20, NONE, ("Breach", True)),  # at rollbackAt
        (100, 19, NONE, ("Breach", False)),
        (4, 4, NONE, ("Collecting", False)),  # all slow, yet only 4
        (100, 4, Sums(100, 1), ("Breach", False)),  # 5 of 200
        (100, 4, Sums(100, 0), ("Collecting", False)),  # 4 of 200
        (100, 4, Sums(900, 1), ("Healthy", False)),  # 5 of 1000
        (100, 5, Sums(900, 0), ("Breach", False)),  # enough in one window
    ],
)
def test_at_most_1_percent_of_requests_takes_longer_than_500_milliseconds(verdict, requests, slow, earlier, expected):
    assert verdict(SLOW, timed(float(requests), float(slow)), earlier) == expected


def test_a_share_without_a_histogram_is_no_data(plan):
    judged = judge(plan(limits=(SLOW,)), window(Sample(1000.0, 0.0, {"p99": 9.0})), Pool())

    assert judged.verdict is Verdict.NO_DATA
    assert judged.words == "slow: the source has no histogram"


def test_slow_requests_are_a_share_of_those_that_were_counted(verdict):
    # The histogram was extrapolated to 1000 requests, of which 40 were slow; 100 were counted: 4 of them are too few.
    sample = Sample(100.0, 0.0, histogram=timed(1000.0, 40.0).histogram)

    assert verdict(SLOW, sample) == ("Collecting", False)


def test_failures_do_not_make_a_request_slow(verdict):
    failed = Sample(0.0, 1000.0, histogram=timed(1000.0, 0.0).histogram)

    assert verdict(SLOW, failed) == ("Healthy", False)


def test_a_missing_side_is_no_data_and_says_why(plan):
    judged = judge(plan(), window(Missing("no requests in the window")), Pool())

    assert judged.verdict is Verdict.NO_DATA
    assert judged.requests == 0
    assert "no requests in the window" in judged.words


def test_the_worst_metric_decides(plan):
    cases = {
        Sample(1000.0, 0.0, {"p99": 0.1}): "Healthy",
        Sample(1000.0, 0.0): "NoData",
        Sample(900.0, 100.0): "Breach",
        Sample(98.0, 2.0, {"p99": 0.1}): "Collecting",
        Sample(98.0, 2.0): "NoData",
    }

    for sample, expected in cases.items():
        assert judge(plan(), window(sample), Pool()).verdict == expected


def test_no_metric_at_all_is_no_data(plan):
    assert judge(plan(limits=()), window(Sample(1.0, 0.0)), Pool()).verdict is Verdict.NO_DATA


def test_a_pool_sums_requests_and_for_each_metric_the_bad_ones(plan):
    both = Sample(90.0, 10.0, {"p90": 0.7, "p99": 0.9})

    pool = pooled(plan(), window(both), pooled(plan(), window(both), Pool()))

    assert pool == Pool(200.0, {"success-rate": Sums(200.0, 20.0), "latency": Sums(200.0, 20.0)})
    assert pooled(plan(), window(Missing("x")), pool) == pool


def test_a_pool_sums_slow_requests_over_the_windows_that_have_a_histogram(plan):
    shared = plan(limits=(SLOW,))

    pool = pooled(shared, window(timed(200.0, 6.0)), pooled(shared, window(Sample(90.0, 10.0)), Pool()))

    assert (pool.requests, pool.of(SLOW)) == (300.0, Sums(200.0, pytest.approx(6.0)))


CHECKOUT = Peer("Deployment", "checkout")
SEEN = Limit("seen", 99.0, peer=CHECKOUT)


def seen(canary, stable=None):
    """A window in which all is well but for what `checkout` saw."""
    sides = Sides(canary, stable or Sample(100.0, 0.0))
    return Window(0.0, 10.0, 1000.0, Sample(1000.0, 0.0), Sample(1000.0, 0.0), {CHECKOUT: sides})


def test_a_metric_with_a_peer_is_judged_by_what_the_peer_saw(plan):
    judged = judge(plan(limits=(SEEN,)), seen(Sample(90.0, 10.0)), Pool())

    assert judged.verdict is Verdict.BREACH
    assert judged.words == "seen seen by Deployment checkout 90% is below 99% (10 of 100 failed)"
    assert judge(plan(limits=(SUCCESS,)), seen(Sample(90.0, 10.0)), Pool()).verdict is Verdict.HEALTHY


def test_a_peer_that_nobody_asked_for_or_who_sent_nothing_is_no_data(plan):
    for nothing in (window(Sample(1000.0, 0.0)), seen(Missing("no requests"))):
        judged = judge(plan(limits=(SUCCESS, SEEN)), nothing, Pool())

        assert judged.verdict is Verdict.NO_DATA
        assert judged.words.startswith("seen seen by Deployment checkout: no")


def test_the_windows_before_count_for_each_metric_by_itself(plan):
    both = plan(limits=(SUCCESS, SEEN))
    pool = pooled(both, seen(Sample(96.0, 4.0)), Pool())

    [whole, edge] = judge(both, seen(Sample(98.0, 2.0)), pool).metrics

    assert pool.of(SUCCESS) == Sums(1000.0, 0.0)
    assert (whole.verdict, edge.verdict) == ("Healthy", "Breach")  # 6 of 200


def test_the_values_of_both_sides_are_kept(plan):
    found = judge(plan(), window(Sample(90.0, 10.0, {"p99": 0.7}), Sample(99.0, 1.0, {"p99": 0.2})), Pool()).metrics

    assert [(m.name, m.canary, m.stable) for m in found] == [("success-rate", 90.0, 99.0), ("latency", 0.7, 0.2)]


def test_the_words_have_the_numbers(plan):
    judged = judge(plan(), window(Sample(900.0, 100.0, {"p99": 0.7})), Pool())

    assert judged.words == (
        "success-rate 90% is below 99% (100 of 1000 failed); latency p99 700ms is above 500ms (1000 requests)"
    )


@pytest.mark.parametrize(
    ("sample", "earlier", "words"),
    [
        (
            Sample(99.1, 0.9),
            Sums(100, 4.1),
            "success-rate 99.10% with the windows before it is below 99% (1 of 100 failed)",
        ),
        (Sample(98, 2), Sums(1000, 0), "success-rate 98% with the windows before it is at least 99% (2 of 100 failed)"),
        (Sample(98, 2), Sums(0, 0), "success-rate 98% is below 99% (2 of 100 failed, too few bad requests to judge)"),
        (Sample(100, 0), Sums(0, 0), "success-rate 100.00% is at least 99% (0 of 100 failed)"),
    ],
)
def test_the_words_say_when_the_windows_before_decided(plan, sample, earlier, words):
    assert judge(plan(limits=(SUCCESS,)), window(sample), before(SUCCESS, earlier)).metrics[0].message == words


@pytest.mark.parametrize(
    ("sample", "earlier", "words"),
    [
        (timed(340.0, 7.0), NONE, "slow 2.059% is above 1% (7 of 340 took longer than 500ms)"),
        (timed(340.0, 1.0), NONE, "slow 0.2941% is at most 1% (1 of 340 took longer than 500ms)"),
        (
            timed(100.0, 2.0),
            NONE,
            "slow 2% is above 1% (2 of 100 took longer than 500ms, too few bad requests to judge)",
        ),
        (
            timed(100.0, 2.0),
            Sums(900.0),
            "slow 2% with the windows before it is at most 1% (2 of 100 took longer than 500ms)",
        ),
    ],
)
def test_the_words_say_how_many_requests_were_slow(plan, sample, earlier, words):
    assert judge(plan(limits=(SLOW,)), window(sample), before(SLOW, earlier)).metrics[0].message == words


@pytest.mark.parametrize(
    ("limit", "words"),
    [(SUCCESS, "min 99%"), (LATENCY, "max 500ms"), (SLOW, "max 1% slower than 500ms")],
)
def test_limits_are_shown_for_people(limit, words):
    assert show_limit(limit) == words


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        (SUCCESS, 98.7123, "98.71%"),
        (SUCCESS, 99.995, "100.00%"),
        (SUCCESS, None, ""),
        (LATENCY, 0.212, "212ms"),
        (SLOW, 2.0588, "2.059%"),
    ],
)
def test_values_are_shown_for_people(limit, value, words):
    assert show(limit, value) == words
