"""The event recorder against a small API server for events."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.backoff import Backoff
from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.recorder import Event, EventRecorder, Rate, Reference, cut, event_name
from canary.kube.transport import MAX_BODY, Response
from canary.sandbox.virtual_time import run_virtual

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PODINFO = Reference("canary.delivery/v1beta1", "Canary", "podinfo", "shop", "uid-1", "7")


def event(**overrides: Any) -> Event:
    return Event(
        **{"regarding": PODINFO, "reason": "WeightAdvanced", "action": "Advance", "note": "weight 10", **overrides}
    )


def status(code: int, reason: str) -> Response:
    return Response(code, json.dumps({"kind": "Status", "reason": reason}).encode())


class EventServer:
    """A transport: keeps events as the API does. `fault` may raise or answer before or after the request."""

    def __init__(self) -> None:
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.requests: list[tuple[float, str]] = []
        self.latency = 0.01
        self.before: Callable[[], Response | None] = lambda: None
        self.after: Callable[[], None] = lambda: None

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = 10.0,
        max_body: int = MAX_BODY,
    ) -> Response:
        self.requests.append((asyncio.get_running_loop().time(), method))
        await asyncio.sleep(self.latency)
        refusal = self.before()
        if refusal is not None:
            return refusal
        response = self.execute(method, path, json.loads(body or b"{}"), content_type)
        self.after()
        return response

    def execute(self, method: str, path: str, sent: dict[str, Any], content_type: str) -> Response:
        namespace, _, name = path.removeprefix("/apis/events.k8s.io/v1/namespaces/").partition("/events")
        name = name.removeprefix("/")
        if method == "POST":
            assert sent["metadata"]["namespace"] == namespace
            key = (namespace, sent["metadata"]["name"])
            if key in self.events:
                return status(409, "AlreadyExists")
            self.events[key] = sent
            return Response(201, json.dumps(sent).encode())
        assert method == "PATCH"
        assert content_type == "application/merge-patch+json"
        if (namespace, name) not in self.events:
            return status(404, "NotFound")
        assert set(sent) == {"series"}
        assert sent["series"]["count"] >= 2
        self.events[namespace, name] |= sent
        return Response(200, json.dumps(self.events[namespace, name]).encode())

    def stream(self, path: str, **_: Any) -> Any:
        raise AssertionError("a recorder does not watch")

    async def close(self) -> None: ...

    @property
    def notes(self) -> list[str]:
        return [event["note"] for event in self.events.values()]

    @property
    def only(self) -> dict[str, Any]:
        (found,) = self.events.values()
        return found


class Recording:
    """A recorder that runs."""

    def __init__(self, server: EventServer | None = None, **overrides: Any) -> None:
        self.server = server or EventServer()
        self.given_up: list[tuple[str, Exception]] = []
        clock, rng = LoopClock(EPOCH), random.Random(1)
        self.recorder = EventRecorder(
            Client(self.server, clock=clock, rng=rng),
            **{
                "controller": "canary.delivery/controller",
                "instance": "canary-0",
                "clock": clock,
                "rng": rng,
                "on_error": lambda name, error: self.given_up.append((name, error)),
                **overrides,
            },
        )
        self.task = asyncio.ensure_future(self.recorder.run())
        self.counters = self.recorder.counters

    def record(self, *events: Event) -> None:
        for one in events:
            self.recorder.record(one)

    async def flush(self) -> None:
        assert await self.recorder.flush(3600)


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        run_virtual(test())

    run.__name__ = test.__name__
    return run


@virtual
async def test_an_event_is_complete():
    it = Recording()
    split = Reference("split.smi-spec.io/v1alpha2", "TrafficSplit", "podinfo", "shop", "uid-2")
    it.record(event(type="Warning", related=split, annotations={"canary.delivery/weight": "10"}))
    await it.flush()
    found = it.server.only
    name = found["metadata"].pop("name")
    assert name.startswith("podinfo.")
    assert found == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "shop", "annotations": {"canary.delivery/weight": "10"}},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "canary.delivery/controller",
        "reportingInstance": "canary-0",
        "type": "Warning",
        "reason": "WeightAdvanced",
        "action": "Advance",
        "note": "weight 10",
        "regarding": {
            "apiVersion": "canary.delivery/v1beta1",
            "kind": "Canary",
            "name": "podinfo",
            "namespace": "shop",
            "uid": "uid-1",
            "resourceVersion": "7",
        },
        "related": {
            "apiVersion": "split.smi-spec.io/v1alpha2",
            "kind": "TrafficSplit",
            "name": "podinfo",
            "namespace": "shop",
            "uid": "uid-2",
        },
    }


@virtual
async def test_events_about_objects_without_a_namespace_go_to_default():
    it = Recording()
    it.record(event(regarding=Reference("v1", "Node", "n1")))
    await it.flush()
    assert next(iter(it.server.events))[0] == "default"


@given(st.text(max_size=2000))
def test_a_note_is_cut_to_its_bytes_between_characters(note: str):
    short = cut(note)
    data = short.encode()
    assert len(data) <= 1024
    if len(note.encode()) <= 1024:
        assert short == note
    else:
        assert note.startswith(short.removesuffix("…"))
        assert len(data) > 1024 - 3 - 4


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_note_is_never_cut_inside_a_character(offset: int, character: str):
    short = cut("x" * offset + character * 1024)
    assert set(short) <= {"x", character, "…"}
    assert 1024 - 4 < len(short.encode()) <= 1024


def test_a_note_that_is_no_unicode_is_still_a_note():
    assert cut("bad \udc80") == "bad ?"


@virtual
async def test_words_and_names_that_are_too_long_are_cut():
    it = Recording(instance="i" * 200)
    it.record(event(regarding=Reference("v1", "Pod", "p" * 253, "shop"), reason="R" * 200, action=""))
    await it.flush()
    found = it.server.only
    assert len(found["metadata"]["name"]) == 253
    assert [len(found[field]) for field in ("reason", "action", "reportingInstance")] == [128, 128, 128]


@virtual
async def test_the_same_id_is_posted_once_even_by_another_process():
    server = EventServer()
    first, second = Recording(server), Recording(server)
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
def test_another_id_reason_or_object_is_another_event(other: dict[str, Any]):
    assert event_name(event(dedupe_id="split/3")) != event_name(event(**{"dedupe_id": "split/3", **other}))


@virtual
async def test_true_repeats_become_a_series():
    it = Recording()
    for _ in range(3):
        it.record(event())
        await it.flush()
        await asyncio.sleep(60)
    assert it.server.only["series"] == {"count": 3, "lastObservedTime": "2026-01-01T00:02:00.020000Z"}


@virtual
async def test_repeats_that_wait_together_are_posted_together():
    it = Recording()
    it.record(*[event()] * 50)
    await it.flush()
    assert it.server.only["series"]["count"] == 50
    assert len(it.server.requests) == 1


@virtual
async def test_a_repeat_during_its_own_post_is_counted():
    it = Recording()
    it.record(event())
    await asyncio.sleep(0.005)
    it.record(event())
    await it.flush()
    assert it.server.only["series"]["count"] == 2


@virtual
async def test_another_note_is_another_event():
    it = Recording()
    it.record(event(note="weight 10"), event(note="weight 20"))
    await it.flush()
    assert it.server.notes == ["weight 10", "weight 20"]


@virtual
async def test_a_repeat_after_six_minutes_is_a_new_event():
    it = Recording()
    it.record(event())
    await asyncio.sleep(361)
    it.record(event())
    await it.flush()
    assert len(it.server.events) == 2


@virtual
async def test_a_series_whose_object_expired_is_posted_anew():
    it = Recording()
    it.record(event())
    await it.flush()
    it.server.events.clear()
    it.record(event())
    await it.flush()
    assert it.server.only["series"]["count"] == 2


@virtual
async def test_each_reason_has_its_own_limit_and_terminal_events_have_none():
    it = Recording(rate=Rate(burst=3, per_second=0.1))
    it.record(*[event(note=f"weight {n}") for n in range(10)])
    it.record(event(reason="Paused", note="paused"), event(note="done", terminal=True))
    await it.flush()
    assert it.server.notes == ["weight 0", "weight 1", "weight 2", "paused", "done"]
    assert it.counters.limited == 7
    await asyncio.sleep(11)
    it.record(event(note="later"), event(note="too soon"))
    await it.flush()
    assert it.server.notes[-1] == "later"


@virtual
async def test_a_full_queue_drops_and_counts_and_keeps_terminal_events():
    it = Recording(capacity=3)
    it.record(*[event(note=f"n{n}") for n in range(5)])
    it.record(event(note="end 1", terminal=True), event(note="end 2", terminal=True))
    it.record(event(note="end 3", terminal=True), event(note="end 4", terminal=True))
    assert it.recorder.depth == 3
    await it.flush()
    assert it.server.notes == ["end 1", "end 2", "end 3"]
    assert it.counters.dropped == 6


@virtual
async def test_an_event_that_was_dropped_may_be_recorded_again():
    it = Recording(capacity=1)
    lost, pushed_out = event(note="lost", dedupe_id="1"), event(note="pushed out", dedupe_id="2")
    it.record(pushed_out, lost, event(note="end", terminal=True))
    await it.flush()
    for one in (lost, pushed_out):
        it.record(one)
        await it.flush()
    assert it.server.notes == ["end", "lost", "pushed out"]


@virtual
async def test_an_event_that_was_given_up_may_be_recorded_again():
    it = Recording(attempts=1)
    it.server.before = lambda: status(503, "")
    it.record(event(dedupe_id="1"))
    await it.flush()
    it.server.before = lambda: None
    it.record(event(dedupe_id="1"))
    await it.flush()
    assert len(it.server.events) == 1


@virtual
async def test_a_post_that_hangs_is_ended_and_tried_again():
    it = Recording()
    it.server.latency = 1e6
    it.record(event())
    await asyncio.sleep(5)
    it.server.latency = 0.01
    assert await it.recorder.flush(10)
    assert len(it.server.events) == 1


@virtual
async def test_faults_are_retried_in_order():
    it = Recording(backoff=Backoff(base=1, cap=30, jitter=0))
    answers = iter([None, status(500, ""), Response(429, b"{}", {"retry-after": "7"}), None])

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


@virtual
async def test_a_post_that_seemed_to_fail_is_not_doubled():
    def after() -> None:
        it.server.after = lambda: None
        raise Ambiguous("cut off")

    it = Recording()
    it.server.after = after
    it.record(event())
    await it.flush()
    assert len(it.server.events) == 1
    assert (it.counters.existed, it.counters.failed) == (1, 0)


@virtual
async def test_retries_end():
    def before() -> None:
        raise Unreachable("refused")

    it = Recording(attempts=4)
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


@virtual
async def test_missing_rights_are_tried_a_few_times_and_then_once_for_each_event():
    it = Recording()
    it.server.before = lambda: status(403, "No")
    it.record(event(note="a"), event(note="b"))
    await it.flush()
    assert len(it.server.requests) == 4
    assert it.counters.forbidden == 2
    it.server.before = lambda: None
    it.record(event(note="c"))
    await it.flush()
    assert it.server.notes == ["c"]


@virtual
async def test_in_a_namespace_that_is_being_deleted_nothing_is_tried_again():
    it = Recording()
    body = {"reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating"}]}}
    it.server.before = lambda: Response(403, json.dumps(body).encode())
    it.record(event(note="a"))
    await it.flush()
    assert len(it.server.requests) == 1


@virtual
async def test_an_event_outlasts_a_server_that_does_not_know_the_roles_yet():
    it = Recording()
    refusals = iter([status(403, "No"), status(403, "No")])
    it.server.before = lambda: next(refusals, None)
    it.record(event(note="a"))
    await it.flush()
    assert it.server.notes == ["a"]
    assert it.counters.forbidden == 0


@virtual
async def test_an_event_outlasts_a_server_that_was_away_and_does_not_know_the_roles_yet():
    it = Recording()
    away = 3

    def before() -> Response | None:
        if len(it.server.requests) <= away:
            raise Unreachable("refused")
        return status(403, "No") if len(it.server.requests) <= away + 2 else None

    it.server.before = before
    it.record(event(note="a"))
    await it.flush()
    assert it.server.notes == ["a"]


@pytest.mark.parametrize(("code", "counter"), [(404, "failed"), (422, "failed")])
def test_a_refusal_is_counted_and_not_tried_again(code: int, counter: str):
    async def play() -> None:
        it = Recording()
        it.server.before = lambda: status(code, "No")
        it.record(event(note="a"), event(note="b"))
        await it.flush()
        assert len(it.server.requests) == 2
        assert getattr(it.counters, counter) == 2
        assert not it.task.done()

    run_virtual(play())


@virtual
async def test_what_cannot_be_encoded_does_not_end_the_recorder():
    it = Recording()
    it.record(event(action="bad \udc80"), event(note="good"))
    await it.flush()
    assert it.server.notes == ["good"]
    assert it.counters.failed == 1


@virtual
async def test_flush_gives_up_in_time():
    it = Recording()
    it.task.cancel()
    it.record(event())
    start = asyncio.get_running_loop().time()
    assert not await it.recorder.flush(2)
    assert asyncio.get_running_loop().time() - start == pytest.approx(2)


@virtual
async def test_a_cancelled_run_keeps_what_it_was_posting():
    it = Recording()
    it.record(event(note="a"), event(note="b"))
    await asyncio.sleep(0.005)
    it.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await it.task
    assert it.recorder.depth == 2
    it.task = asyncio.ensure_future(it.recorder.run())
    await it.flush()
    assert it.server.notes == ["a", "b"]


records = st.tuples(
    st.sampled_from(["one", "two", "three"]), st.sampled_from(["", "1", "2", "3"]), st.floats(0, 20), st.booleans()
)


def break_at_random(server: EventServer, rng: random.Random, badness: float) -> None:
    def before() -> Response | None:
        if rng.random() < badness / 2:
            raise Unreachable("refused")
        return status(503, "") if rng.random() < badness / 4 else None

    def after() -> None:
        if rng.random() < badness / 4:
            raise Ambiguous("cut off")

    server.before, server.after = before, after


def counts(server: EventServer) -> dict[tuple[str, str], int]:
    """How often each (note, name) is said to have happened."""
    return {
        (found["note"], name): found.get("series", {"count": 1})["count"] for (_, name), found in server.events.items()
    }


@settings(max_examples=150, deadline=None)
@given(script=st.lists(records, max_size=40), seed=st.integers(0, 2**32), badness=st.sampled_from([0.0, 0.3, 0.6]))
def test_under_faults_and_restarts_nothing_is_doubled_lost_or_miscounted(
    script: list[tuple[str, str, float, bool]], seed: int, badness: float
):
    async def play() -> None:
        rng = random.Random(seed)
        server = EventServer()
        break_at_random(server, rng, badness)
        patient: dict[str, Any] = {"attempts": 60, "backoff": Backoff(base=0.1, cap=1)}
        it = Recording(server, rng=rng, **patient)
        said: Counter[str] = Counter()
        names: dict[str, None] = {}
        for note, number, pause, restart in script:
            one = event(note=note, dedupe_id=number)
            it.record(one)
            if number:
                names.setdefault(event_name(one))
            else:
                said[note] += 1
            await asyncio.sleep(pause / 10)
            if restart and number:
                await it.flush()
                it.task.cancel()
                # The new process forgets every series, and records again what it finds done.
                it = Recording(server, rng=rng, **patient)
                it.record(one)
        await it.flush()
        assert [name for _, name in server.events if name in names] == list(names)
        repeats: Counter[str] = Counter()
        for (note, name), count in counts(server).items():
            repeats[note] += count if name not in names else 0
        assert +repeats == said

    run_virtual(play())
