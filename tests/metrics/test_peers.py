"""What single callers see is asked for besides, and the windows of different sources are apart."""

from __future__ import annotations

import asyncio

import pytest

from canary.core.window import Missing, Peer, Sample, Sides
from canary.metrics.groups import BEFORE_SUBSCRIPTION
from canary.metrics.source import Answer, SourceError
from canary.sandbox.virtual_time import run_virtual
from tests.metrics.fake_source import GOOD, FakeSource, answer, target

CHECKOUT, SEARCH = Peer("Deployment", "checkout"), Peer("Deployment", "search")


def test_each_peer_that_somebody_judges_is_one_more_call_for_all(bench):
    async def main():
        source = FakeSource(answer(web_v2=GOOD))
        async with bench(source) as running:
            for number in range(50):
                peers = (CHECKOUT,) if number % 2 else (CHECKOUT, SEARCH)
                running.groups.subscribe(number, target(peers=peers))
            await asyncio.sleep(39)
            assert sorted(str(asked.peer) for asked in source.asked) == sorted(map(str, (None, CHECKOUT, SEARCH)))

    run_virtual(main())


def test_a_window_holds_what_each_peer_has_seen(bench):
    bad = Sample(1.0, 9.0)

    async def main():
        source = FakeSource(lambda asked: answer(web_v1=GOOD, web_v2=bad if asked.peer else GOOD))
        async with bench(source) as running:
            running.groups.subscribe("a", target(peers=(CHECKOUT,)))
            await asyncio.sleep(39)
            [window] = running.readings["a"]
            assert (window.canary, window.stable) == (GOOD, GOOD)
            assert window.seen_by(CHECKOUT) == Sides(bad, GOOD)
            assert isinstance(window.seen_by(SEARCH).canary, Missing)

    run_virtual(main())


def test_who_needs_an_edge_that_failed_has_a_failing_source_and_nobody_else_has(bench):
    def fails(asked):
        if asked.peer:
            raise SourceError("no edges today")
        return answer(web_v2=GOOD)

    async def main():
        async with bench(FakeSource(fails)) as running:
            running.groups.subscribe("edge", target(peers=(CHECKOUT,)))
            running.groups.subscribe("plain", target())
            await asyncio.sleep(39)
            assert [reading.reason for reading in running.readings["edge"]] == ["no edges today"]
            assert [reading.canary for reading in running.readings["plain"]] == [GOOD]

    run_virtual(main())


def test_a_window_begins_where_the_source_has_counted_from(bench):
    async def main():
        source = FakeSource(Answer(answer(web_v2=GOOD), reach=12.0))
        async with bench(source) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(75)
            early, window = running.readings["a"]
            assert early.canary == BEFORE_SUBSCRIPTION
            assert window.end - window.start == pytest.approx(42.0)

    run_virtual(main())


def test_a_source_is_asked_for_what_its_own_subscribers_want(bench):
    async def main():
        smi, prometheus = FakeSource(), FakeSource()
        async with bench({"SMI": smi, "Prometheus": prometheus}) as running:
            running.groups.subscribe("a", target(canary=("web-v2",)))
            running.groups.subscribe("b", target(canary=("web-v3",), source="Prometheus"))
            await asyncio.sleep(39)
            assert [asked.names for asked in smi.asked] == [frozenset({"web-v1", "web-v2"})]
            assert [asked.names for asked in prometheus.asked] == [frozenset({"web-v1", "web-v3"})]

    run_virtual(main())
