"""Leader election against a small Lease server that loses, delays and doubts, with clocks that disagree."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.errors import Ambiguous, Unreachable
from canary.kube.lease import LeaseElector, LeaseTiming, micro_time
from canary.kube.transport import MAX_BODY, Response
from canary.sandbox.virtual_time import run_virtual

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
PATH = "/apis/coordination.k8s.io/v1/namespaces/system/leases"


def seconds() -> float:
    return asyncio.get_running_loop().time()


class LeaseServer:
    """One Lease with compare-and-swap. `log` has (time, method, spec or None, status) of every executed request."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.log: list[tuple[float, str, dict[str, Any] | None, int]] = []

    def execute(self, method: str, body: bytes | None) -> Response:
        response = self._execute(method, body)
        self.log.append((seconds(), method, json.loads(body)["spec"] if body else None, response.status))
        return response

    def _execute(self, method: str, body: bytes | None) -> Response:
        sent = json.loads(body) if body else {}
        if method == "POST":
            if self.lease is not None:
                return status(409, "AlreadyExists")
            self.store(sent)
            return Response(201, json.dumps(self.lease).encode())
        if self.lease is None:
            return status(404, "NotFound")
        if method == "PUT":
            if sent["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
                return status(409, "Conflict")
            self.store(sent)
        return Response(200, json.dumps(self.lease).encode())

    def store(self, lease: dict[str, Any]) -> None:
        self.version += 1
        self.lease = {**lease, "metadata": {**lease["metadata"], "resourceVersion": str(self.version)}}

    def edit(self, **spec: Any) -> None:
        """What somebody does with kubectl."""
        assert self.lease is not None
        self.store({**self.lease, "spec": {**self.lease["spec"], **spec}})

    @property
    def spec(self) -> dict[str, Any]:
        assert self.lease is not None
        return self.lease["spec"]


def status(code: int, reason: str) -> Response:
    return Response(code, json.dumps({"kind": "Status", "reason": reason}).encode())


# Decides what happens to a request: it may call `execute` at any time, return its answer, or raise.
Fault = Callable[[Callable[[], Response]], Awaitable[Response]]


async def answered(execute: Callable[[], Response]) -> Response:
    await asyncio.sleep(0.01)
    response = execute()
    await asyncio.sleep(0.01)
    return response


async def refused(_execute: Callable[[], Response]) -> Response:
    raise Unreachable("refused")


async def hangs(_execute: Callable[[], Response]) -> Response:
    await asyncio.sleep(10_000)
    raise AssertionError("nobody waits that long")


class Wire:
    """A transport whose behaviour is `fault`."""

    def __init__(self, server: LeaseServer, fault: Fault = answered) -> None:
        self.server = server
        self.fault = fault
        self.timeouts: list[float] = []

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
        assert path == (PATH if method == "POST" else f"{PATH}/canary")
        self.timeouts.append(timeout)
        return await self.fault(lambda: self.server.execute(method, body))

    def stream(self, path: str, **_: Any) -> Any:
        raise AssertionError("an elector does not watch")

    async def close(self) -> None: ...


class SkewedClock:
    """A monotonic clock that runs `rate` times as fast as the loop, and a wall clock that jumps by an hour."""

    def __init__(self, rate: float, rng: random.Random) -> None:
        self.rate = rate
        self.rng = rng
        self.stall = 0.0

    def monotonic(self) -> float:
        return 1000.0 + seconds() * self.rate

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.rng.uniform(-3600, 3600))

    async def sleep(self, duration: float) -> None:
        await asyncio.sleep(max(0.0, duration) / self.rate + self.stall)


