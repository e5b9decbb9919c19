"""One read of Prometheus as a source: what is asked, what is made of the answers, and what each failure is called.

Scrapes are 5 s apart, the window is 30 s long, and the answer's Date is `NOW`.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from math import inf, nan

import pytest

from canary.core.window import Bucket, Missing, Peer, Sample
from canary.kube.clock import LoopClock
from canary.metrics.prometheus.pack_file import parse_pack, shipped
from canary.metrics.prometheus.prometheus import Point, PrometheusError, Result, Series
from canary.metrics.prometheus.source import PrometheusSource
from canary.metrics.source import NO_REQUESTS, Asked, SourceError, series_of
from canary.sandbox.virtual_time import run_virtual

DATE = datetime(2026, 1, 1, 0, 10, tzinfo=UTC)
NOW = DATE.timestamp()
START = NOW - 30.0
LABELS = {"namespace": "shop", "deployment": "web", "pod": "web-1", "instance": "10.0.0.1:4191", "direction": "inbound"}


def counter(*values, until=NOW - 1.0, every=5.0, **labels):
    """A series of the counter; its last value was scraped at `until`."""
    first = until - every * (len(values) - 1)
    points = [Point(first + every * n, value) for n, value in enumerate(values)]
    return Series(LABELS | {"__name__": "response_total", "classification": "success"} | labels, points)


def steady(total=0.0, **labels):
    """A counter that grew by `total` in the window, and by 100 before it."""
    return counter(0.0, 100.0, *(100.0 + total * n / 6 for n in range(7)), **labels)


def bucket(le, count, **labels):
    return Series({"le": le, "deployment": "web"} | labels, [Point(NOW, count)])


class Scripted:
    """A Prometheus that answers from a list, one result after the other, and keeps what it was asked."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []

    async def query(self, promql, *, timeout, time=None):
        self.asked.append((promql, time))
        answer = self.answers.pop(0) if self.answers else Result(())
        if isinstance(answer, float):
            await asyncio.sleep(answer)
            answer = Result(())
        if isinstance(answer, Exception):
            raise answer
        return answer


def asked(*names, kind="Deployment", seconds=30, peer=None):
    return Asked("shop", kind, seconds, frozenset(names), peer)


@pytest.fixture
def read():
    """The answer of a source to one read, and what was asked of Prometheus."""

    def run(*answers, question=None, pack="linkerd", scrape=5.0, timeout=10.0, date=DATE, clock=DATE):
        given = [Result(answer, date) if isinstance(answer, list) else answer for answer in answers]
        prometheus = Scripted(*given)
        pack = shipped(pack) if isinstance(pack, str) else pack
        source = PrometheusSource(prometheus, pack, scrape=scrape, clock=LoopClock(clock))
        return run_virtual(source.read(question or asked("web"), timeout=timeout)), prometheus.asked

    return run


@pytest.fixture
def reading(read):
    """What is known of the Deployment web."""

    def run(*answers, **options):
        answer, _ = read(*answers, **options)
        return answer.readings[series_of("Deployment", "shop", "web")]

    return run


@pytest.fixture
def failure(read):
    def run(*answers, **options):
        with pytest.raises(SourceError) as caught:
            read(*answers, **options)
        return str(caught.value)

    return run


# What is asked.


def test_two_queries_are_asked_for_the_same_moment(read):
    _, queries = read([steady(10.0)], [])
    matchers = 'direction="inbound",deployment="web",namespace="shop"'
    assert queries == [
        (f"response_total{{{matchers}}}[46s]", None),
        (f"sum by (le,deployment) (increase(response_latency_ms_bucket{{{matchers}}}[30s]))", NOW),
    ]


def test_without_counts_nothing_else_is_asked(read):
    answer, queries = read([])
    assert (answer.readings, len(queries)) == ({}, 1)


def test_all_names_are_asked_for_in_one_expression(read):
    _, queries = read([], question=asked("web", "a.b", 'x"y'))
    assert r'deployment=~"a\\.b|web|x\"y"' in queries[0][0]


@pytest.mark.parametrize("count", [0, 101])
def test_more_names_than_an_expression_should_hold_are_not_named(read, count):
    _, queries = read([], question=asked(*(f"web-{n}" for n in range(count))))
    assert 'deployment!=""' in queries[0][0]


