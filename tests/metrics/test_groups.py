"""Windows in virtual time: none overlaps, none is lost, and a thousand canaries cost one call."""

from __future__ import annotations

import asyncio
import math
import random
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.core.window import Missing, Sample, SourceFailure, Window
from canary.metrics.groups import BEFORE_SUBSCRIPTION
from canary.metrics.source import SourceError
from canary.sandbox.virtual_time import run_virtual
from tests.metrics.fake_source import GOOD, Bench, FakeSource, answer, groups_of, target


def test_a_thousand_canaries_of_a_namespace_share_one_call_per_window(bench):
    async def main():
        source = FakeSource(answer(web_v2=GOOD), latency=lambda: 0.3)
        async with bench(source) as running:
            for number in range(1000):
                running.groups.subscribe(number, target(canary=("web-v2", f"web-{number}")))
            await asyncio.sleep(600)
            calls = len(source.calls)
            assert 17 <= calls <= 19
            assert {len(readings) for readings in running.readings.values()} == {calls}
            assert len(running.readings) == 1000

    run_virtual(main())


def test_groups_differ_by_namespace_kind_and_interval(bench):
    async def main():
        source = FakeSource()
        async with bench(source) as running:
            for number, overrides in enumerate(
                [{}, {"namespace": "test"}, {"kind": "Pod"}, {"interval": 29.5}, {"interval": 60.0}]
            ):
                running.groups.subscribe(number, target(**overrides))
            await asyncio.sleep(39)
            assert sorted(call[:3] for call in source.calls) == [
                ("shop", "Deployment", 30),
                ("shop", "Pod", 30),
                ("test", "Deployment", 30),
            ]

    run_virtual(main())


def test_the_first_window_lies_inside_the_subscription(bench):
    async def main():
        async with bench(FakeSource()) as running:
            await asyncio.sleep(7)
            running.groups.subscribe("a", target())
            await asyncio.sleep(40)
            [window] = running.readings["a"]
            assert 7.0 <= window.start <= 12.0
            assert window.end - window.start == pytest.approx(30.0)

    run_virtual(main())


def test_the_first_calls_of_many_groups_are_spread(bench):
    async def main():
        source = FakeSource()
        async with bench(source) as running:
            for number in range(50):
                running.groups.subscribe(number, target(namespace=f"n{number}"))
            await asyncio.sleep(36)
            sent = [call[4] for call in source.calls]
            assert len(set(sent)) == 50
            assert max(sent) - min(sent) > 2.0

    run_virtual(main())


@settings(max_examples=40, deadline=None)
@given(
    interval=st.floats(1.0, 3600.0),
    seed=st.integers(0, 2**32),
    slowest=st.floats(0.0, 10.0),
    failing=st.floats(0.0, 0.5),
)
def test_windows_never_overlap_and_cover_what_the_source_counted(interval, seed, slowest, failing):
    rng = random.Random(seed)

    class Flaky(FakeSource):
        async def read(self, *args, **kwargs):
            result = await super().read(*args, **kwargs)
            if rng.random() < failing:
                raise SourceError("down")
            return result

    async def main():
        source = Flaky(latency=lambda: rng.uniform(0.0, min(slowest, interval)))
        async with Bench(source, datetime(2026, 1, 1, tzinfo=UTC), seed) as running:
            running.groups.subscribe("a", target(interval=interval))
            await asyncio.sleep(math.ceil(interval) * 30)
            readings = running.readings["a"]
            assert len(readings) == len(source.calls) >= 14
            windows = [reading for reading in readings if isinstance(reading, Window)]
            assert all(earlier.end <= later.start for earlier, later in pairwise(windows))
            answered = {call[5]: call for call in source.calls}
            for window in windows:
                _, _, seconds, _, sent, _ = answered[window.end]
                assert window.start == pytest.approx(sent - seconds)

    run_virtual(main())