class Replica:
    """A process with an elector. `terms` has the (start, end) of what it ran while it led."""

    def __init__(self, server: LeaseServer, name: str, *, rate: float = 1.0, seed: int = 0, **overrides: Any) -> None:
        rng = random.Random(f"{seed} {name}")
        self.clock: Any = LoopClock(EPOCH) if rate == 1.0 else SkewedClock(rate, rng)
        self.wire = Wire(server)
        self.errors: list[Exception] = []
        self.terms: list[tuple[float, float]] = []
        self.elector = LeaseElector(
            Client(self.wire, clock=self.clock, rng=rng),
            **{
                "namespace": "system",
                "name": "canary",
                "identity": name,
                "clock": self.clock,
                "rng": rng,
                "on_error": self.errors.append,
                **overrides,
            },
        )
        self.task = asyncio.ensure_future(self.elector.run(self.lead, self.stopped))

    async def lead(self) -> None:
        start = seconds()
        try:
            await asyncio.sleep(1e9)
        finally:
            self.terms.append((start, seconds()))

    async def stopped(self) -> None: ...

    @property
    def leads(self) -> bool:
        return self.elector.is_leader

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        run_virtual(test())

    run.__name__ = test.__name__
    return run


async def until(condition: Callable[[], bool], within: float) -> float:
    """Seconds until `condition` holds."""
    start = seconds()
    while not condition():
        assert seconds() - start < within, "it never came"
        await asyncio.sleep(0.01)
    return seconds() - start


@virtual
async def test_the_first_replica_creates_the_lease_and_leads():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    assert server.spec | {"renewTime": "", "acquireTime": ""} == {
        "holderIdentity": "first",
        "leaseDurationSeconds": 15,
        "leaseTransitions": 0,
        "acquireTime": "",
        "renewTime": "",
    }
    assert await first.elector.verify()
    assert first.elector.holder == "first"


@virtual
async def test_renewing_moves_the_renew_time_and_nothing_else():
    server = LeaseServer()
    first = Replica(server, "first")
    await asyncio.sleep(1)
    before = dict(server.spec)
    await asyncio.sleep(600)
    assert first.elector.terms == 1
    assert server.spec["renewTime"] > before["renewTime"]
    assert server.spec | {"renewTime": before["renewTime"]} == before
    assert max(first.wire.timeouts) <= 5


def test_times_in_the_record_are_utc_whatever_the_zone():
    moment = datetime(2026, 1, 1, 12, 0, 0, 5, tzinfo=timezone(timedelta(hours=-5)))
    assert micro_time(moment) == "2026-01-01T17:00:00.000005Z"


@virtual
async def test_a_clean_shutdown_hands_over_within_three_seconds():
    for seed in range(20):
        server = LeaseServer()
        first = Replica(server, "first", seed=seed)
        await until(lambda first=first: first.leads, 1)
        second = Replica(server, "second", seed=seed)
        await asyncio.sleep(5 + seed / 10)
        start = seconds()
        await first.stop()
        assert not first.leads
        assert server.spec["holderIdentity"] == "" or second.leads
        await until(lambda second=second: second.leads, 5)
        assert seconds() - start <= 3
        assert (server.spec["leaseTransitions"], server.spec["leaseDurationSeconds"]) == (1, 15)
        writes = [spec for _, method, spec, _ in server.log if method == "PUT" and spec]
        assert {"holderIdentity": "", "leaseDurationSeconds": 1}.items() <= next(
            spec for spec in writes if not spec["holderIdentity"]
        ).items()
        await second.stop()


@virtual
async def test_after_a_crash_another_leads_within_the_duration_and_two_retries():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    second = Replica(server, "second")
    await asyncio.sleep(7)
    first.wire.fault = refused
    crash = seconds()
    await first.stop()
    assert not first.leads
    await until(lambda: second.leads, 30)
    assert 12 < seconds() - crash <= 15 + 2 * 2.4
    assert server.spec["leaseTransitions"] == 1
    assert any(isinstance(error, Unreachable) for error in first.errors)


@pytest.mark.parametrize("fault", [refused, hangs])
def test_a_leader_that_cannot_renew_stops_at_the_deadline(fault: Fault):
    async def play() -> None:
        server = LeaseServer()
        first = Replica(server, "first")
        await until(lambda: first.leads, 1)
        last = seconds()
        first.wire.fault = fault
        await until(lambda: not first.leads, 20)
        assert seconds() - last == pytest.approx(10, abs=0.05)
        await asyncio.sleep(0.1)
        assert len(first.terms) == 1
        first.wire.fault = answered
        # Nobody else has taken the Lease, so that it is still its own.
        await until(lambda: first.leads, 8)
        assert server.spec["leaseTransitions"] == 0
        assert first.elector.terms == 2

    run_virtual(play())


