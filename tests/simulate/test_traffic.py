"""The modelled traffic is what its fields say."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from canary.core.plan import Limit
from canary.core.window import Missing, Sample, SideReading, Window
from canary.simulate.clusters import BURST, Clusters
from canary.simulate.latency import Latency
from canary.simulate.traffic import Needs, Outage, Regression, Stream, Traffic, needs_of
from tests.simulate.rollouts import make_plan

BAD = Regression("bad", errors=0.2)


def stream(traffic: Traffic, regression: Regression = Regression(), needs: Needs = Needs(), seed: int = 1) -> Stream:  # noqa: B008
    return Stream(traffic, regression, needs, random.Random(seed))


def windows(source: Stream, *, seconds: float = 10.0, count: int = 200, weight: int = 20) -> list[Window]:
    return [source(number * seconds, (number + 1) * seconds, weight) for number in range(count)]


def sample(side: SideReading) -> Sample:
    assert isinstance(side, Sample)
    return side


def total(readings: list[Window], side: str) -> tuple[float, float]:
    """Requests and failures of one side together."""
    samples = [sample(getattr(window, side)) for window in readings]
    return sum(each.requests for each in samples), sum(each.failure for each in samples)


def test_requests_are_split_by_the_weight_and_fail_at_the_rate() -> None:
    found = windows(stream(Traffic(rate=100.0, errors=0.05)))
    requests, failed = total(found, "canary")
    assert requests == pytest.approx(0.2 * 100.0 * 2000.0, rel=0.03)
    assert failed / requests == pytest.approx(0.05, rel=0.1)
    requests, failed = total(found, "stable")
    assert requests == pytest.approx(0.8 * 100.0 * 2000.0, rel=0.02)
    assert failed / requests == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize(("weight", "silent"), [(0, "canary"), (100, "stable")])
def test_a_side_without_weight_has_no_reading(weight: int, silent: str) -> None:
    window = stream(Traffic())(0.0, 10.0, weight)
    assert isinstance(getattr(window, silent), Missing)


def test_a_regression_is_the_canarys_alone() -> None:
    found = windows(stream(Traffic(errors=0.01), BAD))
    for side, rate in (("canary", 0.2), ("stable", 0.01)):
        requests, failed = total(found, side)
        assert failed / requests == pytest.approx(rate, rel=0.1)


def test_an_onset_counts_from_the_first_request_to_the_canary() -> None:
    source = stream(Traffic(errors=0.0), Regression("late", errors=1.0, onset=25.0))
    source(0.0, 100.0, 0)
    before, across, after = source(100.0, 120.0, 50), source(120.0, 130.0, 50), source(130.0, 140.0, 50)
    assert source.onset == 125.0
    assert sample(before.canary).failure == 0.0
    assert sample(across.canary).success_rate == pytest.approx(0.5, abs=0.1)
    assert sample(after.canary).success_rate == 0.0


def test_a_ramp_grows_from_the_onset_on() -> None:
    regression = Regression("ramp", errors=0.5, onset=100.0, ramp=100.0)
    assert [regression.grown(second) for second in (99.0, 100.0, 150.0, 200.0, 900.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_an_outage_hits_both_sides_alike_and_ends() -> None:
    source = stream(Traffic(errors=0.0, outage=Outage(100.0, 100.0, 0.3)), Regression("small", errors=0.1))
    found = windows(source, seconds=10.0, count=30)
    for side, rate in (("canary", 0.3), ("stable", 0.3)):
        requests, failed = total(found[10:20], side)
        assert failed / requests == pytest.approx(rate, rel=0.15)
    assert total(found[:10], "stable")[1] == total(found[20:], "stable")[1] == 0.0


def test_the_load_drifts_around_its_rate() -> None:
    source = stream(Traffic(rate=100.0, drift=0.5, period=2000.0))
    loads = [sample(w.canary).requests + sample(w.stable).requests for w in windows(source, count=200)]
    assert sum(loads) / 2000.0 == pytest.approx(100.0, rel=0.02)
    assert (min(loads), max(loads)) == (pytest.approx(500.0, rel=0.15), pytest.approx(1500.0, rel=0.15))


def test_a_rollout_begins_at_any_point_of_the_drift() -> None:
    traffic = Traffic(drift=0.5)
    assert len({sample(stream(traffic, seed=seed)(0.0, 10.0, 0).stable).requests for seed in range(20)}) > 10


def test_clusters_keep_the_rate_and_scatter_more() -> None:
    alone, together = Traffic(errors=0.05), Traffic(errors=0.05, clusters=Clusters(retries=5))
    rates = {}
    for name, traffic in (("alone", alone), ("together", together)):
        found = [sample(window.stable).failure for window in windows(stream(traffic), count=1000)]
        mean = sum(found) / len(found)
        rates[name] = mean, sum((each - mean) ** 2 for each in found) / len(found) / mean
    assert rates["alone"] == (pytest.approx(40.0, rel=0.05), pytest.approx(1.0, rel=0.2))
    assert rates["together"] == (pytest.approx(40.0, rel=0.05), pytest.approx(5.0, rel=0.2))


def test_bursts_come_by_pods() -> None:
    traffic = Traffic(errors=0.0, clusters=Clusters(bursts=6.0, pods=10))
    found = windows(stream(traffic), seconds=60.0, count=600)
    assert total(found, "canary")[1] == pytest.approx(0.2 * 10 * 6.0 * 10 * BURST, rel=0.25)
    assert total(found, "stable")[1] == pytest.approx(0.8 * 10 * 6.0 * 10 * BURST, rel=0.15)


def test_quantiles_lie_around_those_of_the_shape() -> None:
    shape, rng = Latency(0.1, 0.8), random.Random(1)
    found = [shape.quantiles(rng, 2000, ("p50", "p90", "p99")) for _ in range(500)]
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        assert sum(each[name] for each in found) / len(found) == pytest.approx(shape.at(share), rel=0.03)
    assert all(each["p50"] <= each["p90"] <= each["p99"] for each in found)
    assert shape.at(0.99) == pytest.approx(0.8)


def test_the_quantiles_of_one_request_are_that_request() -> None:
    assert len(set(Latency().quantiles(random.Random(1), 1, ("p50", "p90", "p99")).values())) == 1


def test_buckets_are_cumulative_and_have_the_shares_of_the_shape() -> None:
    shape, rng = Latency(0.1, 0.8), random.Random(1)
    found = [Sample(1000.0, 0.0, {}, shape.histogram(rng, 1000, (0.05, 0.1, 0.4))) for _ in range(300)]
    for edge in (0.05, 0.1, 0.4):
        shares = [each.slower_than(edge) for each in found]
        assert sum(share or 0.0 for share in shares) / len(shares) == pytest.approx(shape.above(edge), rel=0.05)
    assert [le for le, _ in found[0].histogram] == [0.05, 0.1, 0.4, math.inf]
    counts = [count for _, count in found[0].histogram]
    assert counts == sorted(counts)
    assert counts[-1] == 1000.0


@pytest.mark.parametrize(("factor", "above"), [(1.0, 0.5), (2.0, 0.8), (0.5, 0.2)])
def test_slower_requests_move_the_whole_shape(factor: float, above: float) -> None:
    shape = Latency(0.1, 0.1 * math.exp(math.log(2.0) / 0.8416212 * 2.3263479)).times(factor)
    assert shape.above(0.1) == pytest.approx(above, abs=0.001)


def test_a_slow_canary_answers_as_usual_before_the_onset() -> None:
    source = stream(Traffic(), Regression("slow", slower=4.0, onset=10.0), Needs(("p50",)))
    before, after = (sample(source(start, start + 10.0, 50).canary).latency["p50"] for start in (0.0, 10.0))
    assert after / before == pytest.approx(4.0, rel=0.2)


@pytest.mark.parametrize(
    ("limits", "needs"),
    [
        ((Limit("success-rate", 99.0),), Needs()),
        ((Limit("a", 0.5, quantile="p99"), Limit("b", 0.1, quantile="p50")), Needs(("p50", "p99"))),
        ((Limit("slow", 1.0, slower_than=0.5), Limit("slower", 1.0, slower_than=0.25)), Needs((), (0.25, 0.5))),
    ],
)
def test_only_what_the_plan_judges_by_is_drawn(limits: tuple[Limit, ...], needs: Needs) -> None:
    assert needs_of(make_plan(limits=limits)) == needs


def test_the_same_seed_is_the_same_traffic() -> None:
    def found(seed: int, **fields: Any) -> list[Window]:
        return windows(stream(Traffic(**fields), seed=seed), count=5)

    assert found(1, drift=0.5) == found(1, drift=0.5) != found(2, drift=0.5)