def test_a_peer_is_asked_for_as_the_sender(read):
    _, queries = read([steady(10.0)], [], question=asked("web", peer=Peer("StatefulSet", "checkout")))
    for query, _ in queries:
        assert 'direction="outbound"' in query
        assert 'dst_namespace="shop"' in query
        assert 'dst_deployment="web"' in query
        assert 'statefulset="checkout"' in query
        assert ',namespace="shop"' in query


def test_the_name_is_found_inside_a_label(read):
    labels = {"service": "shop-web-80@kubernetes", "instance": "traefik", "code": "200"}
    found = counter(0.0, 0.0, *range(0, 70, 10)).points
    buckets = [
        Series({"le": le, "service": "shop-web-80@kubernetes"}, [Point(NOW, n)]) for le, n in (("1", 5), ("+Inf", 6))
    ]
    answer, queries = read(
        [Series(labels, found)], buckets, question=asked("web", "web-canary", kind="Service"), pack="traefik"
    )
    assert answer.readings[series_of("service", "shop", "web")].requests == 60.0
    assert answer.readings[series_of("service", "shop", "web")].histogram == (Bucket(1.0, 5.0), Bucket(inf, 6.0))
    assert queries[1][0].startswith("sum by (le,service) (increase(traefik_service_request_duration_seconds_bucket{")


@pytest.mark.parametrize(
    ("question", "pack", "words"),
    [
        (
            asked("web", kind="Gateway"),
            "linkerd",
            "Linkerd (viz) does not measure what a Gateway receives; it knows daemonset, deployment, namespace, pod, "
            "service, statefulset",
        ),
        (
            asked("web", peer=Peer("Service", "checkout")),
            "linkerd",
            "Linkerd (viz) does not measure what a Service sends; it knows daemonset, deployment, namespace, pod, "
            "statefulset",
        ),
        (
            asked("web", kind="Service", peer=Peer("Pod", "checkout-1")),
            "traefik",
            "Traefik does not say who sends requests, so not what Pod checkout-1 sees",
        ),
    ],
)
def test_what_the_mesh_does_not_measure_is_said(failure, question, pack, words):
    assert failure(question=question, pack=pack) == words


def test_a_window_shorter_than_four_scrapes_is_refused_before_anything_is_asked(failure):
    assert failure(question=asked("web", seconds=19)) == (
        "a window of 19 s is shorter than 4 scrapes of 5 s: analysis.interval must be at least 20s"
    )


def test_a_window_of_four_scrapes_is_read(read):
    assert len(read([], question=asked("web", seconds=20))[1]) == 1


def test_a_name_that_no_label_can_have_is_refused(failure):
    assert failure(question=asked("\ud800")).startswith("nothing can be asked of Prometheus: ")


# What is made of the answer.


def test_pods_and_codes_are_summed_and_failures_told_apart(reading):
    found = [
        steady(60.0),
        steady(30.0, instance="10.0.0.2:4191", pod="web-2"),
        steady(6.0, classification="failure", status_code="503"),
        steady(3.0, classification="failure", status_code="500"),
    ]
    assert reading(found) == Sample(90.0, 9.0)


def test_each_workload_has_its_own_numbers(read):
    answer, _ = read([steady(60.0), steady(6.0, deployment="db", instance="b")], question=asked("web", "db"))
    assert {series.name: reading.requests for series, reading in answer.readings.items()} == {"web": 60.0, "db": 6.0}


def test_failure_is_the_whole_label_and_what_is_ignored_is_no_request(reading):
    labels = {"destination_workload": "web", "destination_workload_namespace": "shop", "instance": "a"}
    codes = {"200": 60.0, "503": 6.0, "5030": 12.0, "15": 18.0, "0": 600.0}
    found = [Series(labels | {"response_code": code}, steady(total).points) for code, total in codes.items()]
    assert reading(found, pack="istio") == Sample(90.0, 6.0)


def test_a_workload_of_which_everything_is_ignored_had_no_requests(reading):
    labels = {"destination_workload": "web", "destination_workload_namespace": "shop", "instance": "a"}
    assert reading([Series(labels | {"response_code": "0"}, steady(60.0).points)], pack="istio") == NO_REQUESTS