@virtual
async def test_a_leader_whose_task_is_stuck_knows_by_the_clock():
    server = LeaseServer()
    first = Replica(server, "first", rate=1.0001)
    await until(lambda: first.leads, 1)
    first.clock.stall = 1000
    await asyncio.sleep(15)
    assert not first.leads
    assert not await first.elector.verify()
    assert first.terms == []


@virtual
async def test_an_answer_that_comes_after_the_deadline_does_not_revive_a_term():
    async def late(execute: Callable[[], Response]) -> Response:
        response = execute()
        await stubborn_sleep(6)
        return response

    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    first.wire.fault = refused
    await asyncio.sleep(7)
    first.wire.fault = late
    await until(lambda: not first.leads, 4)
    while not first.terms:
        assert not first.leads
        await asyncio.sleep(0.05)
    assert any(method == "PUT" and code == 200 for _, method, _, code in server.log)
    first.wire.fault = answered
    await asyncio.sleep(10)
    await first.stop()


@virtual
async def test_a_release_is_not_sent_while_leading():
    async def watched(execute: Callable[[], Response]) -> Response:
        response = execute()
        released.append(server.spec["holderIdentity"] == "")
        assert not (released[-1] and first.leads)
        return response

    released: list[bool] = []
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    first.wire.fault = watched
    await first.stop()
    assert released[-1]
    assert first.errors == []


@virtual
async def test_a_release_that_meets_an_edit_is_tried_again():
    async def edited_after_read(execute: Callable[[], Response]) -> Response:
        response = execute()
        if server.version < 3:
            server.edit(strategy="edited")
        return response

    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    first.wire.fault = edited_after_read
    await first.stop()
    assert (server.spec["strategy"], server.spec["holderIdentity"]) == ("edited", "")


@virtual
async def test_a_shorter_duration_put_there_by_hand_does_not_shorten_the_wait():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    second = Replica(server, "second")
    await asyncio.sleep(3)
    first.wire.fault = hangs
    server.edit(leaseDurationSeconds=1)
    while first.leads:
        assert not second.leads
        await asyncio.sleep(0.05)
    await until(lambda: second.leads, 15)


@virtual
async def test_a_foreign_holder_ends_the_term_at_the_next_renewal():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    server.edit(holderIdentity="somebody")
    await until(lambda: not first.leads, 3)
    await until(lambda: first.leads, 20)
    assert (server.spec["holderIdentity"], server.spec["leaseTransitions"]) == ("first", 1)


@virtual
async def test_verifying_sees_a_foreign_holder_at_once():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    server.edit(holderIdentity="somebody")
    assert not await first.elector.verify()
    assert not first.leads
    first.wire.fault = refused
    with pytest.raises(Unreachable):
        await first.elector.verify()


@virtual
async def test_a_candidate_does_not_take_a_record_that_names_it_by_hand():
    server = LeaseServer()
    first, second = Replica(server, "first"), Replica(server, "second")
    await until(lambda: first.leads or second.leads, 3)
    leader, other = (first, second) if first.leads else (second, first)
    await asyncio.sleep(5)
    leader.wire.fault = hangs
    server.edit(holderIdentity=other.elector.identity)
    while leader.leads:
        assert not other.leads
        await asyncio.sleep(0.05)
    await until(lambda: other.leads, 20)


@virtual
async def test_edits_of_other_fields_do_not_end_a_term_and_are_kept():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    assert server.lease is not None
    server.lease["metadata"]["labels"] = {"team": "ops"}
    server.edit(leaseTransitions=77, strategy="OldestEmulationVersion")
    await asyncio.sleep(30)
    assert first.elector.terms == 1
    assert first.leads
    assert server.lease["metadata"]["labels"] == {"team": "ops"}
    assert (server.spec["leaseTransitions"], server.spec["strategy"]) == (77, "OldestEmulationVersion")


