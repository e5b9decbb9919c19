"""What one window costs where the canary is compared with stable: the fastest of many runs."""

from __future__ import annotations

import asyncio
import timeit
from collections.abc import Callable, Iterator

import msgspec

from bench.rows import Row, at_most, shown
from canary.core.evidence import (
    Counts,
    Early,
    Evidence,
    RateLimit,
    RateRatio,
    Test,
    Traffic,
    WindowCounts,
    count,
    detectable_rate,
    interval,
    requests_to_show,
)

REPEATS = 15
WINDOWS = 180


async def run(_: int) -> list[Row]:
    return await asyncio.to_thread(lambda: list(_rows()))


def _fastest(call: Callable[[], object], number: int = 200) -> float:
    """Microseconds of one call."""
    return 1e6 * min(timeit.repeat(call, number=number, repeat=REPEATS)) / number


def _rows() -> Iterator[Row]:
    ratio, evidence = RateRatio(), _played(RateRatio())
    early, step = Early(), _played(Early().test)
    last, stored = _window(WINDOWS), msgspec.json.encode(evidence)
    limit, above = RateLimit(limit=0.01), _played(RateLimit(limit=0.01))
    traffic = Traffic(100.0, 900.0, 0.01)
    yield at_most(
        "evidence/compare",
        "count a window, canary and stable",
        _fastest(lambda: count(ratio, evidence, last)),
        50,
        "µs",
    )
    yield at_most(
        "evidence/limit", "count a window, canary and a limit", _fastest(lambda: count(limit, above, last)), 50, "µs"
    )
    yield at_most("evidence/state", f"what is stored after {WINDOWS} windows", len(stored), 400, "bytes")
    yield shown("evidence/encode", "encode it", _fastest(lambda: msgspec.json.encode(evidence)), "µs")
    yield shown("evidence/decode", "decode it", _fastest(lambda: msgspec.json.decode(stored, type=Evidence)), "µs")
    yield shown("evidence/interval", "the bounds of one rate", _fastest(lambda: interval(evidence.canary, 0.01)), "µs")
    yield shown("evidence/early", "whether a step has shown enough", _fastest(lambda: early.finding(step)), "µs")
    yield shown(
        "evidence/detectable",
        "the smallest regression that shows",
        _fastest(lambda: detectable_rate(ratio, traffic, 30)),
        "µs",
    )
    yield shown(
        "evidence/requests", "how many requests show a limit", _fastest(lambda: requests_to_show(0.01, 0.05)), "µs"
    )


def _played(test: Test) -> Evidence:
    evidence = Evidence()
    for number in range(WINDOWS):
        evidence = count(test, evidence, _window(number)).evidence
    return evidence


def _window(number: int) -> WindowCounts:
    """Ten seconds of 100 requests/s, of which the canary has a tenth; a hundredth fails, now more, now fewer."""
    start = 1_767_225_600.0 + 10.0 * number
    return WindowCounts(start, start + 10.0, Counts(100.0, float(number % 3)), Counts(900.0, float(7 + number % 5)))
