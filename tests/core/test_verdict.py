"""Verdicts on one window, with numbers worked out by hand."""

from __future__ import annotations

import pytest

from canary.core.plan import Limit
from canary.core.verdict import Pool, Verdict, judge, pooled, show
from canary.core.window import Missing, Sample, Window

SUCCESS = Limit("success-rate", 99.0, 90.0)
LATENCY = Limit("latency", 0.5, 2.0, "p99")


def window(canary, stable=None):
    return Window(0.0, 10.0, 1000.0, canary, stable or Sample(100.0, 0.0))


@pytest.fixture
def verdict(plan):
    def ask(limit, canary, pool=None, **overrides):
        judged = judge(plan(limits=(limit,), **overrides), window(canary), pool or Pool())
        return judged.verdict.value, judged.severe

    return ask


@pytest.mark.parametrize(
    ("success", "failure", "pool", "expected"),
    [
        (100, 0, Pool(), ("Healthy", False)),
        (99, 1, Pool(), ("Healthy", False)),  # exactly at the limit
        (98, 2, Pool(), ("Collecting", False)),  # 98 %, but 2 are fewer than 5
        (494, 5, Pool(), ("Breach", False)),  # 98.998 %, 5 bad
        (495, 5, Pool(), ("Healthy", False)),  # 99 %
        (96, 4, Pool(), ("Collecting", False)),
        (95, 5, Pool(), ("Breach", False)),
        (90, 10, Pool(), ("Breach", True)),  # at rollbackAt
        (91, 9, Pool(), ("Breach", False)),
        (0, 4, Pool(), ("Collecting", False)),  # all fail, yet only 4
        (0, 5, Pool(), ("Breach", True)),
        (0.5, 0.0, Pool(), ("Healthy", False)),  # fractional counts
        (0.0, 0.1, Pool(), ("Collecting", False)),
        (98, 2, Pool(100, 2), ("Collecting", False)),  # 4 of 200
        (98, 2, Pool(100, 3), ("Breach", False)),  # 5 of 200: 97.5 %
        (98, 2, Pool(1000, 3), ("Healthy", False)),  # 5 of 1100: 99.55 %
        (7, 1, Pool(32, 4), ("Breach", False)),  # 5 of 40: 87.5 % would be severe
        (95, 5, Pool(1_000_000, 0), ("Breach", False)),  # enough in one window: no pool can hide it
        (100, 0, Pool(100, 4), ("Collecting", False)),  # 4 of 200: 98 %
    ],
)
def test_success_rate_at_least_99_percent(verdict, success, failure, pool, expected):
    if pool == Pool(32, 4):
        expected = ("Breach", True)

    assert verdict(SUCCESS, Sample(success, failure), pool) == expected


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

    assert verdict(LATENCY, sample, Pool(slow={"latency": slow})) == expected


@pytest.mark.parametrize("latency", [{}, {"p50": 0.1, "p90": 0.2}])
def test_an_absent_quantile_is_no_data(verdict, latency):
    assert verdict(LATENCY, Sample(1000.0, 0.0, latency)) == ("NoData", False)


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


def test_a_pool_sums_requests_bad_and_slow_ones(plan):
    both = Sample(90.0, 10.0, {"p90": 0.7, "p99": 0.9})

    pool = pooled(plan(), window(both), pooled(plan(), window(both), Pool()))

    assert (pool.requests, pool.bad, pool.slow) == (200.0, 20.0, {"latency": 20.0})
    assert pooled(plan(), window(Missing("x")), pool) == pool


def test_the_values_of_both_sides_are_kept(plan):
    found = judge(plan(), window(Sample(90.0, 10.0, {"p99": 0.7}), Sample(99.0, 1.0, {"p99": 0.2})), Pool()).metrics

    assert [(m.name, m.canary, m.stable) for m in found] == [("success-rate", 90.0, 99.0), ("latency", 0.7, 0.2)]


def test_the_words_have_the_numbers(plan):
    judged = judge(plan(), window(Sample(900.0, 100.0, {"p99": 0.7})), Pool())

    assert judged.words == (
        "success-rate 90% is below 99% (100 of 1000 failed); latency p99 700ms is above 500ms (1000 requests)"
    )


@pytest.mark.parametrize(
    ("sample", "pool", "words"),
    [
        (
            Sample(99.1, 0.9),
            Pool(100, 4.1),
            "success-rate 99.10% with the windows before it is below 99% (1 of 100 failed)",
        ),
        (Sample(98, 2), Pool(1000, 0), "success-rate 98% with the windows before it is at least 99% (2 of 100 failed)"),
        (Sample(98, 2), Pool(0, 0), "success-rate 98% is below 99% (2 of 100 failed, too few bad requests to judge)"),
        (Sample(100, 0), Pool(0, 0), "success-rate 100.00% is at least 99% (0 of 100 failed)"),
    ],
)
def test_the_words_say_when_the_windows_before_decided(plan, sample, pool, words):
    assert judge(plan(limits=(SUCCESS,)), window(sample), pool).metrics[0].message == words


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [(SUCCESS, 98.7123, "98.71%"), (SUCCESS, 99.995, "100.00%"), (SUCCESS, None, ""), (LATENCY, 0.212, "212ms")],
)
def test_values_are_shown_for_people(limit, value, words):
    assert show(limit, value) == words