@virtual
async def test_the_leader_of_a_deleted_lease_makes_it_again_and_candidates_wait():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    second = Replica(server, "second")
    await asyncio.sleep(20)
    server.lease = None
    await asyncio.sleep(30)
    assert first.leads
    assert (first.elector.terms, second.elector.terms) == (1, 0)
    server.lease = None
    first.wire.fault = hangs
    while first.leads:
        assert not second.leads
        await asyncio.sleep(0.05)
    await until(lambda: second.leads, 30)


@virtual
async def test_a_longer_duration_in_the_record_is_respected():
    server = LeaseServer()
    server.store({"metadata": {"name": "canary"}, "spec": {"holderIdentity": "old", "leaseDurationSeconds": 60}})
    replica = Replica(server, "new")
    await asyncio.sleep(58)
    assert not replica.leads
    await until(lambda: replica.leads, 6)


@virtual
async def test_a_lease_that_nobody_ever_held_is_taken_at_once():
    server = LeaseServer()
    server.store({"metadata": {"name": "canary"}})
    replica = Replica(server, "new")
    await until(lambda: replica.leads, 1)


@virtual
async def test_the_wall_clock_of_the_holder_does_not_matter():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    second = Replica(server, "second")
    for year in (1999, 2099):
        server.edit(renewTime=f"{year}-01-01T00:00:00.000000Z")
        await asyncio.sleep(60)
        assert first.leads
        assert second.elector.terms == 0


def once_after(method: str, replica: Replica, then: Callable[[], Awaitable[None]]) -> Fault:
    """Answers; but after the first successful `method`, `then` happens in place of the answer."""

    async def fault(execute: Callable[[], Response]) -> Response:
        response = execute()
        if replica.wire.server.log[-1][1] == method and response.status < 300:
            replica.wire.fault = answered
            await then()
        return response

    return fault


async def cut_off() -> None:
    raise Ambiguous("cut off")


async def never() -> None:
    await asyncio.sleep(1000)


@virtual
async def test_an_ambiguous_takeover_is_settled_by_reading():
    server = LeaseServer()
    server.store({"metadata": {"name": "canary"}})
    replica = Replica(server, "first")
    replica.wire.fault = once_after("PUT", replica, cut_off)
    await until(lambda: replica.leads, 5)
    assert server.spec["leaseTransitions"] == 0


@virtual
async def test_an_ambiguous_creation_is_waited_for():
    server = LeaseServer()
    replica = Replica(server, "first")
    replica.wire.fault = once_after("POST", replica, cut_off)
    assert await until(lambda: replica.leads, 20) > 15
    assert server.spec["leaseTransitions"] == 0


@virtual
async def test_a_lease_taken_by_an_answer_that_never_came_is_released_too():
    server = LeaseServer()
    server.store({"metadata": {"name": "canary"}})
    replica = Replica(server, "first")
    replica.wire.fault = once_after("PUT", replica, never)
    await asyncio.sleep(1)
    await replica.stop()
    assert server.spec["holderIdentity"] == ""


@virtual
async def test_a_creation_that_lands_after_others_led_takes_nothing_from_them():
    delayed: list[Callable[[], Response]] = []

    async def under_way(execute: Callable[[], Response]) -> Response:
        if server.lease is not None:
            return execute()
        if execute().status == 404:
            return status(404, "NotFound")
        # The request is still on its way: undo what it did.
        server.lease = None
        delayed.append(execute)
        raise Ambiguous("still under way")

    server = LeaseServer()
    late = Replica(server, "late")
    late.wire.fault = under_way
    await until(lambda: bool(delayed), 5)
    leader = Replica(server, "leader")
    await until(lambda: leader.leads, 5)
    late.wire.fault = answered
    await asyncio.sleep(30)
    assert leader.leads
    leader.wire.fault = hangs
    server.lease = None
    assert delayed[0]().status == 201
    while leader.leads:
        assert not late.leads
        await asyncio.sleep(0.05)
    await until(lambda: late.leads, 20)


