"""The same event again: once for ever with an id, else a series."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from canary.kube.recorder import Reference, event_name


async def test_the_same_id_is_posted_once_even_by_another_process(event_server, recording, event):
    server = event_server()
    first, second = recording(server), recording(server)
    for it in (first, first, second):
        it.record(event(dedupe_id="split/3"))
        await it.flush()
    assert list(server.events) == [("shop", event_name(event(dedupe_id="split/3")))]
    assert (first.counters.posted, first.counters.repeated, second.counters.existed) == (1, 1, 1)
    assert "series" not in server.only
    assert second.given_up == []


@pytest.mark.parametrize(
    "other",
    [
        {"dedupe_id": "split/4"},
        {"reason": "RolledBack"},
        {"regarding": Reference("canary.delivery/v1beta1", "Canary", "podinfo", "other")},
    ],
)
def test_another_id_reason_or_object_is_another_event(event, other: dict[str, Any]):
    assert event_name(event(dedupe_id="split/3")) != event_name(event(**{"dedupe_id": "split/3", **other}))


async def test_true_repeats_become_a_series(recording, event):
    it = recording()
    for _ in range(3):
        it.record(event())
        await it.flush()
        await asyncio.sleep(60)
    assert it.server.only["series"] == {"count": 3, "lastObservedTime": "2026-01-01T00:02:00.020000Z"}


async def test_repeats_that_wait_together_are_posted_together(recording, event):
    it = recording()
    it.record(*[event()] * 50)
    await it.flush()
    assert it.server.only["series"]["count"] == 50
    assert len(it.server.requests) == 1


async def test_a_repeat_during_its_own_post_is_counted(recording, event):
    it = recording()
    it.record(event())
    await asyncio.sleep(0.005)
    it.record(event())
    await it.flush()
    assert it.server.only["series"]["count"] == 2


async def test_another_note_is_another_event(recording, event):
    it = recording()
    it.record(event(note="weight 10"), event(note="weight 20"))
    await it.flush()
    assert it.server.notes == ["weight 10", "weight 20"]


async def test_a_repeat_after_six_minutes_is_a_new_event(recording, event):
    it = recording()
    it.record(event())
    await asyncio.sleep(361)
    it.record(event())
    await it.flush()
    assert len(it.server.events) == 2


async def test_a_series_whose_object_expired_is_posted_anew(recording, event):
    it = recording()
    it.record(event())
    await it.flush()
    it.server.events.clear()
    it.record(event())
    await it.flush()
    assert it.server.only["series"]["count"] == 2
