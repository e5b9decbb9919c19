"""A rollout under fire: faults at the API server, dying controllers, and people and programs that interfere.

Everything that happens is drawn from one seed before it begins, so a failure is replayed by its number:

    python -m canary.sandbox.chaos 42

After a while the faults cease and the Canary is what it was; then the rollout has to end, the status has to follow, and
nothing may be written any more. The oracle judges every write from the first to the last.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from canary.api.names import STATE_ANNOTATION
from canary.core.state import decode_state
from canary.kube.errors import KubeError
from canary.kube.resources import DEPLOYMENTS
from canary.sandbox.apiserver import faults
from canary.sandbox.apiserver.commitlog import Commit
from canary.sandbox.apiserver.faults import Answer, Effect, Hang
from canary.sandbox.app import Release
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual

EFFECTS: tuple[Effect, ...] = (
    Answer(409), Answer(500), Answer(429, retry_after=2), Answer(429), Answer(503), faults.Drop(), faults.LoseAnswer(),
    Hang(), Hang(executed=True), faults.Delay(before=3), faults.Delay(after=4), faults.Stale(5), faults.Stale(30),
    faults.Cut(seconds=20), faults.Cut(lines=2, torn=True), faults.Silence(3), faults.Expire(2), faults.Duplicate(),
)  # fmt: skip
RATES = (0.0, 0.02, 0.1, 0.3)
PROCESS = "controller-"
LIVENESS = 900.0
"""Seconds in which a rollout has to end once everything is well again."""
MAX_BURST = 12
"""Writes of the split that may fall into one second: three transitions of three processes."""
BLIND = 80.0
"""Seconds in which a process may not have seen the endpoints, where its first watch is silent or fails."""
PLANS: tuple[list[dict[str, Any]], ...] = (
    [{"weight": 10, "hold": "20s"}, {"weight": 50, "hold": "30s"}],
    [{"weight": 5, "hold": "10s"}, {"approval": "ok"}, {"weight": 100, "hold": "5s"}],
)


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens at a moment (seconds from the start); `dice` is the seed of the choices it makes."""

    at: float
    name: str
    dice: int

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.name}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run, whole: `errors` is the new release's percentage, `effects` meet requests with `rate`."""

    seed: int
    errors: float
    leader_elect: bool
    processes: int
    effects: tuple[Effect, ...]
    rate: float
    seconds: float
    actions: tuple[Action, ...]

    def __str__(self) -> str:
        lines = [
            f"{self.processes} processes, leader election {'on' if self.leader_elect else 'off'}, "
            f"{self.errors:g} % errors, faults at {self.rate:g}: {', '.join(map(str, self.effects))}",
            *map(str, self.actions),
        ]
        return "\n".join(lines)


class Failed(AssertionError):
    """The run of a seed broke an invariant, or did not come to rest; the message says how to see it again."""

    def __init__(self, schedule: Schedule, why: BaseException) -> None:
        replay = f"python -m canary.sandbox.chaos {schedule.seed}"
        super().__init__(f"{type(why).__name__}: {why}\n\nreplay: {replay}\n\n{schedule}")


def schedule_of(seed: int) -> Schedule:
    """Draws a run. The same seed gives the same one, in every version that has the same tables."""
    rng = random.Random(seed)
    seconds = float(rng.choice((100, 300)))
    calm = rng.random() < 0.3
    return Schedule(
        seed=seed,
        errors=float(rng.choice((0, 0, 20, 60))),
        leader_elect=rng.random() < 0.3,
        processes=rng.choice((1, 2, 2, 3)),
        effects=tuple(rng.sample(EFFECTS, k=4)),
        rate=rng.choice(RATES),
        seconds=seconds,
        actions=() if calm else tuple(_actions(rng, seconds)),
    )


def _actions(rng: random.Random, seconds: float) -> Iterator[Action]:
    names, weights = list(_ACTIONS), [weight for weight, _ in _ACTIONS.values()]
    at = rng.uniform(0, 10)
    while at < seconds:
        yield Action(at, rng.choices(names, weights)[0], rng.getrandbits(32))
        at += rng.uniform(2, 20)