@virtual
async def test_a_candidate_that_missed_a_whole_term_takes_nothing_by_creating():
    server = LeaseServer()
    server.store({"metadata": {"name": "canary"}, "spec": {"holderIdentity": "gone", "leaseDurationSeconds": 15}})
    blind = Replica(server, "blind")
    await asyncio.sleep(1)
    server.lease = None
    await asyncio.sleep(5)
    # It has seen that there is no Lease; now it sees nothing of another's term, and then that there is none again.
    blind.wire.fault = refused
    leader = Replica(server, "leader")
    await until(lambda: leader.leads, 5)
    await asyncio.sleep(30)
    leader.wire.fault = hangs
    server.lease = None
    blind.wire.fault = answered
    while leader.leads:
        assert not blind.leads
        await asyncio.sleep(0.05)
    await until(lambda: blind.leads, 40)


@virtual
async def test_a_release_never_frees_the_lease_of_another():
    server = LeaseServer()
    first = Replica(server, "first")
    await until(lambda: first.leads, 1)
    server.edit(holderIdentity="second")
    before = server.version
    await first.stop()
    assert server.version == before


@virtual
async def test_the_work_is_stopped_before_the_lease_is_released():
    order: list[str] = []

    async def started() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            order.append("work ended")

    async def stopped() -> None:
        await asyncio.sleep(1)
        order.append(f"stopped while held by {server.spec['holderIdentity']}")

    server = LeaseServer()
    replica = Replica(server, "first")
    await replica.stop()
    second = LeaseElector(
        Client(Wire(server), clock=LoopClock(EPOCH), rng=random.Random(1)),
        namespace="system",
        name="canary",
        identity="second",
        clock=LoopClock(EPOCH),
        rng=random.Random(1),
    )
    task = asyncio.ensure_future(second.run(started, stopped))
    await until(lambda: second.is_leader, 20)
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert order == ["work ended", "stopped while held by second"]
    assert server.spec["holderIdentity"] == ""


@virtual
async def test_an_error_of_the_work_comes_out_and_releases_the_lease():
    async def broken() -> None:
        raise OSError("no disk")

    async def stopped() -> None: ...

    server = LeaseServer()
    clock = LoopClock(EPOCH)
    elector = LeaseElector(
        Client(Wire(server), clock=clock, rng=random.Random(1)),
        namespace="system",
        name="canary",
        identity="only",
        clock=clock,
        rng=random.Random(1),
    )
    with pytest.raises(ExceptionGroup) as caught:
        await elector.run(broken, stopped)
    assert caught.group_contains(OSError)
    assert server.spec["holderIdentity"] == ""


