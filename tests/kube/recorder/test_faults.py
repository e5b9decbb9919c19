"""What a server that fails or refuses does to events."""

from __future__ import annotations

import asyncio
import json

import pytest

from canary.kube.backoff import Backoff
from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.transport import Response


async def test_an_event_that_was_given_up_may_be_recorded_again(recording, event, refusal):
    it = recording(attempts=1)
    it.server.before = lambda: refusal(503, "")
    it.record(event(dedupe_id="1"))
    await it.flush()
    it.server.before = lambda: None
    it.record(event(dedupe_id="1"))
    await it.flush()
    assert len(it.server.events) == 1


async def test_a_post_that_hangs_is_ended_and_tried_again(recording, event):
    it = recording()
    it.server.latency = 1e6
    it.record(event())
    await asyncio.sleep(5)
    it.server.latency = 0.01
    assert await it.recorder.flush(10)
    assert len(it.server.events) == 1


async def test_faults_are_retried_in_order(recording, event, refusal):
    it = recording(backoff=Backoff(base=1, cap=30, jitter=0))
    answers = iter([None, refusal(500, ""), Response(429, b"{}", {"retry-after": "7"}), None])

    def before() -> Response | None:
        answer = next(answers, None)
        if answer is None and len(it.server.requests) == 1:
            raise Unreachable("refused")
        return answer

    it.server.before = before
    it.record(event(note="a"), event(note="b"))
    await it.flush()
    assert it.server.notes == ["a", "b"]
    assert [round(time) for time, _ in it.server.requests] == [0, 1, 3, 10, 10]


async def test_a_post_that_seemed_to_fail_is_not_doubled(recording, event):
    def after() -> None:
        it.server.after = lambda: None
        raise Ambiguous("cut off")

    it = recording()
    it.server.after = after
    it.record(event())
    await it.flush()
    assert len(it.server.events) == 1
    assert (it.counters.existed, it.counters.failed) == (1, 0)


async def test_retries_end(recording, event):
    def before() -> None:
        raise Unreachable("refused")

    it = recording(attempts=4)
    it.server.before = before
    it.record(event())
    await it.flush()
    assert len(it.server.requests) == 4
    assert it.counters.failed == 1
    assert [type(error) for _, error in it.given_up] == [Unreachable]
    it.server.before = lambda: None
    it.record(event())
    await it.flush()
    assert len(it.server.events) == 1


async def test_missing_rights_are_tried_a_few_times_and_then_once_for_each_event(recording, event, refusal):
    it = recording()
    it.server.before = lambda: refusal(403, "No")
    it.record(event(note="a"), event(note="b"))
    await it.flush()
    assert len(it.server.requests) == 4
    assert it.counters.forbidden == 2
    it.server.before = lambda: None
    it.record(event(note="c"))
    await it.flush()
    assert it.server.notes == ["c"]


async def test_in_a_namespace_that_is_being_deleted_nothing_is_tried_again(recording, event):
    it = recording()
    body = {"reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}
    it.server.before = lambda: Response(403, json.dumps(body).encode())
    it.record(event(note="a"))
    await it.flush()
    assert len(it.server.requests) == 1


async def test_an_event_outlasts_a_server_that_does_not_know_the_roles_yet(recording, event, refusal):
    it = recording()
    refusals = iter([refusal(403, "No"), refusal(403, "No")])
    it.server.before = lambda: next(refusals, None)
    it.record(event(note="a"))
    await it.flush()
    assert it.server.notes == ["a"]
    assert it.counters.forbidden == 0


async def test_an_event_outlasts_a_server_that_was_away_and_does_not_know_the_roles_yet(recording, event, refusal):
    it = recording()
    away = 3

    def before() -> Response | None:
        if len(it.server.requests) <= away:
            raise Unreachable("refused")
        return refusal(403, "No") if len(it.server.requests) <= away + 2 else None

    it.server.before = before
    it.record(event(note="a"))
    await it.flush()
    assert it.server.notes == ["a"]


@pytest.mark.parametrize(("code", "counter"), [(404, "failed"), (422, "failed")])
async def test_a_refusal_is_counted_and_not_tried_again(recording, event, refusal, code: int, counter: str):
    it = recording()
    it.server.before = lambda: refusal(code, "No")
    it.record(event(note="a"), event(note="b"))
    await it.flush()
    assert len(it.server.requests) == 2
    assert getattr(it.counters, counter) == 2
    assert not it.task.done()


async def test_what_cannot_be_encoded_does_not_end_the_recorder(recording, event):
    it = recording()
    it.record(event(action="bad \udc80"), event(note="good"))
    await it.flush()
    assert it.server.notes == ["good"]
    assert it.counters.failed == 1


async def test_flush_gives_up_in_time(recording, event):
    it = recording()
    it.task.cancel()
    it.record(event())
    start = asyncio.get_running_loop().time()
    assert not await it.recorder.flush(2)
    assert asyncio.get_running_loop().time() - start == pytest.approx(2)


async def test_a_cancelled_run_keeps_what_it_was_posting(recording, event):
    it = recording()
    it.record(event(note="a"), event(note="b"))
    await asyncio.sleep(0.005)
    it.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await it.task
    assert it.recorder.depth == 2
    it.task = asyncio.ensure_future(it.recorder.run())
    await it.flush()
    assert it.server.notes == ["a", "b"]
