"""The world of a run, as those who make trouble in it reach for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from canary.controller.app import LeadershipLost
from canary.controller.watches import CANARIES
from canary.kube.errors import KubeError
from canary.kube.resources import DEPLOYMENTS, PODS, SERVICES, Resource
from canary.sandbox.apiserver.faults import Effect, Rule
from canary.sandbox.app import Release
from canary.sandbox.mesh.behaviour import ERRORS_ANNOTATION, LATENCY_ANNOTATION
from canary.sandbox.process import Process
from canary.sandbox.simulation import POLL, Simulation
from canary.sandbox.workloads import READY_ANNOTATION

PROCESS = "controller-"
"""How the user agents of controllers begin; faults meet nobody else."""
BLIND = 80.0
"""Seconds in which a process may not have seen the endpoints, where its first watch is silent or fails."""
EXIT = 10.0
"""Seconds of its own in which a process that was asked to end has ended."""
_TICK = 5.0
_SLOWEST, _FASTEST = 0.8, 1.25
_HOUR = 3600.0


class World:
    """`sim` and what is done to it. `errors` is the percentage of failures of the new release.

    `resources` are what the controller reads or writes here, and what an outage can be of.
    """

    resources: tuple[str, ...] = (
        "trafficsplits", "canaries", "endpointslices", "services", "pods", "events", "leases",
        "customresourcedefinitions",
    )  # fmt: skip

    def __init__(
        self, seed: int, *, leader_elect: bool, skewed: bool, latency: float, lag: float, errors: float
    ) -> None:
        way = random.Random(seed ^ 0x1A7E)
        self.sim = Simulation(
            random.Random(seed),
            model_seed=seed,
            leader_elect=leader_elect,
            blind=BLIND,
            latency=(lambda: way.expovariate(1 / latency)) if latency else None,
            lag=(lambda: way.uniform(0, lag)) if lag else None,
            judged=False,
            skewed=skewed,
        )
        self.releases = (Release("1"), Release("2", errors=errors))
        self._skewed, self._clocks = skewed, random.Random(seed ^ 0xC10C)
        self.born = 0
        self._leaving: dict[Process, float] = {}
        self._later: set[asyncio.Task[None]] = set()

    @property
    def processes(self) -> list[Process]:
        return self.sim.processes

    @property
    def sides(self) -> tuple[str, str]:
        """The Services of stable and canary."""
        return self.sim.app.backend("1"), self.sim.app.backend("2")

    def canary(self, **overrides: Any) -> dict[str, Any]:
        """The Canary as its owner wants it; `overrides` replace fields of the spec."""
        return self.sim.canary("1", "2", **overrides)

    async def begin(self) -> None:
        """What there is before anything happens."""
        await self.sim.start_app(*self.releases)
        await self.sim.apply(self.canary())

    async def restore(self) -> None:
        """Everything but Canary and split is as its owner wants it again."""
        app = self.sim.app
        for service in self.sim.services(*self.releases):
            # A selector is one map to its owner: what others have added stays, unless it is taken away.
            with suppress(KubeError):
                await self.patch(SERVICES, service["metadata"]["name"], {"spec": {"selector": None}})
        await self.sim.apply(*self.sim.services(*self.releases), *map(app.deployment, self.releases))
        for release in self.releases:
            await self.annotate_pods(release.version, READY_ANNOTATION, None)
            await self.annotate_pods(release.version, LATENCY_ANNOTATION, None)
            await self.annotate_pods(release.version, ERRORS_ANNOTATION, f"{release.errors:g}")

    def served(self) -> bool:
        """What is wanted serves, and nothing runs."""
        return self.sim.phase() == "Idle" and self.sim.weights() == {self.sim.app.backend("2"): 100}

    async def as_told(self) -> None:
        """People do what the status asks of them."""

    def at_rest(self) -> None:
        """Raises `AssertionError` for what must not be once everything is well again."""

    async def end(self) -> None:
        """What happens after everything else."""

    def start(self) -> None:
        """Start one more controller process, with clocks of its own where clocks are skewed."""
        rate = self._clocks.uniform(_SLOWEST, _FASTEST) if self._skewed else 1.0
        offset = self._clocks.uniform(-_HOUR, _HOUR) if self._skewed else 0.0
        self.sim.start(f"{PROCESS}{self.born}", rate=rate, wall_offset=offset)
        self.born += 1

    def revive(self) -> None:
        """Start a process anew wherever one has ended, as a Deployment would.

        Raises `AssertionError`: L12 for one that does not end in time, S24 for one that died of what it may not die of.
        """
        for process in [process for process in self.processes if process.task.done()]:
            died_of = _cause(process)
            assert died_of is None, f"S24: {process.identity} died of {died_of!r}"
            self.bury(process)
            self.start()
        now = self.sim.clock.monotonic()
        late = [process.identity for process, deadline in self._leaving.items() if now > deadline]
        assert not late, f"L12: {late} did not end within {EXIT:g} s"

    def bury(self, process: Process) -> None:
        """Look no more at a process that has ended or was killed."""
        self.processes.remove(process)
        self._leaving.pop(process, None)

    def terminate(self, process: Process) -> None:
        """SIGTERM: from now on it has so many seconds to end by itself."""
        process.controller.stop()
        if process.loop is not None and not process.loop.stopped:
            self._leaving.setdefault(process, self.sim.clock.monotonic() + EXIT / process.loop.rate)

    def excuse(self, process: Process) -> None:
        """A process that stands still cannot end in time."""
        self._leaving.pop(process, None)

    async def until(self, moment: float) -> None:
        """Wait, and meanwhile keep the processes alive."""
        while (left := moment - self.sim.clock.monotonic()) > 0:
            self.revive()
            await self.sim.clock.sleep(min(left, _TICK))
        self.revive()

    async def reach(self, reached: Callable[[], bool], timeout: float) -> None:
        """Wait until `reached`, and meanwhile keep the processes alive. Raises `AssertionError` (L1)."""
        deadline = self.sim.clock.monotonic() + timeout
        while not reached():
            self.revive()
            status = self.sim.status()
            words = f"{status.phase} {status.message} {self.sim.state()}"
            assert self.sim.clock.monotonic() < deadline, f"L1: no end after {timeout:g} s: {words}"
            await self.sim.clock.sleep(POLL)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on beside the run; it ends when the world heals."""
        task = asyncio.create_task(_quietly(work))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def later(self, seconds: float, deed: Callable[[], Awaitable[None] | None]) -> None:
        """Do something after a while, or when the world heals if that comes first."""

        async def wait() -> None:
            try:
                await self.sim.clock.sleep(seconds)
            finally:
                done = deed()
                if done is not None:
                    await done

        self.spawn(wait())

    def fault(self, seconds: float, effect: Effect, **where: Any) -> Rule:
        """A fault that requests of controllers meet for a while; `where` as in `Faults.add`."""
        faults = self.sim.cluster.server.faults
        rule = faults.add(effect, user_agent=PROCESS, **where)
        # Before what may happen at any time: this outage is one.
        faults.rules.insert(0, faults.rules.pop())
        self.later(seconds, lambda: faults.remove(rule))
        return rule

    async def quiet(self) -> None:
        """End everything that `spawn` and `later` have begun."""
        for task in (tasks := tuple(self._later)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def patch(self, resource: Resource, name: str, patch: dict[str, Any], **options: Any) -> None:
        """A merge patch of something in the application's namespace."""
        await self.sim.cluster.client.patch(resource, name, patch, self.sim.app.namespace, **options)

    async def patch_deployment(self, version: str, patch: dict[str, Any]) -> None:
        await self.patch(DEPLOYMENTS, self.sim.app.backend(version), patch)

    async def annotate_pods(self, version: str, annotation: str, value: str | None) -> None:
        """Say something to every pod of a release that there is now."""
        patch = {"metadata": {"annotations": {annotation: value}}}
        for name in await self._pods(version):
            with suppress(KubeError):
                await self.patch(PODS, name, patch)

    async def _pods(self, version: str) -> list[str]:
        selector = f"app={self.sim.app.name},version={version}"
        found = await self.sim.cluster.client.list(PODS, self.sim.app.namespace, label_selector=selector)
        return [pod["metadata"]["name"] for pod in found.items]

    async def command(self, verb: str) -> None:
        """A command as the command line gives it, for the revision under trial."""
        state = self.sim.state()
        if state is not None:
            await self.sim.annotate(command=f"{verb}@{state.revision}@{self.sim.clock.now()}")

    async def delete(self, resource: Resource, name: str, propagation: str | None = None) -> None:
        await self.sim.cluster.client.delete(resource, name, self.sim.app.namespace, propagation=propagation)

    async def gone(self, name: str, timeout: float) -> None:
        """Wait until no Canary of this name is left. Raises `AssertionError` (L6)."""
        deadline = self.sim.clock.monotonic() + timeout
        while any(obj["metadata"].get("deletionTimestamp") for obj in await self.canaries(name)):
            assert self.sim.clock.monotonic() < deadline, f"L6: the deletion of {name} takes over {timeout:g} s"
            self.revive()
            await self.sim.clock.sleep(1.0)

    async def canaries(self, name: str) -> list[dict[str, Any]]:
        """The Canary of this name, if there is one."""
        found = await self.sim.cluster.client.list(CANARIES, self.sim.app.namespace)
        return [obj for obj in found.items if obj["metadata"]["name"] == name]


def _cause(process: Process) -> BaseException | None:
    """What a process died of; `None` when it ended as asked, or because it leads no more."""
    error = None if process.task.cancelled() else process.task.exception()
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return None if isinstance(error, LeadershipLost) else error


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    with suppress(KubeError):
        await work
