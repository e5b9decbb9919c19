"""Bursts of events against a plain model: what is counted, what is limited, what is dropped, and what is never lost."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.errors import Unreachable
from canary.kube.token_bucket import Rate
from canary.sandbox.virtual_time import run_virtual

CAPACITY = 3
RATE = Rate(burst=2, per_second=0.1)
SERIES = 360.0
"""Seconds within which a repeat continues a series (KEP-383: 6 minutes)."""


@dataclass(eq=False)
class Said:
    """An event: how often it happened, and how often the API server knows of."""

    note: str
    terminal: bool
    unique: bool
    last: float
    count: int = 1
    posted: int = 0


class Model:
    """What the recorder is to do, in the plainest words."""

    def __init__(self) -> None:
        self.known: dict[Any, Said] = {}
        self.waiting: list[tuple[Any, Said]] = []
        self.posted: list[Said] = []
        self.tokens: dict[str, tuple[float, float]] = {}
        self.repeated = self.limited = self.dropped = 0

    def record(self, now: float, reason: str, note: str, number: str, terminal: bool) -> None:
        key = (reason, number or note, bool(number))
        said = self.known.get(key)
        if said is not None and (said.unique or now - said.last <= SERIES):
            self.repeated += 1
            if said.unique:
                return
            said.count, said.last = said.count + 1, now
            if any(other is said for _, other in self.waiting):
                return
        else:
            said = None
        if terminal or self.token(now, reason):
            self.queue(key, said or Said(note, terminal, bool(number), now))
        else:
            self.limited += 1

    def token(self, now: float, reason: str) -> bool:
        left, since = self.tokens.get(reason, (RATE.burst, now))
        left = min(RATE.burst, left + (now - since) * RATE.per_second)
        self.tokens[reason] = (left - (left >= 1), now)
        return left >= 1

    def queue(self, key: Any, said: Said) -> None:
        if len(self.waiting) == CAPACITY:
            self.dropped += 1
            victims = [entry for entry in self.waiting if not entry[1].terminal]
            if not said.terminal or not victims:
                return
            self.waiting.remove(victims[0])
            del self.known[victims[0][0]]
        self.known[key] = said
        self.waiting.append((key, said))

    def flush(self) -> None:
        for _, said in self.waiting:
            if not said.posted:
                self.posted.append(said)
            said.posted = said.count
        self.waiting.clear()


def records() -> st.SearchStrategy[tuple[Any, ...]]:
    """Made anew each time: a choice that is given twice counts once."""
    return st.tuples(
        st.just("record"),
        st.sampled_from(["Advanced", "Held"]),
        st.sampled_from("abcdef"),
        st.sampled_from(["", "", "1", "2"]),
        st.sampled_from([False, False, True]),
    )


OPS = st.one_of(
    *[records() for _ in range(6)],
    st.tuples(st.just("pause"), st.sampled_from([0.1, 9.9, 10.1, 359.0, 361.0])),
    st.tuples(st.just("flush")),
)


@settings(max_examples=80, deadline=None)
@given(script=st.lists(OPS, min_size=20, max_size=60))
def test_a_burst_is_counted_limited_and_dropped_as_the_model_says(
    recording: Any, event: Any, script: list[tuple[Any, ...]]
) -> None:
    async def play() -> None:
        it, model = recording(capacity=CAPACITY, rate=RATE), Model()
        it.task.cancel()
        it.server.latency = 0

        async def flush() -> None:
            it.task = asyncio.ensure_future(it.recorder.run())
            await it.flush()
            it.task.cancel()
            await asyncio.sleep(0)
            model.flush()

        for name, *details in script:
            match name:
                case "record":
                    reason, note, number, terminal = details
                    it.record(event(reason=reason, note=note, dedupe_id=number, terminal=terminal))
                    model.record(asyncio.get_running_loop().time(), reason, note, number, terminal)
                case "pause":
                    await asyncio.sleep(details[0])
                case _:
                    await flush()
            assert it.recorder.depth == len(model.waiting) <= CAPACITY
        await flush()
        found = [(e["note"], e.get("series", {"count": 1})["count"]) for e in it.server.events.values()]
        existing = it.counters.existed
        assert len(found) == len(model.posted) - existing
        if not existing:
            assert found == [(said.note, said.posted) for said in model.posted]
        counters = it.counters
        assert (counters.repeated, counters.limited, counters.dropped) == (
            model.repeated,
            model.limited,
            model.dropped,
        )

    run_virtual(play())


FLOODS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.integers(0, 30), st.sampled_from([0.0, 0.5, 20.0]), st.booleans()),
    max_size=80,
)


@settings(max_examples=60, deadline=None)
@given(flood=FLOODS)
def test_the_first_of_a_reason_gets_through_any_flood_and_nothing_piles_up(
    recording: Any, event: Any, flood: list[tuple[str, int, float, bool]]
) -> None:
    async def play() -> None:
        it = recording(rate=Rate(burst=5, per_second=0.1), attempts=100)
        up = True

        def before() -> None:
            if not up:
                raise Unreachable("refused")

        it.server.before = before
        tasks = len(asyncio.all_tasks())
        firsts: dict[str, str] = {}
        for reason, note, pause, up in flood:  # noqa: B007 -- `before` reads it
            began = asyncio.get_running_loop().time()
            it.record(*[event(reason=reason, note=f"{reason}{note}")] * 20)
            assert asyncio.get_running_loop().time() == began
            firsts.setdefault(reason, f"{reason}{note}")
            await asyncio.sleep(pause)
            assert len(asyncio.all_tasks()) == tasks
        up = True
        began = asyncio.get_running_loop().time()
        await it.flush()
        assert asyncio.get_running_loop().time() - began <= 31 + 0.01 * len(flood)
        assert set(firsts.values()) <= set(it.server.notes)
        for reason in firsts:
            posts = sum(e["reason"] == reason for e in it.server.events.values())
            assert posts <= 5 + 0.1 * asyncio.get_running_loop().time()
        assert (it.counters.failed, it.counters.dropped, it.recorder.depth) == (0, 0, 0)

    run_virtual(play())


async def test_what_is_remembered_is_bounded_and_what_was_heard_of_last_is_remembered_longest(recording, event):
    it = recording(rate=Rate(burst=1e6, per_second=1.0), capacity=10_000)
    it.server.latency = 0
    it.record(event(note="again"))
    await it.flush()
    await asyncio.sleep(SERIES + 1)
    it.record(*[event(note=str(number)) for number in range(4095)])
    it.record(event(note="again"), event(note="one more"), event(note="again"))
    assert len(it.recorder._known) == 4096
    await it.flush()
    assert it.server.notes.count("again") == 2
