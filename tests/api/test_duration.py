"""Durations are read and written as Go does."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.api.duration import format_duration, parse_duration, parse_nanoseconds

# Texts and nanoseconds as Go 1.26, time.ParseDuration, gives them.
GOLDEN = {
    "0": 0,
    "0s": 0,
    "1h0m0s": 3_600_000_000_000,
    "1.5h": 5_400_000_000_000,
    ".5s": 500_000_000,
    "1.s": 1_000_000_000,
    "1µs": 1_000,
    "1μs": 1_000,
    "1us": 1_000,
    "1ns": 1,
    "1.9ns": 1,
    "250ms": 250_000_000,
    "3h2m1s1ms1us1ns": 10_921_001_001_001,
    "1s1s": 2_000_000_000,
    "1m1h": 3_660_000_000_000,
    "0.1s": 100_000_000,
    "0.333333333333333333h": 1_199_999_999_999,
    "0.9999999999999999999s": 1_000_000_000,
    "168h0m0.0000000001s": 604_800_000_000_000,
    "2562047h47m16.854775807s": 2**63 - 1,
}


@pytest.mark.parametrize(("text", "nanoseconds"), GOLDEN.items())
def test_a_text_means_what_go_says(text: str, nanoseconds: int) -> None:
    assert parse_nanoseconds(text) == nanoseconds
    assert parse_duration(text) == nanoseconds / 1e9


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "-1s",
        "+1s",
        "1d",
        "1 s",
        " 1s",
        "1s ",
        "1s\n",
        "s",
        ".s",
        "1..5s",
        "1e3s",
        "１s",
        "1S",
        "1sm",
        "00",
        "1h" * 33,
        "99999999999h",
        "2562047h47m16.854775808s",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration"):
        parse_nanoseconds(text)


@given(st.integers(0, 10**10))
def test_a_written_duration_is_read_back(milliseconds: int) -> None:
    text = format_duration(milliseconds / 1000)
    assert parse_nanoseconds(text) == milliseconds * 1_000_000


@given(st.integers(0, 10**6), st.sampled_from(["ns", "us", "µs", "ms", "s", "m", "h"]), st.integers(0, 59))
def test_parts_add_up(number: int, unit: str, seconds: int) -> None:
    assert parse_nanoseconds(f"{number}{unit}{seconds}s") == parse_nanoseconds(f"{number}{unit}") + seconds * 10**9


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    # Any error but ValueError fails the test.
    with suppress(ValueError):
        assert parse_nanoseconds(text) >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (0.0004, "0s"),
        (1, "1s"),
        (1.5, "1.5s"),
        (90, "1m30s"),
        (3600, "1h"),
        (5400, "1h30m"),
        (3601, "1h1s"),
        (60.25, "1m0.25s"),
        (604800, "168h"),
        (0.9999, "1s"),
        (59.9999, "1m"),
    ],
)
def test_a_duration_is_written_as_shortly_as_possible(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
