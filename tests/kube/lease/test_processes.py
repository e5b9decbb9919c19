"""Electors in processes that are killed, stopped and continued, with clocks that run apart and jump.

The bound puts a rule of client-go in numbers (tools/leaderelection, package comment: the ratio of LeaseDuration to
RenewDeadline is what clocks may differ in rate). The holder leads for R seconds of its clock from the start of its last
request that succeeded: R / h true seconds, if its clock runs h times as fast as true time. A candidate with rate c
waits D seconds of its clock from when it received the record that this request has written: at least D / c true
seconds, which begin no earlier. So both believe that they lead for at most R / h - D / c true seconds: never while
c / h <= D / R. A process that was stopped knows when it goes on, since it computes from the clock whether it leads.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from canary.kube.client import Client
from canary.kube.clock import LoopClock
from canary.kube.lease import LeaseElector, LeaseTiming
from canary.kube.resources import LEASES
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.apiserver.faults import Answer, Delay, Drop, Hang, LoseAnswer, Refuse
from canary.sandbox.apiserver.request import Request
from canary.sandbox.apiserver.server import ApiServer
from canary.sandbox.process_loop import ProcessClock, ProcessLoop
from canary.sandbox.virtual_time import run_virtual

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
TIMING = LeaseTiming()
RETRY = TIMING.retry * 1.2
LATENCY = 0.04
GRAIN = 0.2
"""Seconds between two looks at who leads."""
LEADER = -1
"""The number of whoever leads."""
WIRE = 8 * LATENCY
"""Four requests, there and back."""


class Process:
    """One replica: a loop, clocks and an elector of its own."""

    def __init__(self, world: World, number: int, rate: float) -> None:
        self.rate, self.name = rate, f"process-{number}"
        self.loop = ProcessLoop(world.host, rate=rate, origin=world.rng.uniform(0, 1e6))
        self.clock = ProcessClock(self.loop, EPOCH, wall_offset=world.rng.uniform(-1e5, 1e5))
        rng = random.Random(f"{world.seed} {number}")
        transport = DirectTransport(
            world.server, user_agent=self.name, latency=lambda: rng.uniform(0, LATENCY), home=world.host
        )
        self.elector = LeaseElector(
            Client(transport, clock=self.clock, rng=rng),
            namespace="default",
            name="canary",
            identity=self.name,
            clock=self.clock,
            rng=rng,
            timing=TIMING,
        )
        self.task = self.loop.create_task(self.elector.run(self.lead, self.stopped))

    async def lead(self) -> None:
        await asyncio.sleep(1e9)

    async def stopped(self) -> None: ...

    @property
    def leads(self) -> bool:
        return self.loop.alive and self.elector.is_leader

    def terminate(self) -> None:
        self.loop.call_soon(self.task.cancel)


class World:
    """A server, the processes, and who leads in true time; `overlaps` has the seconds for which two have at once."""

    def __init__(self, rates: list[float], seed: int) -> None:
        self.host: Any = asyncio.get_running_loop()
        self.seed, self.rng, self.rates = seed, random.Random(seed), rates
        self.server = ApiServer(LoopClock(EPOCH), random.Random(seed))
        self.processes: list[Process] = []
        self.leaders: list[Process] = []
        self.overlaps: dict[tuple[Process, Process], float] = {}

    # What happens to processes.

    def start(self, number: int) -> None:
        """Start a process; not while somebody may lead without a Lease, which a newcomer has no way to know."""
        if len(self.alive) < 3 and (self.lease is not None or not self.leaders):
            rate = self.rates[number % len(self.rates)]
            self.processes.append(Process(self, len(self.processes), rate))

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.processes if process.loop.alive and not process.task.done()]

    def one(self, number: int) -> Process:
        alive = self.alive or self.processes
        return self.leaders[0] if number == LEADER and self.leaders else alive[number % len(alive)]

    def kill(self, number: int) -> None:
        self.one(number).loop.kill()

    def stop(self, number: int) -> None:
        self.one(number).loop.stop_process()

    def go_on(self, number: int) -> None:
        self.one(number).loop.continue_process()

    def terminate(self, number: int) -> None:
        self.one(number).terminate()

    def jump(self, number: int, seconds: float) -> None:
        self.one(number).clock.wall_offset += seconds

    def fault(self, number: int, effect: Any, verb: str, times: int) -> None:
        self.server.faults.add(effect, user_agent=self.one(number).name, verb=verb, resource="leases", times=times)

    def cut_off(self, number: int, last: Any, silent: bool) -> None:
        """The next update meets `last`, and everything after it gets nowhere."""
        self.fault(number, last, "update", 1)
        self.server.faults.add(Hang() if silent else Refuse(), user_agent=self.one(number).name, resource="leases")

    async def ambush(self, last: Any, silent: bool, deed: tuple[Any, ...]) -> None:
        """Cut off the leader, do what is worst at that moment, and look on until others have had time to follow."""
        self.cut_off(LEADER, last, silent)
        self.do(*deed)
        await self.watch(TIMING.duration / min(self.rates))
        self.reconnect()

    def do(self, name: str, *details: Any) -> Any:
        return getattr(self, name)(*details)

    def reconnect(self) -> None:
        self.server.faults.clear()

    # What people do to the Lease.

    @property
    def lease(self) -> dict[str, Any] | None:
        return self.server.storage.get(("coordination.k8s.io", "leases"), ("default", "canary"))

    def send(self, method: str, body: Any = None) -> None:
        raw = b"" if body is None else msgspec.json.encode(body)
        path = LEASES.path("default", "canary")
        self.server.handle(Request(method, path, {}, {"content-type": "application/merge-patch+json"}, raw))

    def edit(self, spec: dict[str, Any]) -> None:
        self.send("PATCH", {"spec": spec})

    def edit_holder(self, number: int) -> None:
        self.edit({"holderIdentity": self.one(number).name})

    def delete(self) -> None:
        """Not while there is somebody who has never seen the Lease: that is where the bound ends."""
        if all(process.elector.holder for process in self.alive):
            self.send("DELETE")

    # What is true.

    async def watch(self, seconds: float) -> None:
        for _ in range(round(seconds / GRAIN)):
            await asyncio.sleep(GRAIN)
            self.look()

    def look(self) -> None:
        leading = [process for process in self.processes if process.leads]
        # Who has led longest comes first.
        self.leaders = [process for process in self.leaders if process in leading]
        self.leaders += [process for process in leading if process not in self.leaders]
        pairs = [(holder, other) for at, holder in enumerate(self.leaders) for other in self.leaders[at + 1 :]]
        self.overlaps = {pair: self.overlaps.get(pair, 0.0) + GRAIN for pair in pairs}
        for (holder, other), both in self.overlaps.items():
            bound = max(0.0, TIMING.renew_deadline / holder.rate - TIMING.duration / other.rate)
            # What is seen of an interval may be longer than it is by one look.
            permitted = bound + GRAIN + 1e-6 if bound else 0.0
            assert both <= permitted, (holder.rate, other.rate, both, bound)

    async def led(self, within: float) -> float:
        """True seconds until one leads."""
        for look in range(round(within / GRAIN)):
            if any(process.leads for process in self.processes):
                return look * GRAIN
            await self.watch(GRAIN)
        raise AssertionError(f"nobody leads after {within} s")


NUMBER = st.sampled_from([0, 1, 2, LEADER])
EFFECT = st.sampled_from(
    [
        Refuse(),
        Drop(),
        LoseAnswer(),
        Hang(),
        Hang(executed=True),
        Answer(409),
        Answer(429, retry_after=3),
        Answer(500),
        Delay(4.5, 0),
        Delay(0, 4.5),
        Delay(20, 0),
    ]
)
EDITS: list[dict[str, Any]] = [
    {"holderIdentity": "somebody"},
    {"holderIdentity": ""},
    {"leaseTransitions": 0},
    {"renewTime": "2099-01-01T00:00:00.000000Z", "leaseDurationSeconds": 3},
    {"renewTime": "1999-01-01T00:00:00.000000Z"},
]
DEEDS = st.one_of(
    st.tuples(st.just("jump"), NUMBER, st.sampled_from([-3600.0, 5.0, 1e7])),
    st.tuples(st.just("edit"), st.sampled_from(EDITS)),
    st.tuples(st.just("edit_holder"), NUMBER),
    st.tuples(st.just("delete")),
)
OPS = st.one_of(
    DEEDS,
    # Made anew each time: a choice that is given twice counts once.
    *[st.tuples(st.just("ambush"), EFFECT | st.just(Delay(0, 4.5)), st.booleans(), DEEDS) for _ in range(4)],
    st.tuples(st.just("start"), NUMBER),
    st.tuples(st.just("start"), NUMBER),
    st.tuples(st.just("go_on"), NUMBER),
    st.tuples(st.just("fault"), NUMBER, EFFECT, st.sampled_from(["", "get", "update", "create"]), st.integers(1, 5)),
    st.tuples(st.just("fault"), NUMBER, EFFECT, st.sampled_from(["", "update"]), st.integers(1, 5)),
    st.tuples(st.just("cut_off"), st.sampled_from([0, LEADER, LEADER]), EFFECT, st.booleans()),
    st.tuples(st.sampled_from(["kill", "stop", "terminate"]), NUMBER),
    st.tuples(st.just("reconnect")),
)
STEPS = st.lists(st.tuples(OPS, st.sampled_from([0.0, 0.3, 2.5, 7.0, 11.0, 17.0])), min_size=8, max_size=25)
RATES = st.lists(st.sampled_from([0.8, 0.8, 0.9, 1.0, 1.1, 1.25, 1.25]), min_size=3, max_size=3)


# Leaders one after the other, the slow one among them, lose the server with the answer to a renewal under way.
LATE_ANSWERS = [(("ambush", Delay(0, 4.5), False, ("jump", 0, 5.0)), 7.0)] * 3


async def play(world: World, steps: list[Any]) -> None:
    for number in range(2):
        world.start(number)
    await world.watch(1)
    for step, pause in steps:
        lasting = world.do(*step)
        if lasting is not None:
            await lasting
        await world.watch(pause)


async def heal(world: World) -> None:
    """Let everything work again, with at least three processes, and wait for the last late request."""
    world.server.faults.clear()
    for process in world.processes:
        process.loop.continue_process()
    await world.watch(25)
    slowest = min(world.rates)
    while len(world.alive) < 3:
        world.start(len(world.alive))
        await world.watch(2 * RETRY / slowest)
    # Twice, because an edit or a late request may have started the wait anew.
    await world.led(2 * (TIMING.duration + 2 * RETRY) / slowest + WIRE)
    await world.watch(20)


async def check_hand_over(world: World) -> None:
    """A leader that is terminated is followed within 3 s of the clock of a healthy candidate."""
    (leader,) = world.leaders
    leader.terminate()
    await world.watch(GRAIN)
    rates = [process.rate for process in world.alive if process is not leader]
    await world.led((RETRY + WIRE) / max(rates) + GRAIN)
    assert RETRY + WIRE <= 3
    assert not leader.leads


async def check_takeover(world: World) -> None:
    """A leader that is killed is followed within the duration and two retries of the clock of a healthy candidate."""
    await world.watch(10)
    (leader,) = world.leaders
    leader.loop.kill()
    rates = [process.rate for process in world.alive if process is not leader]
    await world.led((TIMING.duration + 2 * RETRY + WIRE) / max(rates) + GRAIN)


@settings(max_examples=30, deadline=None)
@given(steps=STEPS, rates=RATES, seed=st.integers(0, 99))
@example(steps=LATE_ANSWERS, rates=[0.8, 1.25, 1.25], seed=0)
def test_two_lead_for_no_longer_than_their_clocks_permit_and_one_always_follows(
    steps: list[Any], rates: list[float], seed: int
) -> None:
    async def main() -> None:
        world = World(rates, seed)
        try:
            await play(world, steps)
            await heal(world)
            await check_hand_over(world)
            await check_takeover(world)
        finally:
            for process in world.processes:
                await process.loop.bury()

    run_virtual(main())
