"""The law of counting: consecutive windows have each request that a scrape saw exactly once.

A plain model counts requests as they happen, on pods that are born and die, restart, get labels late, and are scraped
with jitter, sometimes not at all, and sometimes stored late. What no scrape can show is set aside where it happens.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import floor

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from canary.core.window import Sample
from canary.kube.clock import LoopClock
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.prometheus.prometheus import Point, PrometheusError, Result, Series
from canary.metrics.prometheus.source import PrometheusSource
from canary.metrics.source import NO_REQUESTS, Asked, SourceError, series_of

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ZERO = EPOCH.timestamp()
SCRAPE, JITTER, LATE = 5.0, 0.4, 1.5
OUTCOMES = ("success", "failure")


@dataclass(frozen=True)
class Tick:
    """What happens between two scrapes, and how the second goes. `late` is how long it takes to be stored."""

    success: int = 0
    failure: int = 0
    restart: bool = False
    missed: bool = False
    jitter: float = 0.0
    late: float = 0.0


@dataclass
class Count:
    """One counter, and what its scrapes have shown: pairs of time and requests since the scrape before."""

    value: int = 0
    scraped: int | None = None
    restarted: bool = False
    shown: list[tuple[float, int]] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def scrape(self, time, target_is_new):
        if target_is_new:
            self.shown.append((time, 0))
        elif self.restarted and self.value >= (self.scraped or 0):
            # The restart is hidden: the requests up to the old value look like the old ones.
            self.shown.append((time, self.value - (self.scraped or 0)))
        else:
            self.shown.append((time, self.value - (0 if self.restarted else self.scraped or 0)))
        self.points.append(Point(time, float(self.value)))
        self.scraped, self.restarted = self.value, False


class Pod:
    """A target: counters of both outcomes, each there from its first request on."""

    def __init__(self, name, born, ticks):
        self.name, self.counts, self.stored = name, {}, {}
        missed = True
        for number, tick in enumerate(ticks, start=born):
            self.pass_time(tick)
            missed = tick.missed and not missed  # two in a row are a gap
            if not missed and self.counts:
                self.scrape(ZERO + SCRAPE * number + tick.jitter, tick.late)

    def pass_time(self, tick):
        if tick.restart:
            for count in self.counts.values():
                count.value, count.restarted = 0, True
        for outcome, more in zip(OUTCOMES, (tick.success, tick.failure), strict=True):
            if more or outcome in self.counts:
                self.counts.setdefault(outcome, Count()).value += more

    def scrape(self, time, late):
        for count in self.counts.values():
            count.scrape(time, target_is_new=not self.stored)
        self.stored[time] = time + late

    def series(self, since, now):
        for outcome, count in self.counts.items():
            labels = {"namespace": "shop", "deployment": "web", "instance": self.name, "classification": outcome}
            points = [point for point in count.points if since < point.time and self.stored[point.time] <= now]
            if points:
                yield Series(labels, points)

    def shown(self, outcome, first_window, now):
        """Requests that scrapes have shown, from the one with which the first window begins."""
        times = [time for time in self.stored if time <= first_window]
        since = max(times, default=min(self.stored, default=ZERO))
        count = self.counts.get(outcome, Count())
        return sum(more for time, more in count.shown if since < time and self.stored[time] <= now)


class Model:
    """A Prometheus that has scraped the pods, at the moment `now`."""

    def __init__(self, pods):
        self.pods, self.now, self.fails_at = pods, ZERO, 0.0

    async def query(self, promql, *, timeout, time=None):
        if "_bucket" in promql:
            if self.now == self.fails_at:
                raise PrometheusError("Prometheus answered 503")
            return Result(())
        seconds = int(re.search(r"\[(\d+)s\]$", promql)[1])
        found = [series for pod in self.pods for series in pod.series(self.now - seconds, self.now)]
        return Result(found, datetime.fromtimestamp(floor(self.now), UTC))


ticks = st.builds(
    Tick,
    success=st.integers(0, 50),
    failure=st.integers(0, 5),
    restart=st.sampled_from([False] * 7 + [True]),
    missed=st.sampled_from([False] * 4 + [True]),
    jitter=st.floats(0.0, JITTER),
    late=st.floats(0.0, LATE),
)
LENGTH = 48
"""Scrapes of four minutes."""
steady = st.lists(ticks, min_size=LENGTH, max_size=LENGTH).map(lambda found: Pod("web-0", 0, found))
brief = st.builds(
    lambda number, born, found: Pod(f"web-{number}", born, found[: LENGTH - born]),
    st.integers(1, 10_000),
    st.integers(0, LENGTH - 1),
    st.lists(ticks, min_size=1, max_size=LENGTH),
)


def read_all(model, seconds, first, pauses):
    """The readings of consecutive windows, the first of which is read at `first`; the last read was at `model.now`."""
    source = PrometheusSource(model, shipped("linkerd"), scrape=SCRAPE, clock=LoopClock(EPOCH))
    asked = Asked("shop", "Deployment", seconds, frozenset(["web"]))
    readings, model.now = [], ZERO + first

    async def read():
        answer = await source.read(asked, timeout=5.0)
        readings.append(answer.readings[series_of("Deployment", "shop", "web")])

    async def play():
        await read()
        for pause in pauses:
            model.now += seconds + pause
            await read()

    asyncio.run(play())
    return readings


def requests_of(model, *reads):
    """What a source counts in reads at `(seconds since the epoch, kind)`; a failed one is `None`."""
    source = PrometheusSource(model, shipped("linkerd"), scrape=SCRAPE, clock=LoopClock(EPOCH))

    async def play():
        for at, kind in reads:
            model.now = ZERO + at
            try:
                answer = await source.read(Asked("shop", kind, 30, frozenset()), timeout=5.0)
                yield sum(reading.requests for reading in answer.readings.values())
            except SourceError:
                yield None

    async def collected():
        return [requests async for requests in play()]

    return asyncio.run(collected())


@pytest.fixture
def model():
    """One pod that is scraped each 5 s, with ten requests between two scrapes."""
    return Model([Pod("web-0", 0, [Tick(success=10)] * LENGTH)])


def test_a_read_that_is_late_leaves_nothing_out(model):
    # Scrapes at 25, 30, …, 60 and 65, …, 100.
    assert requests_of(model, (60.0, "Deployment"), (100.0, "Deployment")) == [60.0, 80.0]


def test_a_read_that_is_early_counts_nothing_twice(model):
    assert requests_of(model, (60.0, "Deployment"), (86.0, "Deployment")) == [60.0, 50.0]


def test_windows_that_do_not_follow_each_other_have_their_own_beginning(model):
    assert requests_of(model, (60.0, "Deployment"), (140.0, "Deployment")) == [60.0, 60.0]


def test_each_kind_has_its_own_windows(model):
    assert requests_of(model, (60.0, "Deployment"), (95.0, "Pod"), (95.0, "Deployment"))[1:] == [0, 70.0]


def test_a_read_that_failed_has_counted_nothing(model):
    model.fails_at = ZERO + 75.0
    assert requests_of(model, (60.0, "Deployment"), (75.0, "Deployment"), (90.0, "Deployment")) == [60.0, None, 60.0]


@settings(max_examples=150, deadline=None)
@given(
    steady,
    st.lists(brief, max_size=3, unique_by=lambda pod: pod.name),
    st.integers(20, 40),
    st.floats(40.0, 60.0),
    st.lists(st.floats(-1.0, 2.0), min_size=3, max_size=3),
)
def test_consecutive_windows_have_every_request_that_a_scrape_saw_exactly_once(
    first_pod, others, seconds, first, pauses
):
    # Something is counted from the first scrape on, else nothing would be known of the workload.
    pods = [first_pod, *others]
    model = Model([pod for pod in pods if pod.counts])
    assume(first_pod.stored and min(first_pod.stored) < ZERO + 10.0)

    readings = read_all(model, seconds, first, pauses)

    assert all(isinstance(reading, Sample) or reading == NO_REQUESTS for reading in readings)
    samples = [reading for reading in readings if isinstance(reading, Sample)]
    for outcome in OUTCOMES:
        counted = [getattr(sample, outcome) for sample in samples]
        assert all(count >= 0 for count in counted)
        window = floor(ZERO + first) - seconds
        assert sum(counted) == pytest.approx(sum(pod.shown(outcome, window, model.now) for pod in model.pods))
