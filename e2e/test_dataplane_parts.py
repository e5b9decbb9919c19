"""The parts of the data plane that need no processes: rules by themselves."""

from __future__ import annotations

import math
import random
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e2e.dataplane import behaviour, journal
from e2e.dataplane.behaviour import Behaviour, BehaviourFile
from e2e.dataplane.feed import numbers_between
from e2e.dataplane.journal import Entry, Shift, shifts
from e2e.dataplane.load import MOST_REQUESTS, MOST_SECONDS, schedule
from e2e.dataplane.requests import Request, Requests
from e2e.dataplane.stats import Cluster, Endpoint, parse, quantile

EXPOSITION = """\
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="shop/web-v1"} 90
envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="shop/web-v1"} 10
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="shop/web-v1"} 90
envoy_cluster_external_upstream_rq{envoy_response_code="200",envoy_cluster_name="shop/web-v1"} 90
# TYPE envoy_cluster_upstream_rq_time histogram
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop/web-v1",le="0.5"} 0
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop/web-v1",le="5"} 98
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="shop/web-v1",le="+Inf"} 100
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="shop/web-v1"} 412.55
envoy_cluster_endpoint_rq_total{envoy_cluster_name="shop/web-v1",envoy_endpoint_address="127.0.0.1:20001",envoy_endpoint_hostname="web-v1-a"} 100
envoy_cluster_endpoint_rq_error{envoy_cluster_name="shop/web-v1",envoy_endpoint_address="127.0.0.1:20001",envoy_endpoint_hostname="web-v1-a"} 10
envoy_cluster_endpoint_rq_success{envoy_cluster_name="shop/web-v1",envoy_endpoint_address="127.0.0.1:20001",envoy_endpoint_hostname="web-v1-a"} 90
"""  # noqa: E501


def request(due: float = 0.0, *, status: int = 200, version: str = "v1", seconds: float = 0.01) -> Request:
    return Request(due, due, due + seconds, status, version, f"{version}-a" if version else "")


# Behaviour.


@given(st.floats(0.001, 0.1), st.floats(1.0, 20.0), st.integers(0, 2**32))
def test_latencies_have_the_median_and_the_p99_that_are_asked_for(median: float, factor: float, seed: int) -> None:
    how, rng = Behaviour(median=median, p99=median * factor), random.Random(seed)
    drawn = sorted(how.latency(rng) for _ in range(2000))
    # Of 2000 draws, five standard deviations are 112 around the median and 23 around the p99.
    assert drawn[887] <= median * 1.000001
    assert drawn[1112] >= median * 0.999999
    assert drawn[1956] <= median * factor * 1.000001


def test_errors_begin_at_their_moment() -> None:
    how, rng = Behaviour(errors=1.0, errors_from=10.0), random.Random(1)
    assert [how.fails(now, rng) for now in (9.999, 10.0)] == [False, True]


@pytest.mark.parametrize("wrong", [{"errors": 1.1}, {"errors": -0.1}, {"median": 0.0}, {"median": 0.2, "p99": 0.1}])
def test_a_behaviour_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="errors are 0 to 1"):
        Behaviour(**wrong)  # type: ignore[arg-type]


def test_a_behaviour_is_read_again_when_its_file_is_replaced(tmp_path: Path) -> None:
    file = BehaviourFile(tmp_path / "v1.json")
    seen = [file.current()]
    for errors in (0.5, 0.25):
        behaviour.write(tmp_path / "v1.json", Behaviour(errors=errors))
        seen.append(file.current())
    assert [how.errors for how in seen] == [0.0, 0.5, 0.25]


# The load.


@given(st.integers(1, 500), st.integers(1, 20), st.none() | st.integers(0, 2**32))
def test_a_schedule_is_in_order_and_within_its_time(rate: int, seconds: int, seed: int | None) -> None:
    times = list(schedule(rate, seconds, None if seed is None else random.Random(seed)))
    assert all(0 <= a <= b < seconds for a, b in pairwise(times))
    mean = rate * seconds
    assert abs(len(times) - mean) <= (0 if seed is None else 6 * math.sqrt(mean) + 2)


def test_an_even_schedule_does_not_drift() -> None:
    assert list(islice(schedule(100, 600, None), 50_001))[50_000] == 500.0