def test_a_failure_that_is_new_counts_from_its_first_request(reading):
    new = counter(40.0, 41.0, classification="failure")
    assert reading([steady(60.0), new]) == Sample(60.0, 41.0)


def test_a_target_that_is_new_counts_from_its_first_scrape(reading):
    new = counter(40.0, 41.0, instance="10.0.0.2:4191", pod="web-2")
    assert reading([steady(60.0), new]) == Sample(61.0, 0.0)


def test_a_pod_that_died_in_the_window_counts_with_what_it_had(reading):
    died = counter(100.0, 103.0, 105.0, until=NOW - 20.0, instance="10.0.0.2:4191", pod="web-2")
    assert reading([steady(60.0), died]) == Sample(65.0, 0.0)


def test_a_workload_without_requests_says_so(reading):
    assert reading([steady(0.0)]) == NO_REQUESTS


def test_a_workload_that_nobody_knows_is_not_in_the_answer(read):
    answer, _ = read([steady(60.0)], question=asked("web", "db"))
    assert series_of("Deployment", "shop", "db") not in answer.readings


def test_latency_and_histogram_are_in_seconds(reading):
    counts = [bucket("100", 50.0), bucket("500", 90.0), bucket("1000", 98.0), bucket("+Inf", 100.0)]
    assert reading([steady(60.0)], counts) == Sample(
        60.0,
        0.0,
        {"p50": 0.1, "p90": 0.5, "p99": 1.0},
        (Bucket(0.1, 50.0), Bucket(0.5, 90.0), Bucket(1.0, 98.0), Bucket(inf, 100.0)),
    )


@pytest.mark.parametrize(
    "counts",
    [
        [],
        [bucket("100", 5.0)],
        [bucket("100", nan), bucket("+Inf", 5.0)],
        [bucket("fast", 1.0), bucket("+Inf", 5.0)],
        [bucket("100", 1.0, deployment="db"), bucket("+Inf", 5.0, deployment="db")],
    ],
)
def test_counts_without_a_histogram_have_no_latency(reading, counts):
    assert reading([steady(60.0)], counts) == Sample(60.0, 0.0)


def test_a_pack_without_latency_asks_one_query(read):
    pack = parse_pack(
        """
        {name: plain, title: Plain, cites: [], requests: {metric: response_total, failure: {label: code, regex: 5..}},
        received: {destination: {namespace: namespace, names: {deployment: {label: deployment}}}}}
        """,
        "plain",
    )
    answer, queries = read([steady(60.0)], pack=pack)
    assert answer.readings[series_of("deployment", "shop", "web")] == Sample(60.0, 0.0)
    assert len(queries) == 1


# How far back it reaches.


@pytest.mark.parametrize(
    ("until", "reach"),
    [
        (NOW, 1.0),  # a scrape where the window begins, and the second that a Date may be late
        (NOW - 1.0, 2.0),
        (NOW - 4.5, 5.5),
    ],
)
def test_an_answer_says_how_long_before_the_window_it_began_to_count(read, until, reach):
    counts = counter(*range(12), until=until)
    assert read([counts])[0].reach == pytest.approx(reach)


def test_the_longest_reach_of_all_targets_counts(read):
    early, late = counter(*range(12), until=NOW - 4.0), counter(*range(12), until=NOW - 1.0, instance="b")
    assert [read(answer)[0].reach for answer in ([early, late], [late, early])] == [5.0, 5.0]


def test_a_target_that_is_new_does_not_reach_back(read):
    assert read([counter(1.0, 2.0)])[0].reach == 1.0


def test_a_workload_that_cannot_be_used_does_not_reach_back(read):
    stale = counter(*range(12), until=NOW - 13.0, deployment="db", instance="b")
    answer, _ = read([counter(*range(12), until=NOW), stale], question=asked("web", "db"))
    assert answer.reach == 1.0


# What cannot be used.


def test_a_workload_that_is_scraped_no_more_is_stale(reading):
    assert reading([counter(1.0, 2.0, 3.0, until=NOW - 13.0)]) == Missing(
        "stale: the newest sample is 13 s old, with a scrape each 5 s"
    )