@pytest.mark.parametrize("wrong", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_timings_without_room_are_refused(wrong: tuple[float, float, float]):
    with pytest.raises(ValueError, match="renew_deadline"):
        LeaseTiming(*wrong)


def test_an_empty_identity_is_refused():
    clock = LoopClock(EPOCH)
    with pytest.raises(ValueError, match="unique"):
        LeaseElector(
            Client(Wire(LeaseServer()), clock=clock, rng=random.Random(1)),
            namespace="system",
            name="canary",
            identity="",
            clock=clock,
            rng=random.Random(1),
        )


class Weather:
    """Random faults: refusals, server errors, answers lost before or after the commit, late commits, late answers."""

    def __init__(self, rng: random.Random, badness: float) -> None:
        self.rng = rng
        self.badness = badness
        self.late: list[asyncio.Future[None]] = []

    async def __call__(self, execute: Callable[[], Response]) -> Response:
        await asyncio.sleep(self.rng.random() * 0.3)
        if self.rng.random() >= self.badness:
            response = execute()
            await asyncio.sleep(self.rng.random() * 0.3)
            return response
        match self.rng.randrange(7):
            case 0:
                raise Unreachable("refused")
            case 1:
                return status(500, "InternalError")
            case 2:
                raise Ambiguous("lost")
            case 3:
                execute()
                raise Ambiguous("done, but nobody knows")
            case 4:
                self.late.append(asyncio.ensure_future(self.commit_later(execute)))
                raise Ambiguous("still under way")
            case 5:
                await asyncio.sleep(1000)
                raise AssertionError("nobody waits that long")
            case _:
                # A stopped process: the answer was there all the time, and it goes on long after.
                response = execute()
                await stubborn_sleep(self.rng.random() * 30)
                return response

    async def commit_later(self, execute: Callable[[], Response]) -> None:
        await asyncio.sleep(self.rng.random() * 40)
        execute()


async def stubborn_sleep(duration: float) -> None:
    """A sleep that no timeout ends."""
    end = seconds() + duration
    while seconds() < end - 1e-6:
        try:
            await asyncio.sleep(end - seconds())
        except asyncio.CancelledError:
            continue


async def meddle(server: LeaseServer, replicas: list[Replica], rng: random.Random) -> None:
    """Somebody with kubectl."""
    names = [replica.elector.identity for replica in replicas]
    for _ in range(6):
        await asyncio.sleep(rng.uniform(5, 60))
        if server.lease is None or not all(replica.elector.holder for replica in replicas):
            continue
        match rng.randrange(5):
            case 0:
                server.lease = None
            case 1:
                server.edit(leaseTransitions=0)
            case 2:
                server.edit(holderIdentity=rng.choice([*names, "somebody"]))
            case 3:
                server.edit(holderIdentity="")
            case _:
                server.edit(renewTime="2099-01-01T00:00:00.000000Z", leaseDurationSeconds=3)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rates=st.lists(st.sampled_from([0.8, 0.9, 1.1, 1.2]), min_size=2, max_size=3),
    badness=st.sampled_from([0.1, 0.4, 0.8]),
)
def test_no_two_lead_at_once_whatever_happens_and_one_leads_when_it_clears_up(
    seed: int, rates: list[float], badness: float
):
    async def play() -> None:
        rng = random.Random(seed)
        server = LeaseServer()
        weather = Weather(rng, badness)
        replicas = [Replica(server, f"r{n}", rate=rate, seed=seed) for n, rate in enumerate(rates)]
        for replica in replicas:
            replica.wire.fault = weather
        meddler = asyncio.ensure_future(meddle(server, replicas, rng))
        end = seconds() + 400
        while seconds() < end:
            leaders = [replica.elector.identity for replica in replicas if replica.leads]
            assert len(leaders) <= 1, (seconds(), leaders, server.log[-8:])
            await asyncio.sleep(0.1)
            if rng.random() < 0.005:
                rng.choice(replicas).clock.stall = rng.choice([0, 0, 0, 5, 20])
        await meddler
        weather.badness = 0
        for replica in replicas:
            replica.clock.stall = 0
        # Late answers and commits, then the waits before and after a creation.
        await asyncio.sleep(40 + 30 + 2 * (15 / 0.8 + 2 * 2.4 / 0.8) + 1)
        assert sum(replica.leads for replica in replicas) == 1
        changes = [spec["leaseTransitions"] for _, _, spec, code in server.log if spec and code < 300]
        assert len(changes) > 3
        for replica in replicas:
            await replica.stop()
        assert server.spec["holderIdentity"] == ""

    run_virtual(play())


@pytest.mark.parametrize(("holder", "candidate"), [(0.8, 1.2), (0.5, 1.0), (0.5, 2.0), (1.0, 1.0)])
def test_two_overlap_for_no_longer_than_the_rates_of_their_clocks_permit(holder: float, candidate: float):
    async def overlap(seed: int) -> float:
        server = LeaseServer()
        first = Replica(server, "first", rate=holder + 1e-9, seed=seed)
        await until(lambda: first.leads, 1)
        second = Replica(server, "second", rate=candidate + 1e-9, seed=seed)
        await asyncio.sleep(20 + seed / 7)
        first.wire.fault = hangs
        both = 0.0
        for _ in range(4000):
            both += 0.01 * (first.leads and second.leads)
            await asyncio.sleep(0.01)
        assert second.leads
        return both

    bound = max(0.0, 10 / holder - 15 / candidate)
    longest = max(run_virtual(overlap(seed)) for seed in range(8))
    assert longest <= bound + 0.02
    # The bound is no mere upper limit: clocks that differ more do make two leaders.
    assert (longest > 0) == (bound > 0)