@pytest.mark.parametrize(("rate", "seconds"), [(0, 1), (1, 0), (1, MOST_SECONDS + 1), (MOST_REQUESTS, 1.1)])
def test_a_load_without_bounds_is_refused(rate: float, seconds: float) -> None:
    with pytest.raises(ValueError, match="at most"):
        schedule(rate, seconds, None)


# What is said of requests.


def test_requests_are_counted_by_who_answered_and_how() -> None:
    made = [
        request(),
        request(version="v2", status=500),
        request(version="", status=503),
        request(version="", status=0),
    ]
    found = Requests(made)
    assert found.counts() == {("v1", 200): 1, ("v2", 500): 1, ("(proxy)", 503): 1, ("(nobody)", 0): 1}
    assert (len(found.bad()), len(found.lost())) == (3, 2)


def test_latency_counts_from_when_a_request_was_due() -> None:
    assert Request(due=1.0, sent=3.0, finished=4.0, status=200).seconds == 3.0


def test_a_quantile_is_an_answer_that_was_given() -> None:
    found = Requests(request(seconds=number / 100) for number in range(1, 101))
    assert found.quantile(0.5) == pytest.approx(0.5)
    assert found.quantile(0.99) == pytest.approx(0.99)
    assert math.isnan(Requests([request(status=0)]).quantile(0.5))


def test_a_request_belongs_to_a_time_when_it_was_sent_and_answered_in_it() -> None:
    found = Requests(request(due, seconds=0.5) for due in (0.9, 1.0, 1.4, 1.5))
    assert [one.due for one in found.between(1.0, 2.0)] == [1.0, 1.4]


def test_the_first_bad_answer_is_the_first_that_arrived() -> None:
    made = [request(1.0, status=500, seconds=5.0), request(2.0, status=500, seconds=0.5), request(0.0)]
    assert Requests(made).first_bad() == 2.5
    assert Requests([request()]).first_bad() is None


# Envoy's statistics.


def test_an_exposition_is_read_by_cluster_and_by_pod() -> None:
    assert parse(EXPOSITION) == {
        "shop/web-v1": Cluster(
            codes={200: 90, 503: 10},
            buckets={0.5: 0, 5.0: 98, math.inf: 100},
            endpoints={"web-v1-a": Endpoint(total=100, success=90, error=10)},
        )
    }


def test_a_quantile_is_the_bound_of_its_bucket() -> None:
    buckets = {5.0: 98, 10.0: 99, math.inf: 100}
    assert [quantile(buckets, q) for q in (0.5, 0.99, 1.0)] == [5.0, 10.0, math.inf]
    assert quantile({}, 0.5) == 0.0


def test_numbers_are_of_the_time_between_two_looks() -> None:
    before = Cluster(codes={200: 1000}, buckets={5.0: 1000, 10.0: 1000, math.inf: 1000})
    after = Cluster(codes={200: 1090, 500: 10}, buckets={5.0: 1050, 10.0: 1100, math.inf: 1100})
    numbers = numbers_between(before, after, 2.0)
    assert (numbers.rate, numbers.errors, numbers.p50, numbers.p99) == (50.0, 0.1, 5.0, 10.0)
    assert numbers_between(after, after, 2.0).rate == 0.0


# The journal.


def test_a_change_of_weights_has_the_time_of_its_use(tmp_path: Path) -> None:
    a, b = {"shop/web": {"shop/v1": 1}}, {"shop/web": {"shop/v1": 90, "shop/v2": 10}}
    for entry in (
        *(Entry(1.0, "written", 1, a), Entry(1.5, "used", 1, a)),
        *(Entry(2.0, "written", 2, b), Entry(2.5, "used", 2, b)),
        *(Entry(3.0, "written", 3, b), Entry(3.5, "used", 3, b)),
    ):
        journal.append(tmp_path / "journal", entry)
    found = list(shifts(journal.read(tmp_path / "journal"), "shop/web"))
    assert found == [Shift(a["shop/web"], 1.0, a["shop/web"], 1.5), Shift(b["shop/web"], 2.0, b["shop/web"], 2.5)]


def test_half_a_line_of_the_journal_waits_for_its_other_half(tmp_path: Path) -> None:
    journal.append(tmp_path / "journal", Entry(1.0, "written", 1, {}))
    with (tmp_path / "journal").open("ab") as file:
        file.write(b'{"at": 2.0, "ev')
    assert len(journal.read(tmp_path / "journal")) == 1