def test_a_lost_scrape_is_no_gap(reading):
    with_hole = [point for n, point in enumerate(steady(60.0).points) if n != 4]
    assert reading([Series(steady().labels, with_hole)]) == Sample(60.0, 0.0)


def test_two_lost_scrapes_are_a_gap(reading):
    with_hole = [point for n, point in enumerate(steady(60.0).points) if n not in (4, 5)]
    assert reading([Series(steady().labels, with_hole)]) == Missing("gap: no scrape for 15 s, instead of one each 5 s")


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (nan, "response_total is NaN"),
        (inf, "response_total is infinite"),
        (-1.0, "response_total is negative"),
        (1e300, "response_total grew beyond belief"),
    ],
)
def test_one_bad_series_spoils_its_workload_and_no_other(read, bad, words):
    broken = counter(1.0, 2.0, bad, classification="failure")
    answer, _ = read([broken, steady(60.0), steady(6.0, deployment="db", instance="b")], question=asked("web", "db"))
    assert answer.readings[series_of("Deployment", "shop", "web")] == Missing(words)
    assert answer.readings[series_of("Deployment", "shop", "db")] == Sample(6.0, 0.0)


def test_an_instant_vector_of_counts_is_no_growth(reading):
    newest = [counter(5000.0, until=NOW), counter(70.0, until=NOW, classification="failure")]
    assert reading(newest) == NO_REQUESTS


def test_a_range_vector_of_buckets_is_refused(failure):
    over_time = Series({"le": "100", "deployment": "web"}, [Point(NOW - 5.0, 1.0), Point(NOW, 2.0)])
    assert failure([steady(60.0)], [over_time]) == (
        "Prometheus answered 2 samples of a bucket, where one was asked for"
    )


def test_a_series_of_nobody_is_passed_over(read):
    nameless = Series({"instance": "a"}, steady(60.0).points)
    assert read([nameless, Series(LABELS, [])], [Series({"le": "1"}, [Point(NOW, 1.0)])])[0].readings == {}


def test_an_answer_that_may_lack_a_part_is_refused(failure):
    partial = Result([steady(60.0)], DATE, ("receive series from Addr: store-1: deadline exceeded",))
    assert failure(partial) == (
        "Prometheus warns that its answer may not be whole: receive series from Addr: store-1: deadline exceeded"
    )


def test_a_rule_of_style_is_no_lack(reading):
    style = Result([steady(60.0)], DATE, ("PromQL info: metric might not be a counter",))
    assert reading(style, []) == Sample(60.0, 0.0)


# When it fails.


def test_what_prometheus_says_is_passed_on(failure):
    assert failure(PrometheusError("Prometheus answered 503", code=503)) == "Prometheus answered 503"


def test_a_failure_of_the_second_query_fails_the_read(failure):
    assert failure([steady(60.0)], PrometheusError("Prometheus answered 503")) == "Prometheus answered 503"


def test_both_queries_share_the_timeout(failure):
    assert failure(Result([steady(60.0)], DATE), 12.0, timeout=10.0) == "Prometheus did not answer within 10s"


# Whose clock.


def test_the_servers_date_counts_and_not_our_clock(reading):
    assert reading([steady(60.0)], clock=DATE + timedelta(hours=3)) == Sample(60.0, 0.0)


def test_without_a_date_our_clock_counts(reading, read):
    assert reading([steady(60.0)], date=None) == Sample(60.0, 0.0)
    assert read([steady(60.0)], [], date=None)[1][1][1] == NOW


def test_a_clock_that_is_fast_makes_everything_stale(reading):
    assert str(reading([steady(60.0)], date=None, clock=DATE + timedelta(minutes=5)).reason).startswith("stale: ")


@pytest.mark.parametrize(
    ("options", "whose"),
    [
        ({"date": DATE - timedelta(hours=1)}, "the Date of its answer"),
        ({"date": None, "clock": DATE - timedelta(hours=1)}, "the clock of this process"),
    ],
)
def test_a_clock_that_is_slow_is_a_failure(failure, options, whose):
    assert failure([steady(60.0)], **options) == (
        f"{whose} is 3599 s behind the newest sample of Prometheus: one of the clocks is wrong"
    )