class Run:
    """Plays a schedule. `play` raises `Failed`."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        rng = random.Random(schedule.seed)
        self.sim = Simulation(rng, model_seed=schedule.seed, leader_elect=schedule.leader_elect, blind=BLIND)
        self._born = 0

    async def play(self) -> str:
        """Play it to the end; the phase in which the rollout came to rest."""
        try:
            async with self.sim:
                await self._trouble()
                await self._heal()
                return await self._rest()
        except (AssertionError, Exception) as error:
            raise Failed(self.schedule, error) from error

    async def _trouble(self) -> None:
        await self.sim.start_app(Release("1"), Release("2", errors=self.schedule.errors))
        await self.sim.apply(self.sim.canary("1", "2"))
        for _ in range(self.schedule.processes):
            self.start()
        for effect in self.schedule.effects:
            self.sim.cluster.server.faults.add(effect, probability=self.schedule.rate, user_agent=PROCESS)
        began = self.sim.clock.monotonic()
        for action in self.schedule.actions:
            await self._until(began + action.at)
            with suppress(KubeError):
                await _ACTIONS[action.name][1](self, random.Random(action.dice))
        await self._until(began + self.schedule.seconds)

    async def _until(self, moment: float) -> None:
        """Wait, and meanwhile start a process anew wherever one has ended, as a Deployment would."""
        while (left := moment - self.sim.clock.monotonic()) > 0:
            self.revive()
            await self.sim.clock.sleep(min(left, 5.0))
        self.revive()

    async def _heal(self) -> None:
        self.sim.cluster.server.faults.clear()
        for version in ("1", "2"):
            await self.scale(version, 2)
        await self.sim.apply(self.sim.canary("1", "2"))
        await self.sim.annotate(command=None)
        await self._until(self.sim.clock.monotonic() + 120)
        state = self.sim.state()
        if state is not None and state.pause:
            await self.command("resume")

    async def _rest(self) -> str:
        sim = self.sim
        await sim.until(lambda: sim.phase() in ("Promoted", "RolledBack") or self._served(), LIVENESS)
        await sim.clock.sleep(70)
        state, record = sim.state(), sim.status().record
        assert state is not None
        known = record.seq if record is not None else 0
        assert known == state.seq, f"L1: the status knows {record}, the split is at {state.seq}"
        before = len(sim.cluster.server.commits.of("trafficsplits"))
        await sim.clock.sleep(300)
        after = len(sim.cluster.server.commits.of("trafficsplits"))
        assert before == after, f"L1: {after - before} writes of the split at rest"
        self._calm()
        return sim.phase()

    def _calm(self) -> None:
        """S19: no hot loop, not even between processes that see different things."""
        log = self.sim.cluster.server.commits.of("trafficsplits")
        times = [commit.monotonic for commit in log if commit.user_agent.startswith(PROCESS)]
        for first, last in zip(times, times[MAX_BURST:], strict=False):
            assert last - first > 1.0, f"S19: over {MAX_BURST} writes of the split within a second of {first:.2f} s"

    def _served(self) -> bool:
        return self.sim.phase() == "Idle" and self.sim.weights() == {self.sim.app.backend("2"): 100}

    def start(self) -> None:
        self.sim.start(f"{PROCESS}{self._born}")
        self._born += 1

    def revive(self) -> None:
        for process in [process for process in self.sim.processes if process.task.done()]:
            self.sim.processes.remove(process)
            self.start()

    async def scale(self, version: str, replicas: int) -> None:
        await self.patch_deployment(version, {"spec": {"replicas": replicas}})

    async def patch_deployment(self, version: str, patch: dict[str, Any]) -> None:
        app = self.sim.app
        await self.sim.cluster.client.patch(DEPLOYMENTS, app.backend(version), patch, app.namespace)

    async def command(self, verb: str) -> None:
        state = self.sim.state()
        if state is not None:
            await self.sim.annotate(command=f"{verb}@{state.revision}@{self.sim.clock.now()}")


Deed = Callable[[Run, random.Random], Awaitable[None]]


async def _kill(run: Run, dice: random.Random) -> None:
    process = dice.choice(run.sim.processes)
    process.kill()
    await asyncio.sleep(0)
    run.sim.processes.remove(process)
    run.start()


async def _cut_watches(run: Run, _: random.Random) -> None:
    run.sim.cluster.server.cut_watches()


async def _compact(run: Run, _: random.Random) -> None:
    run.sim.cluster.server.compact()


async def _command(run: Run, dice: random.Random) -> None:
    await run.command(dice.choice(("promote", "pause", "resume", "retry", "promote-full", "approve/ok")))


async def _withdraw_command(run: Run, _: random.Random) -> None:
    await run.sim.annotate(command=None)


async def _abort(run: Run, _: random.Random) -> None:
    await run.sim.annotate(abort=f"@{run.sim.clock.now()}")


async def _edit_weights(run: Run, dice: random.Random) -> None:
    app, weight = run.sim.app, dice.randrange(101)
    backends = [
        {"service": app.backend("2"), "weight": weight},
        {"service": app.backend("1"), "weight": 100 - weight},
    ]
    await run.sim.patch_split({"spec": {"backends": backends}})


async def _delete_split(run: Run, _: random.Random) -> None:
    await run.sim.cluster.client.delete(TRAFFIC_SPLITS, run.sim.app.name, run.sim.app.namespace)


async def _strip_state(run: Run, _: random.Random) -> None:
    await run.sim.patch_split({"metadata": {"annotations": {STATE_ANNOTATION: None}}})


async def _restore_old_split(run: Run, dice: random.Random) -> None:
    copies = [c.new for c in run.sim.cluster.server.commits.of("trafficsplits", run.sim.app.namespace) if c.new]
    if copies:
        old = dice.choice(copies)
        annotations = old["metadata"].get("annotations", {})
        await run.sim.patch_split({"metadata": {"annotations": annotations}, "spec": old["spec"]}, manager="restore")


async def _scale(run: Run, dice: random.Random) -> None:
    await run.scale(dice.choice("12"), dice.choice((0, 1, 2)))


async def _new_revision(run: Run, dice: random.Random) -> None:
    labels = {"build": format(dice.getrandbits(32), "x")}
    await run.patch_deployment("2", {"spec": {"template": {"metadata": {"labels": labels}}}})


async def _edit_steps(run: Run, dice: random.Random) -> None:
    await run.sim.apply(run.sim.canary("1", "2", steps=dice.choice(PLANS)))


async def _suspend(run: Run, dice: random.Random) -> None:
    await run.sim.apply(run.sim.canary("1", "2", suspend=dice.random() < 0.5))


_ACTIONS: dict[str, tuple[int, Deed]] = {
    "kill": (15, _kill),
    "cut watches": (5, _cut_watches),
    "compact": (3, _compact),
    "withdraw command": (2, _withdraw_command),
    "command": (8, _command),
    "abort": (2, _abort),
    "edit weights": (4, _edit_weights),
    "delete split": (2, _delete_split),
    "strip state": (2, _strip_state),
    "restore old split": (2, _restore_old_split),
    "scale": (8, _scale),
    "new revision": (3, _new_revision),
    "edit steps": (2, _edit_steps),
    "suspend": (2, _suspend),
}


def story(commits: tuple[Commit, ...]) -> Iterator[str]:
    """What was written to a split, one line a write."""
    for commit in commits:
        if commit.new is None:
            yield f"{commit.monotonic:8.2f} s  deleted by {commit.user_agent}"
            continue
        text = (commit.new["metadata"].get("annotations") or {}).get(STATE_ANNOTATION)
        state = decode_state(text)
        weights = " ".join(f"{b['service']}={b['weight']}" for b in commit.new["spec"]["backends"])
        said = f"{state.seq} {state.phase} step {state.step} {[s.reason for s in state.said]}" if state else "no state"
        yield f"{commit.monotonic:8.2f} s  {commit.user_agent:14} {weights:32} {said}"


def play(seed: int) -> str:
    """Run one seed in virtual time; the phase at rest. Raises `Failed`."""
    return run_virtual(Run(schedule_of(seed)).play())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.chaos", description="Replay runs by their seeds.")
    parser.add_argument("seed", type=int, nargs="+", help="the number of a run")
    parser.add_argument("--quiet", action="store_true", help="print the phase at rest, not every write")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    for seed in options.seed:
        run = Run(schedule_of(seed))
        try:
            print(seed, run_virtual(run.play()))
        finally:
            if not options.quiet:
                print(run.schedule, *story(run.sim.cluster.server.commits.of("trafficsplits")), sep="\n")


if __name__ == "__main__":
    main()
