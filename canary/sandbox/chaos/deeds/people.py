"""What people do to a Canary."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from canary.controller.watches import CANARIES
from canary.kube.errors import KubeError
from canary.sandbox.chaos.deeds.deed import Deed
from canary.sandbox.chaos.world import World

RIVAL = "rival"
"""A second Canary for the same root."""
PLANS: tuple[list[dict[str, Any]], ...] = (
    [{"weight": 10, "hold": "20s"}, {"weight": 50, "hold": "30s"}],
    [{"weight": 5, "hold": "10s"}, {"approval": "ok"}, {"weight": 100, "hold": "5s"}],
    [{"weight": 30, "hold": "10s", "minRequests": 300}, {"weight": 60}],
)
ANALYSES: tuple[dict[str, Any], ...] = (
    {"interval": "5s", "warmup": "0s"},
    {"interval": "10s", "warmup": "5s", "failureLimit": 1},
    {"interval": "15s", "warmup": "5s", "noData": {"timeout": "30s", "action": "Rollback"}},
    {"interval": "10s", "warmup": "5s", "sourceError": {"timeout": "30s", "action": "Rollback"}},
)
VERBS = ("promote", "promote", "pause", "resume", "retry", "promote-full", "approve/ok", "approve/other", "nonsense")
_FLOOD = 60


async def _command(world: World, dice: random.Random) -> None:
    await world.command(dice.choice(VERBS))


async def _stale_command(world: World, dice: random.Random) -> None:
    """A command for a revision that is not under trial."""
    await world.sim.annotate(command=f"{dice.choice(VERBS)}@{dice.getrandbits(40):x}@{world.sim.clock.now()}")


async def _withdraw_command(world: World, _: random.Random) -> None:
    await world.sim.annotate(command=None)


async def _abort(world: World, dice: random.Random) -> None:
    revision = (state.revision if (state := world.sim.state()) else "") if dice.random() < 0.5 else ""
    await world.sim.annotate(abort=f"{revision}@{world.sim.clock.now()}")


async def _edit_steps(world: World, dice: random.Random) -> None:
    await world.sim.apply(world.canary(steps=dice.choice(PLANS)))


async def _edit_analysis(world: World, dice: random.Random) -> None:
    await world.sim.apply(world.canary(analysis=dice.choice(ANALYSES)))


async def _suspend(world: World, dice: random.Random) -> None:
    await world.sim.apply(world.canary(suspend=dice.random() < 0.5))


async def _swap(world: World, dice: random.Random) -> None:
    """The backends of the spec change places, and back after a while."""
    await world.sim.apply(world.sim.canary("2", "1"))
    world.later(dice.choice((1.0, 20.0)), lambda: world.sim.apply(world.canary()))


async def _delete(world: World, dice: random.Random) -> None:
    """The Canary is deleted, in one of the three ways, and made anew after a while."""
    with suppress(KubeError):
        # It would be the only one then, and in its rights.
        await world.delete(CANARIES, RIVAL)
    await world.delete(CANARIES, world.sim.app.name, dice.choice(("Foreground", "Background", "Orphan")))
    world.later(dice.choice((0.5, 5.0, 30.0)), lambda: world.sim.apply(world.canary()))


async def _strip_finalizers(world: World, _: random.Random) -> None:
    await world.patch(CANARIES, world.sim.app.name, {"metadata": {"finalizers": None}})


async def _rival(world: World, dice: random.Random) -> None:
    present = await world.canaries(world.sim.app.name)
    if not present or present[0]["metadata"].get("deletionTimestamp"):
        return  # it would be no rival
    manifest = world.canary()
    manifest["metadata"] = {**manifest["metadata"], "name": RIVAL}
    await world.sim.apply(manifest)
    world.later(dice.uniform(5, 60), lambda: world.delete(CANARIES, RIVAL))


async def _flood(world: World, dice: random.Random) -> None:
    """Something that nobody asked for changes the Canary all the time."""
    for number in range(_FLOOD):
        await world.patch(CANARIES, world.sim.app.name, {"metadata": {"annotations": {"ticker": str(number)}}})
        await world.sim.clock.sleep(dice.choice((0.0, 0.0, 0.05)))


DEEDS = {
    "command": Deed(8, _command),
    "stale command": Deed(2, _stale_command, harmless=True),
    "withdraw command": Deed(2, _withdraw_command, harmless=True),
    "abort": Deed(3, _abort),
    "edit steps": Deed(3, _edit_steps),
    "edit analysis": Deed(3, _edit_analysis),
    "suspend": Deed(2, _suspend),
    "swap": Deed(1, _swap),
    "delete canary": Deed(3, _delete),
    "strip finalizers": Deed(1, _strip_finalizers),
    "rival": Deed(2, _rival),
    "flood": Deed(2, _flood, harmless=True),
}
