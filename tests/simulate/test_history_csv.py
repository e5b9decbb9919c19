"""A CSV file becomes a record, or an error that says where it is wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from math import inf

import hypothesis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.cli.replayed import as_document, lines
from canary.core.plan import Limit
from canary.core.window import Bucket, Missing, Sample, SideReading
from canary.metrics.source import NO_REQUESTS
from canary.simulate.history.csv_record import read_csv
from canary.simulate.history.record import HistoryError, Record
from canary.simulate.history.replay import replay
from canary.simulate.history.thinning import Evenly
from tests.simulate.histories import HEADER, T0, csv_of
from tests.simulate.rollouts import make_plan


def read(text: str) -> Record:
    return read_csv(text, "past.csv")


def rows(*canary: object, header: str = HEADER) -> str:
    """Rows each 15 s whose canary columns are given; stable has 100 good requests in each."""
    return csv_of(((T0 + 15 * n, *each, 100, 0) for n, each in enumerate(canary)), header)  # type: ignore[misc]


def window(record: Record, start: float, end: float, side: int = 0) -> SideReading:
    """What a side answered between two seconds after the first row."""
    return record.whole[side].between(T0 + start, T0 + end).reading


def error(text: str) -> str:
    with pytest.raises(HistoryError) as caught:
        read(text)
    return str(caught.value)


# What a row means.


def test_a_row_counts_what_happened_since_the_row_before() -> None:
    record = read(rows((10, 1), (20, 2), (30, 3)))
    assert window(record, 0, 30) == Sample(45.0, 5.0)
    assert record.whole.canary.between(T0, T0 + 30).since == T0


def test_the_first_row_counts_as_long_as_the_others() -> None:
    assert window(read(rows((10, 1), (20, 2), (30, 3))), -15, 0) == Sample(9.0, 1.0)


def test_windows_that_follow_each_other_have_each_row_once() -> None:
    record = read(rows(*[(n, 0) for n in range(1, 20)]))
    found = [window(record, start, start + 40) for start in range(-15, 240, 40)]
    assert sum(each.requests for each in found if isinstance(each, Sample)) == sum(range(1, 19))


def test_a_window_that_begins_inside_a_row_reaches_back_to_its_begin() -> None:
    assert read(rows((10, 1), (20, 2), (30, 3))).whole.canary.between(T0 + 5, T0 + 20).since == T0


def test_counters_are_differenced_and_begin_again_when_they_fall() -> None:
    header = "time,canary_requests_total,canary_failures_total,stable_requests,stable_failures"
    record = read(rows((1000, 5), (1010, 6), (4, 0), (14, 0), header=header))
    assert [window(record, start, start + 15) for start in (0, 15, 30)] == [
        Sample(9.0, 1.0), Sample(4.0, 0.0), Sample(10.0, 0.0)
    ]  # fmt: skip


def test_a_counter_that_was_not_read_once_shows_at_the_next_row_what_it_grew_by() -> None:
    header = "time,canary_requests_total,canary_failures_total,stable_requests,stable_failures"
    record = read(rows((0, 0), (10, 0), ("", ""), (30, 0), header=header))
    assert window(record, 0, 45) == Sample(30.0, 0.0)


def test_a_counter_reset_that_hides_in_one_of_the_two_is_no_data() -> None:
    header = "time,canary_requests_total,canary_failures_total,stable_requests,stable_failures"
    record = read(rows((1000, 900), (1001, 899), header=header))
    assert window(record, 0, 15) == Missing("more failures than requests in line 3")


@pytest.mark.parametrize(("cells", "words"), [((("", ""), "is empty")), (("NaN", 0), "is NaN"), ((5, ""), "is empty")])
def test_a_cell_without_a_number_is_a_window_without_data(cells: tuple[object, object], words: str) -> None:
    found = window(read(rows((10, 0), cells, (10, 0))), -15, 30)
    assert isinstance(found, Missing)
    assert found.reason.endswith(f"{words} in line 3")


def test_no_requests_in_one_row_add_nothing_and_in_all_are_no_rate() -> None:
    record = read(rows((10, 0), (0, 0), (0, 0)))
    assert window(record, -15, 15) == Sample(10.0, 0.0)
    assert window(record, 0, 30) == NO_REQUESTS


def test_rows_that_are_missing_are_a_gap() -> None:
    text = csv_of((T0 + 15 * n, 10, 0, 100, 0) for n in range(20) if n not in (5, 6, 7))
    assert window(read(text), 60, 150) == Missing("gap: no scrape for 60 s, instead of one each 15 s")
    assert window(read(text), 0, 60) == Sample(40.0, 0.0)


def test_nothing_is_known_after_the_last_row() -> None:
    found = window(read(rows((10, 0), (10, 0))), 15, 75)
    assert found == Missing("stale: the newest sample is 60 s old, with a scrape each 15 s")


def test_rows_in_another_order_are_put_right_and_it_is_said() -> None:
    ordered = rows((1, 0), (2, 0), (3, 0)).splitlines()
    record = read("\n".join([ordered[0], *reversed(ordered[1:])]))
    assert window(record, 0, 15) == Sample(2.0, 0.0)
    assert record.notes == ("the rows of past.csv were not in the order of time, and were put into it",)


def test_a_row_that_is_there_twice_counts_once() -> None:
    text = rows((1, 0), (2, 0), (3, 0))
    assert window(read(text + text.splitlines()[2]), -15, 30) == Sample(6.0, 0.0)


def test_times_may_have_any_zone() -> None:
    text = csv_of([("2026-01-01T12:00:00Z", 1, 0, 9, 0), ("2026-01-01T14:00:15+02:00", 2, 0, 9, 0)])
    assert window(read(text), 0, 15) == Sample(2.0, 0.0)


# Latency, histograms, weights.


def test_quantiles_are_seconds_unless_the_header_says_milliseconds_and_the_slowest_row_counts() -> None:
    header = "time,canary_requests,canary_failures,canary_p99_ms,canary_p50,stable_requests,stable_failures"
    record = read(rows((10, 0, 200, 0.1), (10, 0, 300, ""), header=header))
    assert window(record, -15, 15) == Sample(20.0, 0.0, {"p99": 0.3, "p50": 0.1})
    assert window(record, -15, 15).latency == {"p99": pytest.approx(0.3), "p50": 0.1}  # type: ignore[union-attr]


def test_a_histogram_is_added_over_rows_and_gives_quantiles() -> None:
    header = HEADER.replace(",stable_r", ",canary_le_100ms,canary_le_1s,canary_le_inf,stable_r")
    found = window(read(rows((10, 0, 10, 10, 10), (10, 0, 0, 10, 10), (0, 0, 0, 0, 0), header=header)), -15, 30)
    assert isinstance(found, Sample)
    assert found.histogram == (Bucket(0.1, 10.0), Bucket(1.0, 20.0), Bucket(inf, 20.0))
    assert found.slower_than(0.1) == 0.5
    assert found.latency["p50"] == pytest.approx(0.1)


def test_requests_that_nobody_timed_have_no_latency() -> None:
    header = HEADER.replace(",stable_r", ",canary_le_1,canary_le_inf,stable_r")
    found = window(read(rows((10, 0, 0, 0), (10, 0, 0, 0), header=header)), -15, 15)
    assert isinstance(found, Sample)
    assert (found.latency, found.slower_than(0.5)) == ({}, None)


def test_a_histogram_may_be_counters() -> None:
    header = (
        "time,canary_requests_total,canary_failures_total,canary_le_0.1_total,canary_le_inf_total,"
        "stable_requests,stable_failures"
    )
    found = window(read(rows((5, 0, 5, 5), (15, 0, 11, 15), header=header)), 0, 15)
    assert isinstance(found, Sample)
    assert found.histogram == (Bucket(0.1, 6.0), Bucket(inf, 10.0))


def test_the_weight_holds_until_the_next_one() -> None:
    header = "time,canary_requests,canary_failures,weight,stable_requests,stable_failures"
    record = read(rows((1, 0, 5), (1, 0, ""), (1, 0, 25), header=header))
    assert [record.weight_at(T0 + second) for second in (-1, 0, 20, 30)] == [None, 5.0, 5.0, 25.0]


def test_stable_may_be_missing_and_it_is_said() -> None:
    record = read(csv_of(((T0, 1, 0), (T0 + 15, 1, 0)), "time,canary_requests,canary_failures"))
    assert isinstance(window(record, 0, 15, side=1), Missing)
    assert record.notes == ("the file says nothing of stable",)


# What is refused.


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (("-1", "0"), "line 3, column canary_requests: must not be negative, but is -1"),
        (("5", "6"), "line 3, column canary_failures: 6 failures are more than 5 requests"),
        (("inf", "0"), "line 3, column canary_requests: must be a number, not 'inf'"),
        (("1_0", "0"), "line 3, column canary_requests: must be a number, not '1_0'"),
        (("ten", "0"), "line 3, column canary_requests: must be a number, not 'ten'"),
        (("1e13", "0"), "line 3, column canary_requests: must be at most 1e+12, but is 1e13"),
        (("1e999", "0"), "line 3, column canary_requests: must be at most 1e+12, but is 1e999"),
    ],
)
def test_a_cell_that_can_be_no_count_is_named(cells: tuple[str, str], words: str) -> None:
    assert error(rows((10, 0), cells)) == f"past.csv: {words}"


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("2026-01-01T12:00:00", "must be a time with its zone, such as 2026-01-01T12:00:00Z or"),
        ("2026-02-30T12:00:00Z", "must be a time that there is, not 2026-02-30T12:00:00Z"),
        ("1767268800000", "must be Unix seconds, not milliseconds or less: 1767268800000"),
        ("yesterday", "must be a time such as 2026-01-01T12:00:00Z, or Unix seconds, not 'yesterday'"),
        ("0001-01-01T00:00:00+23:59", "must be a time from 1970 to 2999, not 0001-01-01T00:00:00+23:59"),
    ],
)
def test_a_time_that_is_none_is_named(time: str, words: str) -> None:
    assert error(csv_of([(T0, 1, 0, 1, 0), (time, 1, 0, 1, 0)])).startswith(f"past.csv: line 3, column time: {words}")


NEEDED = "time,canary_requests,canary_failures"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (f"{NEEDED},canary_p95", "column 'canary_p95' is unknown"),
        (f"time,{NEEDED}", "column time is there twice"),
        ("canary_requests,canary_failures", "column time is missing"),
        ("time,stable_requests,stable_failures", "column canary_requests, or canary_requests_total, is missing"),
        ("time,canary_requests", "column canary_failures is missing"),
        (f"{NEEDED},canary_failures_total", "counts in another way than canary_requests"),
        (f"{NEEDED},canary_p99,canary_p99_ms", "column canary_p99_ms says p99 of canary again"),
        (f"{NEEDED},canary_le_0.5", "needs canary_le_inf and one bound more"),
        (f"{NEEDED},canary_le_0.5,canary_le_500ms,canary_le_inf", "has the bound of another"),
    ],
)
def test_a_header_that_does_not_say_what_is_needed(header: str, words: str) -> None:
    said = error(f"{header}\n1,2,3\n")
    assert said.startswith("past.csv: line 1: ")
    assert words in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the file is empty; its first line names the columns"),
        (HEADER, "at least two rows are needed, and it has 0"),
        (f"{HEADER}\n{T0},1,0,1,0\n{T0},1,0,1,0", "at least two rows of different times are needed"),
        (f"{HEADER}\n{T0},1,0,1,0\n{T0},2,0,1,0", "lines 2 and 3 have the same time and other numbers"),
        (f"{HEADER}\n{T0},1,0,1", "line 2: it has 4 cells, and the header 5 columns"),
        (f'{HEADER}\n"{T0},1,0,1,0', "line 2: this is no CSV: unexpected end of data"),
        (f"{HEADER},weight\n{T0},1,0,1,0,101", "line 2, column weight: must be at most 100, but is 101"),
    ],
)
def test_a_file_that_is_no_table_of_metrics(text: str, words: str) -> None:
    assert words in error(text)


def test_buckets_that_fall_are_no_histogram() -> None:
    header = "time,canary_requests,canary_failures,canary_le_1,canary_le_inf,stable_requests,stable_failures"
    said = error(rows((10, 0, 5, 4), (1, 0, 1, 1), header=header))
    assert said == "past.csv: line 2, column canary_le_inf: 4 is less than the bound before it has, 5"


CELL = st.one_of(
    st.sampled_from(["", "NaN", "-", "0", "1", "7.5", "-3", "1e30", "inf", "x", '"', "\x00", "2026-01-01T12:00:00Z"]),
    st.integers(min_value=0, max_value=2000).map(str),
    st.integers(min_value=0, max_value=4_000_000_000).map(str),
    st.text(max_size=6),
)
NAMES = st.sampled_from(
    ["time", "canary_requests", "canary_failures", "stable_requests", "stable_failures", "canary_requests_total",
     "canary_failures_total", "canary_p99", "canary_p99_ms", "canary_le_0.1", "canary_le_inf", "weight", "other", ""]
)  # fmt: skip
COMMON = ["time", "canary_requests", "canary_failures", "stable_requests", "stable_failures"]
COUNTED = [*COMMON, "canary_p99", "canary_le_0.1", "canary_le_inf", "weight"]
GROWING = [
    "time",
    *(f"{name}_total" for name in COMMON[1:]),
    "canary_p99",
    "canary_le_0.1_total",
    "canary_le_inf_total",
]
USUAL = st.one_of(
    st.integers(0, 20).map(str), st.just(""), st.just("NaN"), st.floats(0, 100, allow_nan=False).map("{:.2f}".format)
)


@st.composite
def plausible(draw: st.DrawFn) -> str:
    """Files that are nearly right: most of their numbers can be metrics, most of their times follow each other."""
    names = draw(st.sampled_from([COMMON, COUNTED, GROWING]))
    gaps = draw(st.lists(st.sampled_from([15] * 20 + [14, 0, 60, 3600, -15]), min_size=2, max_size=40))
    time, lines = T0, [",".join(names)]
    for gap in gaps:
        time += gap
        requests, failures = draw(st.integers(0, 3000)), draw(st.sampled_from(["0"] * 9 + ["1", "9", "", "NaN"]))
        cells = [str(time), str(requests), failures, "1500", "0", *draw(st.lists(USUAL, min_size=4, max_size=4))]
        lines.append(",".join(cells[: len(names)]))
    return "\n".join(lines)


FILES = st.one_of(
    st.text(max_size=200),
    plausible(),
    st.builds(
        lambda names, lines: "\n".join(",".join(cells) for cells in [names, *lines]),
        st.one_of(st.just(COMMON), st.just(COUNTED), st.lists(NAMES, max_size=8)),
        st.lists(st.lists(CELL, min_size=4, max_size=8), max_size=6),
    ),
)


def attempt(text: str) -> Record | str:
    try:
        return read(text)
    except HistoryError as error:
        return str(error)


@settings(max_examples=400, deadline=None)
@given(FILES)
def test_any_text_is_a_record_or_an_error_that_names_the_file(text: str) -> None:
    found = attempt(text)
    if isinstance(found, str):
        assert found.startswith("past.csv: ")
        return
    for track in found.whole:
        for start in (-15.0, 0.0, 1e6):
            reading = track.between(T0 + start, T0 + start + 60).reading
            assert isinstance(reading, Missing) or 0 < reading.requests < inf


@settings(max_examples=200, deadline=None)
@given(plausible(), st.booleans())
def test_any_record_can_be_played_and_told_or_says_why_not(text: str, thin: bool) -> None:
    found = attempt(text)
    if isinstance(found, str):
        return
    limits = (Limit("success-rate", 99.0), Limit("slow", 50.0, slower_than=0.05))
    plan = make_plan(interval=60.0, limits=limits if "le_inf" in text else limits[:1])
    with suppress(HistoryError):
        played = replay(plan, found, Evenly() if thin else None)
        assert all(str(line) for line in lines("shop", played) if line != "")
        json.dumps(as_document("shop", played), allow_nan=False)
        hypothesis.event(f"played: {played.played.outcome}")
