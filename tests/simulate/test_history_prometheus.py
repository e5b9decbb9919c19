"""What Prometheus has stored of a release becomes a record: asked in parts, differenced, or refused in words."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from math import inf

import pytest

from canary.core.plan import Limit
from canary.core.window import Bucket, Missing, Peer, Sample, SideReading
from canary.kube.errors import Ambiguous, Unreachable
from canary.metrics.prometheus.pack_file import shipped
from canary.metrics.prometheus.prometheus import Point, PrometheusError, Result, Series
from canary.simulate.history.fetch import CHUNK, read_prometheus
from canary.simulate.history.record import HistoryError, Record
from canary.simulate.history.replay import replay
from canary.simulate.history.whose import Whose
from canary.simulate.play import Outcome
from tests.simulate.histories import T0
from tests.simulate.rollouts import make_plan

WHOSE = Whose("shop", "Deployment", ("v1",), ("v2",))
SCRAPE = 15.0
_QUERY = re.compile(r"(?P<metric>\w+)\{(?P<matchers>.*)\}\[(?P<seconds>\d+)s\]")


class Stored:
    """A Prometheus that has these series, and answers range selectors as a real one does: after begin, up to end.

    Before version 3 the begin was `closed`: a sample at that very moment was in the answer, too. `fails` are raised
    instead, one at each query.
    """

    def __init__(
        self, *series: Series, fails: Sequence[Exception] = (), warnings: tuple[str, ...] = (), closed: bool = False
    ) -> None:
        self.series, self.fails, self.warnings, self.closed = series, list(fails), warnings, closed
        self.asked: list[tuple[str, float]] = []

    async def query(self, promql: str, *, timeout: float, time: float | None = None) -> Result:
        assert time is not None
        self.asked.append((promql, time))
        if self.fails:
            raise self.fails.pop(0)
        found = _QUERY.fullmatch(promql)
        assert found is not None, promql
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', found["matchers"]))
        begin = time - int(found["seconds"])
        answer = []
        for labels, points in self.series:
            matches = all(labels.get(name, "") == value for name, value in wanted.items())
            kept = [p for p in points if begin < p.time <= time or (self.closed and p.time == begin)]
            if labels["__name__"] == found["metric"] and matches and kept:
                answer.append(Series(labels, kept))
        return Result(answer, warnings=self.warnings)


def labels(deployment: str, pod: str = "1", **more: str) -> dict[str, str]:
    return {
        "__name__": "response_total", "namespace": "shop", "deployment": deployment, "direction": "inbound",
        "pod": f"{deployment}-{pod}", "instance": f"10.0.0.{pod}:4191", "job": deployment, "classification": "success",
    } | more  # fmt: skip


def counter(deployment: str, *values: float, start: float = T0, pod: str = "1", **more: str) -> Series:
    points = [Point(start + SCRAPE * number, value) for number, value in enumerate(values)]
    return Series(labels(deployment, pod, **more), points)


def steady(deployment: str, each: float, count: int = 41, **more: str) -> Series:
    return counter(deployment, *(each * number for number in range(count)), **more)


def read(stored: Stored, *, seconds: float = 600.0, timed: bool = False, peers: tuple[Peer, ...] = ()) -> Record:
    return asyncio.run(read_prometheus(stored, shipped("linkerd"), WHOSE, T0, T0 + seconds, timed=timed, peers=peers))


def window(record: Record, start: float, end: float, side: int = 0) -> SideReading:
    return record.whole[side].between(T0 + start, T0 + end).reading


def refused(stored: Stored, **options: float) -> str:
    with pytest.raises(HistoryError) as caught:
        read(stored, **options)  # type: ignore[arg-type]
    return str(caught.value)


# What is counted.


def test_growth_between_scrapes_is_what_a_window_has() -> None:
    record = read(Stored(steady("v1", 90), steady("v2", 10), steady("v2", 2, classification="failure")))
    assert window(record, 0, 60) == Sample(40.0, 8.0)
    assert window(record, 0, 60, side=1) == Sample(360.0, 0.0)
    assert record.step == SCRAPE
    assert record.title == (
        "Linkerd (viz) in Prometheus from 2026-01-01T12:00:00Z to 2026-01-01T12:10:00Z, scraped each 15 s"
    )


def test_pods_are_added_each_by_its_own_scrapes() -> None:
    record = read(Stored(steady("v2", 10), steady("v2", 1, start=T0 + 7, pod="2"), steady("v1", 1)))
    assert window(record, 60, 120) == Sample(44.0, 0.0)


def test_a_restart_and_a_series_that_is_born_late_lose_nothing() -> None:
    restarted = counter("v2", *(100 + 10 * n for n in range(5)), 7, 17, *(17 + 10 * n for n in range(1, 20)))
    born = counter("v2", 3, 6, *(6 for _ in range(20)), start=T0 + 4 * SCRAPE, classification="failure")
    record = read(Stored(restarted, born, steady("v1", 1)))
    # Up to the fourth scrape 40; then a restart that had 7, and 10; the failures begin at 0.
    assert window(record, 0, 60) == Sample(40.0, 3.0)
    assert window(record, 60, 90) == Sample(17.0, 3.0)


def test_what_a_pod_had_before_its_first_scrape_is_not_counted() -> None:
    record = read(Stored(counter("v2", *(1000 + n for n in range(40))), steady("v1", 1)))
    assert window(record, 0, 30) == Sample(2.0, 0.0)


def test_two_lost_scrapes_are_a_gap() -> None:
    whole = steady("v2", 10)
    record = read(Stored(Series(whole.labels, [p for n, p in enumerate(whole.points) if n not in (5, 6)])))
    assert window(record, 60, 120) == Missing("gap: no scrape for 45 s, instead of one each 15 s")
    assert window(record, 120, 180) == Sample(40.0, 0.0)


def test_a_counter_that_is_none_is_no_data() -> None:
    record = read(Stored(counter("v2", 0, 10, float("nan"), 30, 40, 50, 60, 70)))
    assert window(record, 15, 60) == Missing("response_total is NaN")


def test_histograms_are_read_where_a_limit_needs_them() -> None:
    name = "response_latency_ms_bucket"
    fast, slow = (steady("v2", n, __name__=name, le=le) for n, le in ((6.0, "100"), (10.0, "+Inf")))
    stored = Stored(steady("v2", 10), steady("v1", 1), fast, slow)
    found = window(read(stored, timed=True), 0, 60)
    assert isinstance(found, Sample)
    assert found.histogram == (Bucket(0.1, 24.0), Bucket(inf, 40.0))
    assert found.latency["p50"] == pytest.approx(0.1 * 20 / 24)
    plain = window(read(stored), 0, 60)
    assert isinstance(plain, Sample)
    assert plain.histogram == ()


def test_a_peer_is_read_by_itself() -> None:
    edge = {"direction": "outbound", "dst_namespace": "shop", "dst_deployment": "v2"}
    stored = Stored(steady("v2", 10), steady("v1", 1), steady("checkout", 3, **edge))
    checkout, nobody = Peer("Deployment", "checkout"), Peer("Deployment", "nobody")
    record = read(stored, peers=(checkout, nobody))
    assert record.edges[checkout].canary.between(T0, T0 + 60).reading == Sample(12.0, 0.0)
    assert record.notes == ("no request of Deployment nobody was recorded",)


def test_a_release_in_prometheus_is_decided() -> None:
    onset = 20
    bad = [5.0 * max(0, n - onset) for n in range(41)]
    stored = Stored(steady("v1", 90), steady("v2", 10), counter("v2", *bad, classification="failure"))
    plan = make_plan(interval=60.0, limits=(Limit("success-rate", 99.0, 90.0),))
    found = replay(plan, read(stored), None)
    assert found.played.outcome is Outcome.ROLLED_BACK
    assert T0 + onset * SCRAPE < found.epoch + found.played.seconds <= T0 + onset * SCRAPE + 60.0


def test_a_window_needs_four_scrapes_as_in_the_cluster() -> None:
    record = read(Stored(steady("v1", 90), steady("v2", 10)))
    with pytest.raises(HistoryError, match="a window needs 4 looks at the counters, which were recorded each 15s"):
        replay(make_plan(interval=59.0), record, None)


# How it is asked.


def test_only_what_ended_in_the_range_is_recorded() -> None:
    record = read(Stored(steady("v2", 10, start=T0 - 600, count=100), steady("v1", 1, start=T0 - 600, count=100)))
    for track in record.whole:
        assert (track.stretches[0].since, track.stretches[-1].until) == (T0, T0 + 600)


@pytest.mark.parametrize("closed", [False, True])
def test_a_long_time_is_asked_for_in_parts_that_lose_nothing(closed: bool) -> None:
    stored = Stored(steady("v2", 10, count=1000), steady("v1", 1, count=1000), closed=closed)
    seconds = 2.5 * CHUNK
    record = read(stored, seconds=seconds)
    # The scrape before the begin is asked for, too.
    assert [time - T0 for _, time in stored.asked] == [CHUNK - 120, 2 * CHUNK - 120, seconds]
    assert [query.partition("[")[2] for query, _ in stored.asked] == ["1800s]", "1800s]", "1020s]"]
    requests = [s.reading.requests for s in record.whole.canary.stretches if isinstance(s.reading, Sample)]
    assert requests == [10.0] * 300


@pytest.mark.parametrize("code", [422, 0])
def test_too_many_samples_for_one_answer_are_asked_for_in_smaller_parts(code: int) -> None:
    error = PrometheusError("too many samples", code=code)
    error.__cause__ = Ambiguous("the answer is longer than allowed") if code == 0 else None
    stored = Stored(steady("v2", 10), steady("v1", 1), fails=[error])
    assert window(read(stored), 15, 75) == Sample(40.0, 0.0)
    assert [query.partition("[")[2] for query, _ in stored.asked] == ["720s]", "360s]", "360s]"]


def test_a_server_that_cannot_even_answer_a_minute_is_not_asked_for_ever() -> None:
    fails = [PrometheusError("query processing would load too many samples", code=422) for _ in range(50)]
    stored = Stored(fails=fails)
    assert refused(stored).startswith("query processing would load too many samples (asked for the samples up to ")
    assert len(stored.asked) < 10


def test_a_server_that_cannot_be_reached_is_asked_once() -> None:
    error = PrometheusError("Prometheus cannot be reached: refused")
    error.__cause__ = Unreachable("refused")
    stored = Stored(fails=[error])
    assert refused(stored) == "Prometheus cannot be reached: refused (asked for the samples up to 12:10:00)"
    assert len(stored.asked) == 1


# What is refused.


def test_nothing_found_says_what_to_check() -> None:
    assert refused(Stored(steady("v1", 1))) == (
        "nothing was found for canary Deployment v2 in namespace shop between 2026-01-01T12:00:00Z and "
        "2026-01-01T12:10:00Z: check --pack (linkerd), the names, and how long Prometheus keeps its samples"
    )


def test_stable_that_is_missing_is_said() -> None:
    assert read(Stored(steady("v2", 1))).notes == ("nothing was recorded of stable: no Deployment v1",)


def test_an_answer_that_may_lack_a_part_is_refused() -> None:
    assert "may not be whole: a store is down" in refused(Stored(steady("v2", 1), warnings=("a store is down",)))
    assert window(read(Stored(steady("v2", 1), warnings=("PromQL info: metric might not be a counter",))), 0, 60)


def test_a_range_of_months_is_refused_before_anything_is_asked() -> None:
    stored = Stored(steady("v2", 1))
    assert refused(stored, seconds=32 * 86400.0) == "32.0 days are too long: read at most 31 days"
    assert stored.asked == []


def test_a_kind_that_the_pack_does_not_know() -> None:
    whose = Whose("shop", "Service", ("v1",), ("v2",))
    with pytest.raises(HistoryError, match=r"Traefik.* does not measure what a Deployment receives; it knows service"):
        asyncio.run(
            read_prometheus(
                Stored(), shipped("traefik"), whose._replace(kind="Deployment"), T0, T0 + 60, timed=False, peers=()
            )
        )
