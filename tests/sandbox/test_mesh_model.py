"""Shares, latencies and counts: the parts of the mesh that are pure arithmetic."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.api.kinds import Endpoint, EndpointConditions, EndpointSlice, ObjectReference, SplitBackend
from canary.api.meta import ObjectMeta
from canary.sandbox.mesh.behaviour import Behaviour, behaviour_of
from canary.sandbox.mesh.measured import Measured, nearest_rank
from canary.sandbox.mesh.mixture import Mixture
from canary.sandbox.mesh.observations import Source
from canary.sandbox.mesh.routes import ready_endpoints, shares
from canary.sandbox.mesh.timeline import Flow, Timeline, poisson


def split(*weights):
    return [SplitBackend(f"b{i}", weight) for i, weight in enumerate(weights)]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ((90, 10), {"b0": 0.9, "b1": 0.1}),
        (("900m", "100m"), {"b0": 0.9, "b1": 0.1}),
        ((1, 1, 2), {"b0": 0.25, "b1": 0.25, "b2": 0.5}),
        ((100, 0), {"b0": 1.0}),
        ((0, 0), {}),
        ((1, None), {"b0": 1.0}),
        ((1, "garbage"), {"b0": 1.0}),
        ((1, -5), {"b0": 1.0}),
        ((), {}),
    ],
)
def test_weights_of_every_version_are_proportional(weights, expected):
    assert shares(split(*weights)) == pytest.approx(expected)


def endpoint(address, ready=True, pod="p"):
    return Endpoint((address,), EndpointConditions(ready=ready), ObjectReference("Pod", pod))


def test_endpoints_of_all_slices_count_once_and_only_when_ready():
    slices = [
        EndpointSlice(ObjectMeta(), (endpoint("10.0.0.2", pod="b"), endpoint("10.0.0.3", ready=False))),
        EndpointSlice(ObjectMeta(), (endpoint("10.0.0.2", pod="b"), endpoint("10.0.0.1", ready=None, pod="a"))),
        EndpointSlice(ObjectMeta(), None),
    ]
    assert [(e.address, e.pod) for e in ready_endpoints(slices)] == [("10.0.0.1", "a"), ("10.0.0.2", "b")]


def pod(**annotations):
    names = {name.replace("_", "-"): value for name, value in annotations.items()}
    return ObjectMeta(name="web-1", annotations={f"sandbox.canary.delivery/{k}": v for k, v in names.items()})


def test_annotations_tell_how_a_pod_behaves():
    told = behaviour_of(pod(version="2.0", error_percent="12.5", latency="1m", latency_spread="0"))
    assert told == Behaviour("2.0", 12.5, 60.0, 0.0)


def test_a_pod_without_annotations_answers_well_under_its_own_name():
    assert behaviour_of(pod()) == Behaviour("web-1", 0.0, 0.02, 0.25)


@pytest.mark.parametrize(
    "bad", [{"error_percent": "many"}, {"error_percent": "101"}, {"error_percent": "nan"}, {"latency": "-1s"}]
)
def test_an_annotation_that_cannot_be_read_fails_every_request_and_says_so(bad):
    told = behaviour_of(pod(**bad))
    assert told.error_percent == 100.0
    assert f"sandbox.canary.delivery/{next(iter(bad)).replace('_', '-')} must be" in told.fault


behaviours = st.builds(
    Behaviour, version=st.just("v"), median=st.floats(0.001, 2.0), spread=st.one_of(st.just(0.0), st.floats(0.05, 1.0))
)


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(behaviours, st.floats(0.1, 100.0), min_size=1, max_size=3), st.integers(1, 10_000))
def test_quantiles_of_a_mixture_ascend_and_stay_between_those_of_its_parts(weights, count):
    mixture = Mixture(weights)
    for p50, p90, p99 in (mixture.quantiles(), mixture.sampled(random.Random(1), count)):
        assert p50 <= p90 <= p99
    for share, value in zip((0.5, 0.9, 0.99), mixture.quantiles(), strict=True):
        bounds = [behaviour.quantile(share) for behaviour in weights]
        assert min(bounds) <= value <= max(bounds)


def test_sampled_quantiles_scatter_around_the_true_ones():
    behaviour = Behaviour("v", median=0.1, spread=0.3)
    rng = random.Random(7)
    medians = [Mixture({behaviour: 1.0}).sampled(rng, 400)[0] for _ in range(300)]
    assert sum(medians) / 300 == pytest.approx(0.1, rel=0.01)
    assert 0.001 < max(medians) - min(medians) < 0.02


def test_poisson_counts_have_the_right_mean_and_variance():
    rng = random.Random(3)
    counts = [poisson(rng, 6.0) for _ in range(4000)]
    mean = sum(counts) / 4000
    assert mean == pytest.approx(6.0, abs=0.2)
    assert sum((c - mean) ** 2 for c in counts) / 4000 == pytest.approx(6.0, abs=0.6)
    assert poisson(rng, 0.0) == 0


SOURCE = Source("shop", "web-v1", "web-v1", "web-v1-a")


def flow(rate, errors=0.0):
    return Flow(SOURCE, rate, Behaviour("v", errors))


def test_a_window_counts_each_flow_for_as_long_as_it_lasted():
    timeline = Timeline(None)
    timeline.set(10.0, (flow(1),))
    timeline.set(20.0, (flow(2),))
    timeline.set(20.0, (flow(5),))
    assert [(f.rate, s) for f, s in timeline.between(15.0, 30.0)] == [(5, 10.0), (1, 5.0)]
    assert list(timeline.between(0.0, 10.0)) == []


def test_drawn_seconds_do_not_depend_on_when_they_are_asked_for():
    def drawn(questions):
        timeline = Timeline(random.Random(5))
        timeline.set(0.5, (flow(20, 10.0),))
        for now in questions:
            timeline.draw(timeline.rng, now, 3600.0)
        return timeline.drawn

    assert drawn([100.0]) == drawn([1.0, 1.2, 50.9, 51.0, 100.0])
    assert sum(good for ((_, good, _),) in drawn([100.0]).values()) == pytest.approx(1800, rel=0.1)


def test_draws_are_kept_for_the_retention_only():
    timeline = Timeline(random.Random(5))
    timeline.set(0.0, (flow(1),))
    for now in range(0, 100, 7):
        timeline.draw(timeline.rng, float(now), 10.0)
    assert len(timeline.drawn) <= 11
    timeline.draw(timeline.rng, 10_000.0, 10.0)
    assert sorted(timeline.drawn) == list(range(9990, 10_000))


class HandClock:
    def __init__(self):
        self.time = 0.0

    def monotonic(self):
        return self.time


def test_measured_windows_are_true_and_quantiles_exact():
    clock = HandClock()
    measured = Measured(clock)
    for second in range(1, 101):
        clock.time = float(second)
        measured.record(SOURCE, second % 10 != 0, second / 1000)
    (reading,) = measured.readings("deployments", "shop", 50.0)
    assert (reading.name, reading.success, reading.failure) == ("web-v1", 45, 5)
    assert reading.latencies == (0.075, 0.095, 0.1)


def test_measurements_are_grouped_by_what_was_asked_for():
    clock = HandClock()
    measured = Measured(clock)
    for number, each in enumerate((SOURCE, SOURCE._replace(pod="web-v1-b"), Source("other", "api", "", ""))):
        for _ in range(number + 1):
            measured.record(each, True, 0.1)

    def counts(plural, namespace=None):
        return {r.name: r.success for r in measured.readings(plural, namespace, 10.0)}

    assert counts("deployments") == {"web-v1": 3}
    assert counts("pods") == {"web-v1-a": 1, "web-v1-b": 2}
    assert counts("services") == {"web-v1": 3, "api": 3}
    assert counts("namespaces", "other") == {"other": 3}
    clock.time = 10.0
    assert counts("services") == {}


def test_old_samples_are_forgotten():
    clock = HandClock()
    measured = Measured(clock, retention=10.0)
    for number in range(5000):
        clock.time = number / 100
        measured.record(SOURCE, True, 0.1)
    assert len(measured._series[SOURCE].times) <= 3072
    assert measured.readings("pods", None, 10.0)[0].success == 1000


@given(st.lists(st.floats(0, 10), min_size=1, max_size=50), st.sampled_from((0.5, 0.9, 0.99)))
def test_the_nearest_rank_is_the_smallest_value_that_covers_the_share(values, share):
    ordered = sorted(values)
    found = nearest_rank(ordered, share)
    assert sum(v <= found for v in ordered) >= share * len(ordered) - 1e-9
    assert sum(v < found for v in ordered) < share * len(ordered)
