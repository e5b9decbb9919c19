"""What counters grew by, with samples written down by hand: a scrape each 5 s, and a window that begins at 100."""

from __future__ import annotations

from math import inf, nan

import pytest

from canary.core.window import Missing
from canary.metrics.prometheus.counters import MAX_COUNT, Span, growth, spans, target_of, unusable
from canary.metrics.prometheus.prometheus import Point

ONE, TWO = frozenset({("instance", "10.0.0.1:4191")}), frozenset({("instance", "10.0.0.2:4191")})
SCRAPE = 5.0


def points(*samples):
    """`(time, value)` pairs, or values at 95, 100, 105, …"""
    return [
        Point(*sample) if isinstance(sample, tuple) else Point(95.0 + 5.0 * n, sample)
        for n, sample in enumerate(samples)
    ]


def grown(*samples, since=100.0):
    return growth("requests_total", points(*samples), Span(since, 200.0, SCRAPE))


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ((7.0, 10.0, 12.0, 17.0), 7.0),  # from 10 at 100 on
        ((7.0, 10.0), 0.0),  # died with the scrape that the window begins at
        ((7.0, 10.0, 10.0), 0.0),
        ((7.0, 10.0, 4.0, 6.0), 6.0),  # a reset: 4 from 0, then 2
        ((7.0, 10.0, 4.0, 3.0, 3.5), 7.5),  # two resets: 4, 3 and 0.5
        ((9.0, 2.0, 5.0), 3.0),  # a reset before the window is none in it
        (((105.0, 3.0), (110.0, 5.0)), 5.0),  # born in the window, on a target that was scraped before: from 0
        (((95.0, 3.0), (110.0, 5.0)), 2.0),  # absent from one scrape, and back
        (((90.0, 3.0),), 0.0),  # gone before the window
        ((0.0, 0.25, 0.75), 0.5),
    ],
)
def test_a_counter_grows_by_its_differences(samples, expected):
    assert grown(*samples) == expected


def test_a_counter_of_a_new_target_counts_from_its_first_sample():
    assert grown((110.0, 40.0), (115.0, 43.0), since=110.0) == 3.0


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ((1.0, nan, 3.0), "requests_total is NaN"),
        ((1.0, 2.0, inf), "requests_total is infinite"),
        ((1.0, 2.0, -inf), "requests_total is negative"),
        ((1.0, 2.0, -1.0), "requests_total is negative"),
        ((nan, 2.0, 3.0), "requests_total is NaN"),
        ((1.0, 2.0, 2.0 * MAX_COUNT), "requests_total grew beyond belief"),
        ((1.0, 2.0, 1e308), "requests_total grew beyond belief"),
        (((105.0, 1.0), (105.0, 2.0)), "the samples of requests_total are not in order"),
        (((110.0, 1.0), (105.0, 2.0)), "the samples of requests_total are not in order"),
    ],
)
def test_what_cannot_be_a_counter_is_missing_with_the_reason(samples, words):
    assert grown(*samples) == Missing(words)


def series(*times):
    return points(*((time, 0.0) for time in times))


def span(*times, start=100.0, counted=None):
    """Of a target with one series; where it begins is looked at elsewhere."""
    return spans([(ONE, series(*times))], start, SCRAPE, counted or {})[ONE]._replace(fresh=frozenset())


def test_a_window_begins_with_the_last_scrape_at_or_before_its_start():
    assert span(93.0, 98.0, 103.0, 108.0) == Span(98.0, 108.0, 5.0)
    assert span(95.0, 100.0, 105.0) == Span(100.0, 105.0, 5.0)


def test_a_target_that_is_new_begins_with_its_first_scrape():
    assert span(104.0, 109.0) == Span(104.0, 109.0, 5.0)


def test_the_series_of_a_target_share_its_scrapes():
    found = spans([(ONE, series(98.0, 108.0)), (ONE, series(103.0)), (TWO, series(104.0))], 100.0, SCRAPE, {})
    assert found == {
        ONE: Span(98.0, 108.0, 5.0, frozenset([98.0])),
        TWO: Span(104.0, 104.0, 0.0, frozenset([104.0])),
    }


