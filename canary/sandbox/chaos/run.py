"""Plays a schedule, heals the world, and waits for rest."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress

from canary.api.names import CONTROLLER_MANAGER, OWNER_ANNOTATION
from canary.controller.watches import CANARIES
from canary.core.state import State
from canary.kube.errors import KubeError
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.chaos.deeds import ALL_DEEDS
from canary.sandbox.chaos.deeds.people import RIVAL
from canary.sandbox.chaos.deeds.traffic import FOREIGN, GITOPS
from canary.sandbox.chaos.managed_world import ManagedWorld
from canary.sandbox.chaos.schedule import Schedule, schedule_of
from canary.sandbox.chaos.world import PROCESS, World
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.sandbox.oracle import WORKLOAD
from canary.sandbox.virtual_time import run_virtual

LIVENESS = 900.0
"""Seconds in which a rollout has to end once everything is well again (L1)."""
DELETED = 300.0
"""Seconds in which a deletion has to be done once everything is well again (L6)."""
SETTLED = 65.0
"""Seconds after which the status has followed the split."""
QUIET = 100.0
"""Seconds of rest in which nothing may be written."""
RESTARTED = 40.0
"""Seconds after a restart in which the split may not be written."""
HEALED = 45.0
"""Seconds until the world has taken notice of what is well again."""
MAX_TASKS, MAX_MANAGED_TASKS = 75, 95
"""Tasks of a process at rest with one Canary (S24); in managed mode there are more kinds to watch."""
_INVARIANT = re.compile(r"^([SL]\d+)\b", re.MULTILINE)


class Failed(AssertionError):
    """The run of a seed broke an invariant, or did not come to rest; the message says how to see it again.

    `invariants` are the numbers of what was broken: empty when the run died of something else.
    """

    def __init__(self, schedule: Schedule, why: BaseException) -> None:
        self.schedule = schedule
        self.why = f"{type(why).__name__}: {why}"
        self.invariants = frozenset(_INVARIANT.findall(str(why)))
        replay = f"python -m canary.sandbox.chaos {schedule.seed}"
        small = f"{replay} --shrink --save FILE"
        super().__init__(f"{self.why}\n\nreplay: {replay}\nmade small: {small}\n\n{schedule}")


class Run:
    """Plays a schedule. `play` raises `Failed`."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.world = (ManagedWorld if schedule.managed else World)(
            schedule.seed,
            leader_elect=schedule.leader_elect,
            skewed=schedule.skewed,
            latency=schedule.latency,
            lag=schedule.lag,
            errors=schedule.errors,
        )
        self.sim = self.world.sim

    async def play(self) -> str:
        """Play it to the end; the phase in which the rollout came to rest."""
        try:
            async with self.sim:
                try:
                    await self._trouble()
                    await self._heal()
                    return await self._rest()
                finally:
                    await self.world.quiet()
        except (AssertionError, Exception) as error:
            raise Failed(self.schedule, error) from error

    async def _trouble(self) -> None:
        world = self.world
        await world.begin()
        for _ in range(self.schedule.processes):
            world.start()
        for met in self.schedule.effects:
            self.sim.cluster.server.faults.add(met.effect, probability=met.rate, user_agent=PROCESS)
        began = self.sim.clock.monotonic()
        for action in self.schedule.actions:
            await world.until(began + action.at)
            with suppress(KubeError):
                await ALL_DEEDS[action.name].do(world, random.Random(action.dice))
        await world.until(began + self.schedule.seconds)

    async def _heal(self) -> None:
        """No fault and nobody's interference is left, and everything is as its owner wants it."""
        sim, world = self.sim, self.world
        await world.quiet()
        sim.cluster.server.faults.clear()
        for process in world.processes:
            process.thaw()
        for resource, name in ((TRAFFIC_SPLITS, FOREIGN), (CANARIES, RIVAL)):
            with suppress(KubeError):
                await world.delete(resource, name)
        if sim.state() is None or self._of_others():
            # A split that the controller must not take over or change: whoever made it takes it away again.
            with suppress(KubeError):
                await world.delete(TRAFFIC_SPLITS, sim.app.name)
        await world.restore()
        for name in (RIVAL, sim.app.name):
            await world.gone(name, DELETED)
        await sim.apply(world.canary())
        await sim.annotate(command=None, abort=None)
        await world.until(sim.clock.monotonic() + HEALED)
        state = sim.state()
        if state is not None and state.pause:
            await world.command("resume")

    def _of_others(self) -> bool:
        """The split is applied from Git, or its owner is a Canary that is gone: a restored copy can say so."""
        metadata = (self.sim.object("trafficsplits") or {"metadata": {}})["metadata"]
        owner = (metadata.get("annotations") or {}).get(OWNER_ANNOTATION, "")
        managers = [entry["manager"] for entry in metadata.get("managedFields") or ()]
        return GITOPS in managers or not owner.startswith(f"{self.sim.app.name}/")

    async def _rest(self) -> str:
        sim = self.sim
        await self.world.as_told()
        await self._settle()
        state, record = sim.state(), sim.status().record
        assert state is not None
        known = record.seq if record is not None else 0
        assert known == state.seq, f"L1: the status knows {record}, the split is at {state.seq}"
        self.world.at_rest()
        await self._nothing_is_written(QUIET, "L1", "at rest", "trafficsplits", "canaries")
        self._bounded()
        await self._replace_a_process()
        if self.schedule.undisturbed and not (self.schedule.stale and state.reason == "EndpointsLost"):
            ended = "RolledBack" if self.schedule.errors else "Promoted"
            right = state.phase == ended or self.world.served()
            assert right, f"L1: undisturbed it had ended {ended}, not {state.phase} ({state.reason})"
        await self.world.end()
        return state.phase.value

    async def _settle(self) -> None:
        """Wait until the rollout has ended, also one that begins only now, and the status has followed."""
        sim, began = self.sim, self.sim.clock.monotonic()
        seen: State | None = None
        while seen is None or sim.state() != seen:
            left = began + LIVENESS - sim.clock.monotonic()
            await self.world.reach(lambda: sim.phase() in ("Promoted", "RolledBack") or self.world.served(), left)
            seen = sim.state()
            await self.world.until(sim.clock.monotonic() + SETTLED)

    async def _nothing_is_written(self, seconds: float, invariant: str, when: str, *plurals: str) -> None:
        log = self.sim.cluster.server.commits
        before = len(log)
        await self.sim.clock.sleep(seconds)
        written = [c for c in tuple(log)[before:] if c.plural in plurals or _of_a_controller(c)]
        assert not written, f"{invariant}: {len(written)} writes {when}, the first by {written[0].user_agent}"

    def _bounded(self) -> None:
        for process in self.sim.processes:
            tasks = len(process.loop.running_tasks) if process.loop else 0
            most = MAX_MANAGED_TASKS if self.schedule.managed else MAX_TASKS
            assert tasks <= most, f"S24: {process.identity} has {tasks} tasks at rest"

    async def _replace_a_process(self) -> None:
        """A new process finds nothing to do."""
        process = self.sim.processes[0]
        process.kill()
        await asyncio.sleep(0)
        self.world.bury(process)
        self.world.start()
        await self._nothing_is_written(RESTARTED, "S21", "after a restart", "trafficsplits")


def _of_a_controller(commit: Commit) -> bool:
    """A write of the workload: pods and endpoints go on by themselves."""
    return commit.manager == CONTROLLER_MANAGER and commit.plural in WORKLOAD


def play(seed: int) -> str:
    """Run one seed in virtual time; the phase at rest. Raises `Failed`."""
    return run_virtual(Run(schedule_of(seed)).play())
