"""One run of a scenario in virtual time, with one thing done to it, and what came of it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from canary.sandbox.exhaustive.ending import Ending, ending_of, leftovers, written
from canary.sandbox.exhaustive.scenarios import Scenario
from canary.sandbox.exhaustive.wire import Call, Wire
from canary.sandbox.process import Process
from canary.sandbox.simulation import Simulation

SETTLED, QUIET = 5.0, 20.0
"""Seconds after the end of a rollout: until when something may still be told, and how long nothing is written then."""


class Failed(AssertionError):
    """A run did not end as the fault-free one; the message says how to see it again."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    `writes` and `calls` are what its first process sent until then, `counts` the writes that were accepted by kind,
    `after_rest` those of them that came when all was done, `seconds` how long the rollout took.
    """

    ending: Ending
    writes: tuple[Call, ...]
    calls: dict[Call, int]
    counts: Counter[str]
    after_rest: Counter[str]
    leftovers: tuple[str, ...]
    deaths: int
    seconds: float

    def restless(self) -> list[str]:
        """What is wrong with the end by itself, in words."""
        return [f"{count} writes of {kind} at rest" for kind, count in self.after_rest.items()] + [*self.leftovers]


@dataclass(slots=True, eq=False)
class Trial:
    """A scenario on its way. `judged` is the simulation's; `settled` see `SETTLED`."""

    scenario: Scenario
    leader_elect: bool = False
    judged: bool = False
    settled: float = SETTLED
    sim: Simulation = field(init=False)
    deaths: int = 0

    def __post_init__(self) -> None:
        self.sim = Simulation(random.Random(1), model_seed=1, leader_elect=self.leader_elect, judged=self.judged)

    async def play(self, start: Callable[[Trial], Wire]) -> Outcome:
        """Play it to its end with the processes of `start`.

        Raises `AssertionError` when an invariant is broken or the end does not come.
        """
        async with self.sim as sim:
            await self.scenario.begin(sim)
            await sim.apply(self.scenario.canary(sim))
            wire = start(self)
            await self.scenario.play(sim)
            writes, calls, seconds = tuple(wire.writes), dict(wire.calls), sim.clock.monotonic()
            await sim.clock.sleep(self.settled)
            rest = len(sim.cluster.server.commits)
            await sim.clock.sleep(QUIET)
            ending = ending_of(sim, self.scenario.trial(sim))
            return Outcome(
                ending, writes, calls, written(sim), written(sim, rest), tuple(leftovers(sim)), self.deaths, seconds
            )

    def start(self, identity: str) -> tuple[Process, Wire]:
        """Start a process whose connection is a `Wire`."""
        process = self.sim.start(identity)
        wire = Wire(process.client.transport, asyncio.get_running_loop())
        process.client.transport = wire
        return process, wire

    def bury(self, process: Process) -> None:
        """The process dies, as by SIGKILL, and is missed by nobody."""
        process.kill()
        self.sim.processes.remove(process)
        self.deaths += 1