def test_the_widest_gap_is_that_of_the_window_alone():
    assert span(70.0, 98.0, 103.0, 111.0) == Span(98.0, 111.0, 8.0)


@pytest.mark.parametrize(
    ("found", "fresh"),
    [
        ([(95.0, 100.0, 105.0)], {95.0}),
        ([(95.0, 100.0, 105.0), (105.0, 110.0)], {95.0}),  # the new one meets an old one
        ([(95.0, 100.0), (105.0, 110.0), (110.0,)], {95.0, 105.0}),  # all labels are others from 105 on
        ([(105.0, 110.0), (95.0, 110.0)], {95.0}),
        ([(95.0, 115.0), (100.0,), (105.0, 110.0)], {95.0}),  # the first one was there all the time
    ],
)
def test_a_target_begins_anew_where_none_of_its_series_goes_on(found, fresh):
    (only,) = spans([(ONE, series(*times)) for times in found], 100.0, SCRAPE, {}).values()
    assert only.fresh == fresh


def test_what_begins_with_its_target_counts_from_its_first_sample():
    relabelled = Span(100.0, 200.0, SCRAPE, frozenset([105.0]))
    assert growth("requests_total", points((105.0, 4000.0), (110.0, 4003.0)), relabelled) == 3.0
    assert growth("requests_total", points((110.0, 40.0), (115.0, 43.0)), relabelled) == 43.0


@pytest.mark.parametrize(
    ("mark", "since"),
    [
        (95.0, 95.0),  # the read was late, or a scrape was missed: nothing is left out
        (85.0, 85.0),  # as far back as is asked for
        (105.0, 105.0),  # the read was early: nothing is counted twice
        (84.0, 100.0),  # a window in between has failed
        (110.0, 100.0),  # somebody else's window
        (97.0, 95.0),  # a scrape that is gone
    ],
)
def test_a_window_begins_where_the_one_before_has_ended(mark, since):
    assert span(80.0, 85.0, 90.0, 95.0, 100.0, 105.0, 110.0, 115.0, counted={ONE: mark}).since == since


def test_another_targets_mark_changes_nothing():
    assert span(95.0, 100.0, 105.0, counted={TWO: 95.0}).since == 100.0


def test_a_target_without_samples_has_no_span():
    assert spans([(ONE, ())], 100.0, SCRAPE, {}) == {}


def test_a_target_is_a_job_an_instance_and_a_pod_whatever_else_its_labels_say():
    labels = {"__name__": "x", "job": "proxies", "instance": "10.0.0.1:4191", "pod": "a", "status_code": "200"}
    assert target_of(labels, frozenset()) == target_of(labels | {"status_code": "503", "le": "1"}, frozenset())
    for name in ("job", "instance", "pod"):
        assert target_of(labels, frozenset()) != target_of(labels | {name: "another"}, frozenset())


def test_without_an_instance_a_target_is_all_labels_but_those_that_tell_failure():
    labels = {"deployment": "web", "code": "200"}
    assert target_of(labels, frozenset({"code"})) == target_of(labels | {"code": "503"}, frozenset({"code"}))
    assert target_of(labels, frozenset({"code"})) != target_of(labels | {"deployment": "db"}, frozenset({"code"}))


@pytest.mark.parametrize(
    ("newest", "widest", "expected"),
    [
        (112.5, 5.0, None),  # 12.5 s are two and a half scrapes
        (112.0, 5.0, Missing("stale: the newest sample is 13 s old, with a scrape each 5 s")),
        (125.0, 12.5, None),
        (125.0, 13.0, Missing("gap: no scrape for 13 s, instead of one each 5 s")),
        (126.0, 0.0, None),  # by a clock with whole seconds, a sample may be of the future
    ],
)
def test_stale_series_and_missing_scrapes_are_recognised(newest, widest, expected):
    assert unusable(newest, widest, 125.0, SCRAPE) == expected
