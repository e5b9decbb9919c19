"""What is played: a release, a plan, and what people do meanwhile. Short in virtual time, for it is played often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from canary.controller.watches import CANARIES
from canary.kube.resources import DEPLOYMENTS
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation

GONE = 2.0
"""Seconds after which everybody has seen that pods that were scaled away are no more."""
Script = Callable[[Simulation], Awaitable[None]]
PATIENCE = 240.0
"""Seconds in which a scenario must come to its end, whatever was done to it once."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`script` acts as people do, and waits for what it acts upon; the rollout ends in `ends` (empty: gone).

    With `managed` there is one Deployment, of which a copy is made, and the script pushes its releases.
    """

    name: str
    about: str
    ends: str
    errors: float = 0.0
    spec: dict[str, Any] = field(default_factory=dict)
    script: Script | None = None
    managed: bool = False

    def canary(self, sim: Simulation) -> dict[str, Any]:
        """The Canary that is applied."""
        if self.managed:
            return sim.managed_canary(**{**QUICK, **_SHARES, **self.spec})
        return sim.canary("1", "2", **{**QUICK, **self.spec})

    async def begin(self, sim: Simulation) -> None:
        """What runs before the Canary is applied."""
        if self.managed:
            await sim.start_managed(Release("1"), replicas=1)
            return
        await sim.start_app(Release("1", replicas=1), Release("2", replicas=1, errors=self.errors))

    def trial(self, sim: Simulation) -> str:
        """The Service under trial."""
        return f"{sim.app.name}-canary" if self.managed else sim.app.backend("2")

    async def play(self, sim: Simulation) -> None:
        """What people do, up to the phase in which the rollout ends."""
        if self.script is not None:
            await self.script(sim)
        if self.ends:
            await sim.until(lambda: sim.phase() == self.ends, PATIENCE)
            await sim.until(lambda: _told(sim), PATIENCE)
            if self.managed:
                await sim.until(lambda: _drained(sim), PATIENCE)
        else:
            await sim.until(lambda: sim.object("canaries") is None, PATIENCE)


QUICK: dict[str, Any] = {
    "steps": [{"weight": 20, "hold": "2s"}, {"weight": 100, "hold": "2s"}],
    "traffic": {"settle": "1s"},
    "analysis": {
        "interval": "2s",
        "warmup": "1s",
        "metrics": [{"name": "success-rate", "min": "99", "rollbackAt": "90"}],
    },
}
_SHARES: dict[str, Any] = {"steps": [{"weight": 20, "hold": "2s"}, {"weight": 50, "hold": "2s"}]}
_WAITING = {"steps": [{"weight": 20, "hold": "1h"}]}


def _told(sim: Simulation) -> bool:
    record, state = sim.status().record, sim.state()
    return record is not None and state is not None and record.seq == state.seq


def _drained(sim: Simulation) -> bool:
    target = sim.object("deployments")
    return target is not None and target["spec"].get("replicas") == 0


async def _push(sim: Simulation, errors: float) -> None:
    await sim.until(lambda: sim.phase() == "Idle", PATIENCE)
    await sim.until(lambda: _told(sim), PATIENCE)
    await sim.clock.sleep(GONE)
    await sim.release(Release("2", errors=errors))


async def _push_good(sim: Simulation) -> None:
    await _push(sim, 0.0)


async def _push_bad(sim: Simulation) -> None:
    await _push(sim, 20.0)


async def _push_again(sim: Simulation) -> None:
    await _push(sim, 0.0)
    await _weight(sim, 20)
    await sim.release(Release("3"))
    await _weight(sim, 0)
    await _weight(sim, 20)


async def _push_bad_and_delete(sim: Simulation) -> None:
    await _push(sim, 20.0)
    await sim.until(lambda: sim.phase() == "RolledBack" and _told(sim) and _drained(sim), PATIENCE)
    await sim.cluster.client.delete(CANARIES, sim.app.name, sim.app.namespace, propagation="Foreground")


async def _weight(sim: Simulation, weight: int) -> None:
    await sim.until(lambda: (state := sim.state()) is not None and state.weight == weight, PATIENCE)


async def _abort(sim: Simulation) -> None:
    await _weight(sim, 20)
    await sim.annotate(abort="@1")
    await _consumed(sim, "abort")


async def _new_revision(sim: Simulation) -> None:
    await _weight(sim, 20)
    patch = {"spec": {"template": {"metadata": {"labels": {"build": "anew"}}}}}
    await sim.cluster.client.patch(DEPLOYMENTS, sim.app.backend("2"), patch, sim.app.namespace)
    await _weight(sim, 0)


async def _delete(sim: Simulation) -> None:
    await _weight(sim, 20)
    await sim.cluster.client.delete(CANARIES, sim.app.name, sim.app.namespace, propagation="Foreground")


async def _command(sim: Simulation, verb: str, at: str) -> None:
    state = sim.state()
    assert state is not None
    await sim.annotate(command=f"{verb}@{state.revision}@{at}")
    await _consumed(sim, "command")


async def _consumed(sim: Simulation, annotation: str) -> None:
    key = f"canary.delivery/{annotation}"
    await sim.until(lambda: key not in (sim.object("canaries") or {})["metadata"].get("annotations", {}), PATIENCE)


async def _approve(sim: Simulation) -> None:
    await _weight(sim, 20)
    await _command(sim, "approve/prod", "1")


async def _retry(sim: Simulation) -> None:
    await _weight(sim, 20)
    await sim.annotate(abort="@1")
    await sim.until(lambda: sim.phase() == "RolledBack", PATIENCE)
    await _consumed(sim, "abort")
    await _command(sim, "retry", "2")
    await _weight(sim, 20)
    await _command(sim, "promote", "3")


_ALL = (
    Scenario("promotion", "a good release, to its end", "Promoted"),
    Scenario("rollback", "a release with 20 % errors is taken back", "RolledBack", errors=20),
    Scenario("abort", "people abort in mid-rollout", "RolledBack", spec=_WAITING, script=_abort),
    Scenario("revision", "new pods in mid-rollout: it starts over", "Promoted", script=_new_revision),
    Scenario("deletion", "the Canary is deleted in mid-rollout", "", spec=_WAITING, script=_delete),
    Scenario(
        "approval",
        "a step waits for people, who approve",
        "Promoted",
        spec={"steps": [{"weight": 20, "hold": "2s"}, {"approval": "prod"}, {"weight": 100, "hold": "2s"}]},
        script=_approve,
    ),
    Scenario("retry", "aborted, tried again, and promoted by a command", "Promoted", spec=_WAITING, script=_retry),
)
MANAGED = (
    Scenario("managed", "a Deployment is taken over, and a good release promoted", "Promoted", script=_push_good,
             managed=True),
    Scenario("managed-rollback", "a release with 20 % errors is taken back", "RolledBack", script=_push_bad,
             managed=True),
    Scenario("managed-revision", "another release in mid-rollout", "Promoted", script=_push_again, managed=True),
    Scenario("managed-deletion", "the Canary is deleted after a rollback: the Deployment serves again", "",
             script=_push_bad_and_delete, managed=True),
)  # fmt: skip
SCENARIOS = {scenario.name: scenario for scenario in (*_ALL, *MANAGED)}
