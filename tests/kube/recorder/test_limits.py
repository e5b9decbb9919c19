"""What is not posted: beyond the rate of a reason, beyond the queue."""

from __future__ import annotations

import asyncio

from canary.kube.token_bucket import Rate


async def test_each_reason_has_its_own_limit_and_terminal_events_have_none(recording, event):
    it = recording(rate=Rate(burst=3, per_second=0.1))
    it.record(*[event(note=f"weight {n}") for n in range(10)])
    it.record(event(reason="Paused", note="paused"), event(note="done", terminal=True))
    await it.flush()
    assert it.server.notes == ["weight 0", "weight 1", "weight 2", "paused", "done"]
    assert it.counters.limited == 7
    await asyncio.sleep(11)
    it.record(event(note="later"), event(note="too soon"))
    await it.flush()
    assert it.server.notes[-1] == "later"


async def test_a_full_queue_drops_and_counts_and_keeps_terminal_events(recording, event):
    it = recording(capacity=3)
    it.record(*[event(note=f"n{n}") for n in range(5)])
    it.record(event(note="end 1", terminal=True), event(note="end 2", terminal=True))
    it.record(event(note="end 3", terminal=True), event(note="end 4", terminal=True))
    assert it.recorder.depth == 3
    await it.flush()
    assert it.server.notes == ["end 1", "end 2", "end 3"]
    assert it.counters.dropped == 6


async def test_an_event_that_was_dropped_may_be_recorded_again(recording, event):
    it = recording(capacity=1)
    lost, pushed_out = event(note="lost", dedupe_id="1"), event(note="pushed out", dedupe_id="2")
    it.record(pushed_out, lost, event(note="end", terminal=True))
    await it.flush()
    for one in (lost, pushed_out):
        it.record(one)
        await it.flush()
    assert it.server.notes == ["end", "lost", "pushed out"]