def test_no_time_between_windows_is_lost_while_the_source_answers_at_once(bench):
    async def main():
        async with bench(FakeSource()) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(3600)
            gaps = [later.start - earlier.end for earlier, later in pairwise(running.readings["a"])]
            assert all(0.0 <= gap < 1e-6 for gap in gaps)
            assert len(running.readings["a"]) >= 118

    run_virtual(main())


def test_the_wall_clock_of_a_window_is_that_of_its_end(bench, epoch):
    async def main():
        async with bench(FakeSource()) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(40)
            [window] = running.readings["a"]
            assert window.wall_end == pytest.approx(epoch.timestamp() + window.end)

    run_virtual(main())


@pytest.mark.parametrize(("interval", "timeout"), [(1.0, 1.0), (10.0, 10.0), (60.0, 10.0)])
def test_a_call_may_take_an_interval_and_ten_seconds_at_most(bench, interval, timeout):
    async def main():
        source = FakeSource()
        async with bench(source) as running:
            running.groups.subscribe("a", target(interval=interval))
            await asyncio.sleep(interval * 1.5)
            assert source.calls[0][3] == timeout

    run_virtual(main())


def test_both_sides_are_read_and_several_names_are_one_side(bench):
    async def main():
        source = FakeSource(answer(web_v1=GOOD, web_v2=Sample(1.0, 0.0), web_v2b=Sample(2.0, 3.0)))
        async with bench(source) as running:
            running.groups.subscribe("a", target(canary=("web-v2", "web-v2b")))
            await asyncio.sleep(40)
            [window] = running.readings["a"]
            assert (window.stable, window.canary) == (GOOD, Sample(3.0, 3.0))

    run_virtual(main())


def test_an_answer_that_knows_neither_side_is_still_a_window(bench):
    async def main():
        async with bench(FakeSource()) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(40)
            [window] = running.readings["a"]
            assert window.canary == Missing("no series for Deployment web-v2")
            assert window.stable == Missing("no series for Deployment web-v1")

    run_virtual(main())


def test_who_joins_in_the_middle_of_a_window_gets_no_numbers_of_it(bench):
    async def main():
        async with bench(FakeSource(answer(web_v2=GOOD, web_v1=GOOD))) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(20)
            running.groups.subscribe("b", target())
            await asyncio.sleep(50)
            first, second = running.readings["b"]
            assert (first.canary, first.stable) == (BEFORE_SUBSCRIPTION, BEFORE_SUBSCRIPTION)
            assert (second.canary, second.stable) == (GOOD, GOOD)
            assert running.readings["a"][0].canary == GOOD

    run_virtual(main())


def test_a_failure_reaches_every_subscriber_and_the_next_call_comes_within_an_interval(bench):
    async def main():
        source = FakeSource(SourceError("the metrics API answered 503"))
        async with bench(source) as running:
            running.groups.subscribe("a", target())
            running.groups.subscribe("b", target())
            await asyncio.sleep(600)
            failures = running.readings["a"]
            assert running.readings["b"] == failures
            assert {failure.reason for failure in failures} == {"the metrics API answered 503"}
            waits = {later.at - earlier.at for earlier, later in pairwise(failures)}
            assert all(15.0 <= wait <= 30.0 for wait in waits)
            assert len(waits) > 1

    run_virtual(main())


def test_a_failure_says_when(bench, epoch):
    async def main():
        source = FakeSource(SourceError("down"), latency=lambda: 2.0)
        async with bench(source) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(40)
            [failure] = running.readings["a"]
            assert failure == SourceFailure(source.calls[0][5], epoch.timestamp() + source.calls[0][5], "down")

    run_virtual(main())


def test_a_source_that_recovers_is_heard_again(bench):
    async def main():
        source = FakeSource(SourceError("down"))
        async with bench(source) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(40)
            source.answer = answer(web_v2=GOOD)
            await asyncio.sleep(60)
            assert running.readings["a"][-1].canary == GOOD

    run_virtual(main())


