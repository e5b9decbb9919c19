"""Numbers of a window: which of Prometheus' answers are used, and how often it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from canary.metrics.prometheus.aggregates import measure
from canary.metrics.prometheus.pack import Pack
from canary.metrics.prometheus.pack_file import customised, shipped
from canary.metrics.prometheus.prometheus import Point, PrometheusError, Result, Series
from canary.metrics.prometheus.question import Measured, Question, Workload
from canary.sandbox.virtual_time import run_virtual

NOW = 1_000_000.0
QUESTION = Question("deployment", 60, "shop")
NAN, INF = float("nan"), float("inf")


def series(value: float, deployment: str = "web", time: float = NOW, **labels: str) -> Series:
    return Series({"namespace": "shop", "deployment": deployment, **labels}, (Point(time, value),))


def success(value: float, deployment: str = "web") -> Series:
    return series(value, deployment, classification="success")


def failure(value: float, deployment: str = "web") -> Series:
    return series(value, deployment, classification="failure")


class Scripted:
    """A `Prometheus` that answers counts, quantiles and timestamps as it was told, and keeps what it was asked."""

    def __init__(self, *counts: Series, newest: Any = (), **quantiles: Any) -> None:
        self._counts, self._newest, self._quantiles = counts, newest, quantiles
        self.asked: list[tuple[str, float, float | None]] = []

    async def query(self, promql: str, *, timeout: float, time: float | None = None) -> Result:
        self.asked.append((promql, timeout, time))
        answer: Any
        if promql.startswith("sum by"):
            answer = self._counts
        elif promql.startswith("max by"):
            answer = self._newest
        else:
            answer = self._quantiles.get(
                {"0.5": "p50", "0.9": "p90", "0.99": "p99"}[promql[19 : promql.index(",")]], ()
            )
        if isinstance(answer, Exception):
            raise answer
        return Result(await answer() if callable(answer) else answer)


def numbers(prometheus: Any, pack: Pack | None = None, timeout: float = 10.0) -> list[Measured]:
    found: list[Measured] = run_virtual(measure(prometheus, pack or shipped("linkerd"), QUESTION, timeout=timeout))
    return found


def test_a_workload_has_its_counts_its_quantiles_and_its_newest_sample() -> None:
    scripted = Scripted(
        success(57), failure(3), newest=[series(NOW - 4)], p50=[series(10)], p90=[series(40)], p99=[series(150)]
    )
    web = Workload("deployment", "shop", "web")
    latency = {"p50": 0.010, "p90": 0.040, "p99": 0.150}
    assert numbers(scripted) == [Measured(web, 57, 3, latency, NOW - 4)]


def test_five_queries_are_enough_for_a_thousand_workloads() -> None:
    many = [success(1, f"web-{index}") for index in range(1000)]
    scripted = Scripted(*many, newest=[series(NOW, f"web-{index}") for index in range(1000)])
    assert len(numbers(scripted)) == 1000
    assert len(scripted.asked) == 5


def test_all_queries_are_about_the_same_moment() -> None:
    scripted = Scripted(success(1))
    numbers(scripted)
    assert [time for _, _, time in scripted.asked] == [None, NOW, NOW, NOW, NOW]


def test_where_nobody_received_anything_nothing_more_is_asked() -> None:
    scripted = Scripted(success(0), failure(0, "web-canary"))
    assert numbers(scripted) == []
    assert len(scripted.asked) == 1


def test_a_workload_without_requests_is_left_out_beside_one_that_has_some() -> None:
    found = numbers(Scripted(success(0), failure(0), success(4, "cart"), success(0, "cart")))
    assert [(one.workload.name, one.success, one.failure) for one in found] == [("cart", 4, 0)]


@pytest.mark.parametrize("bad", [NAN, INF, -INF, -1.0])
def test_a_count_that_is_none_makes_its_workload_unusable(bad: float) -> None:
    found = numbers(Scripted(success(50), failure(bad), success(4, "cart")))
    assert [one.workload.name for one in found] == ["cart"]


@pytest.mark.parametrize("bad", [NAN, INF, -INF, -1.0])
def test_a_quantile_that_is_none_is_unknown(bad: float) -> None:
    (web,) = numbers(Scripted(success(50), p50=[series(10)], p99=[series(bad)]))
    assert web.latency == {"p50": 0.010}


def test_a_quantile_of_somebody_else_is_not_taken() -> None:
    (web,) = numbers(Scripted(success(50), p50=[series(10, "cart")]))
    assert web.latency == {}


def test_seconds_stay_seconds() -> None:
    pack = customised(shipped("linkerd"), {"latency": {"unit": "s"}})
    (web,) = numbers(Scripted(success(50), p50=[series(0.25)]), pack)
    assert web.latency == {"p50": 0.25}


def test_without_a_fresh_scrape_the_newest_sample_is_no_older_than_the_window() -> None:
    (web,) = numbers(Scripted(success(50)))
    assert web.at == NOW - 60


def test_statuses_of_the_same_outcome_are_summed() -> None:
    rule = {"metric": "response_total", "failure": {"label": "code", "regex": "5.."}}
    pack = customised(shipped("linkerd"), {"requests": rule | {"ignored": {"label": "code", "regex": "0"}}})
    counts = [series(value, code=code) for code, value in [("200", 40), ("404", 8), ("503", 2), ("500", 1), ("0", 99)]]
    (web,) = numbers(Scripted(*counts), pack)
    assert (web.success, web.failure) == (48, 3)


def test_whoever_was_ignored_throughout_received_nothing() -> None:
    pack = customised(shipped("linkerd"), {"requests": {"ignored": {"label": "classification", "regex": "success"}}})
    assert numbers(Scripted(success(50)), pack) == []


def test_many_samples_are_no_number_of_a_moment() -> None:
    matrix = Series(success(1).labels, (Point(NOW - 1, 1), Point(NOW, 2)))
    with pytest.raises(PrometheusError, match="answered many samples of a series where one was asked for"):
        numbers(Scripted(matrix))


def test_a_series_of_nobody_is_not_counted() -> None:
    found = numbers(Scripted(success(4), Series({"classification": "success"}, (Point(NOW, 7),))))
    assert [one.success for one in found] == [4]


@pytest.mark.parametrize("which", ["newest", "p50", "p99"])
def test_one_failed_query_fails_all(which: str) -> None:
    broken: dict[str, Any] = {which: PrometheusError("Prometheus answered 503", code=503)}
    with pytest.raises(PrometheusError, match="answered 503") as caught:
        numbers(Scripted(success(1), **broken))
    assert caught.value.code == 503


def sleeping(seconds: float) -> Callable[[], Any]:
    async def answer() -> list[Series]:
        await asyncio.sleep(seconds)
        return [series(1)]

    return answer


def test_the_queries_after_the_first_run_at_the_same_time() -> None:
    assert numbers(Scripted(success(1), newest=sleeping(8), p50=sleeping(8), p90=sleeping(8), p99=sleeping(8)))


def test_the_time_is_that_of_all_queries_together() -> None:
    with pytest.raises(PrometheusError, match="Prometheus did not answer within 2 s"):
        numbers(Scripted(success(1), p99=sleeping(3)), timeout=2)


def test_a_failure_does_not_wait_for_the_others() -> None:
    broken = PrometheusError("no")
    with pytest.raises(PrometheusError, match=r"^no$"):
        numbers(Scripted(success(1), newest=broken, p99=sleeping(1_000)), timeout=2_000)


def test_an_edge_tells_who_sent() -> None:
    labels = {"dst_namespace": "shop", "dst_deployment": "web", "namespace": "batch", "deployment": "report"}
    edge = Series(labels | {"classification": "success"}, (Point(NOW, 20),))
    scripted = Scripted(edge, p50=[Series(labels, (Point(NOW, 10),))])
    question = Question("deployment", 60, "shop", edges=True)
    (found,) = run_virtual(measure(scripted, shipped("linkerd"), question, timeout=10))
    assert (found.workload, found.source) == (
        Workload("deployment", "shop", "web"),
        Workload("deployment", "batch", "report"),
    )
    assert found.latency == {"p50": 0.010}