def test_a_defect_in_a_source_is_a_failure_and_not_silence(bench):
    async def main():
        async with bench(FakeSource(ZeroDivisionError("oops"))) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(100)
            assert len(running.readings["a"]) >= 3
            assert "ZeroDivisionError('oops')" in running.readings["a"][0].reason

    run_virtual(main())


def test_the_last_unsubscriber_ends_the_calls_at_once(bench):
    async def main():
        source = FakeSource(latency=lambda: 9.0)
        async with bench(source) as running:
            for key in "ab":
                running.groups.subscribe(key, target())
            await asyncio.sleep(36)
            running.groups.unsubscribe("a")
            assert source.cancelled == 0
            running.groups.unsubscribe("b")
            await asyncio.sleep(0)
            assert source.cancelled == 1
            await asyncio.sleep(600)
            assert source.calls == []

    run_virtual(main())


def test_unsubscribing_somebody_unknown_does_nothing(bench):
    async def main():
        async with bench(FakeSource()) as running:
            running.groups.unsubscribe("nobody")
            assert running.groups.take("nobody") == ()

    run_virtual(main())


def test_a_subscriber_may_unsubscribe_everyone_from_within_its_callback(epoch):
    async def main():
        called = []

        def stop(key):
            called.append(key)
            for other in "ab":
                groups.unsubscribe(other)

        source = FakeSource()
        groups = groups_of(source, epoch, stop)
        task = asyncio.create_task(groups.run())
        for key in "ab":
            groups.subscribe(key, target())
        await asyncio.sleep(600)
        assert (called, len(source.calls)) == (["a"], 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())


def test_the_same_target_changes_nothing(bench):
    async def main():
        async with bench(FakeSource()) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(20)
            running.groups.subscribe("a", target())
            await asyncio.sleep(20)
            assert len(running.readings["a"]) == 1

    run_virtual(main())


def test_a_changed_target_starts_anew(bench):
    async def main():
        source = FakeSource(answer(web_v2=GOOD))
        async with bench(source) as running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(20)
            running.groups.subscribe("a", target(interval=10.0))
            await asyncio.sleep(13)
            [window] = running.readings["a"]
            assert window.start >= 20.0
            assert {call[2] for call in source.calls} == {10}

    run_virtual(main())


def test_readings_that_nobody_takes_are_bounded_and_the_latest_stay(epoch):
    async def main():
        groups = groups_of(FakeSource(), epoch, lambda key: None)
        task = asyncio.create_task(groups.run())
        groups.subscribe("a", target(interval=1.0))
        await asyncio.sleep(100)
        readings = groups.take("a")
        assert len(readings) == 16
        assert readings[-1].end > 98.0
        assert groups.take("a") == ()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())


def test_who_subscribed_before_the_start_is_served(epoch):
    async def main():
        groups = groups_of(FakeSource(), epoch, lambda key: None)
        groups.subscribe("a", target())
        await asyncio.sleep(100)
        assert groups.take("a") == ()
        task = asyncio.create_task(groups.run())
        await asyncio.sleep(40)
        assert len(groups.take("a")) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_virtual(main())


def test_after_a_stop_the_same_subscriptions_can_be_served_again(epoch):
    async def main():
        source = FakeSource()
        running = Bench(source, epoch)
        async with running:
            running.groups.subscribe("a", target())
            await asyncio.sleep(40)
        await asyncio.sleep(600)
        assert len(source.calls) == 1
        async with running:
            await asyncio.sleep(40)
        assert len(source.calls) == 2

    run_virtual(main())


def test_an_error_in_the_callback_is_not_swallowed(epoch):
    async def main():
        def broken(key):
            raise LookupError(key)

        groups = groups_of(FakeSource(), epoch, broken)
        groups.subscribe("a", target())
        with pytest.raises(ExceptionGroup) as caught:
            await groups.run()
        assert isinstance(caught.value.exceptions[0], LookupError)

    run_virtual(main())
