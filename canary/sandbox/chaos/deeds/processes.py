"""What happens to controller processes, their clocks and their Lease."""

from __future__ import annotations

import asyncio
import random

from canary.kube.resources import LEASES
from canary.sandbox.chaos.deeds.deed import Deed
from canary.sandbox.chaos.world import World
from canary.sandbox.process import Process
from canary.sandbox.process_loop import ProcessClock

LEASE = "canary-controller"
_HOUR = 3600.0


def _alive(world: World, dice: random.Random) -> Process | None:
    running = [process for process in world.processes if process.running]
    return dice.choice(running) if running else None


async def _kill(world: World, dice: random.Random) -> None:
    process = _alive(world, dice)
    if process is not None:
        process.kill()
        await asyncio.sleep(0)
        world.bury(process)
        world.start()


async def _kill_all(world: World, _: random.Random) -> None:
    for process in tuple(world.processes):
        process.kill()
        world.bury(process)
        world.start()


async def _terminate(world: World, dice: random.Random) -> None:
    process = _alive(world, dice)
    if process is not None:
        world.terminate(process)


async def _freeze(world: World, dice: random.Random) -> None:
    process = _alive(world, dice)
    if process is not None:
        world.excuse(process)
        process.freeze()
        world.later(dice.choice((1.0, 5.0, 20.0, 40.0)), process.thaw)


async def _wall_jump(world: World, dice: random.Random) -> None:
    process = _alive(world, dice)
    if process is not None and isinstance(process.clock, ProcessClock):
        world.sim.skewed = True
        process.clock.wall_offset += dice.choice((-_HOUR, -60.0, 60.0, _HOUR))


async def _delete_lease(world: World, _: random.Random) -> None:
    await world.delete(LEASES, LEASE)


async def _edit_lease(world: World, dice: random.Random) -> None:
    renewed = f"{dice.choice((2020, 2026, 2036))}-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": dice.choice(("", "somebody", None)), "renewTime": renewed, "leaseTransitions": 0}
    await world.patch(LEASES, LEASE, {"spec": spec})


DEEDS = {
    "kill": Deed(15, _kill, harmless=True),
    "kill all": Deed(3, _kill_all, harmless=True),
    "terminate": Deed(6, _terminate, harmless=True),
    "freeze": Deed(8, _freeze, harmless=True),
    "wall jump": Deed(3, _wall_jump, harmless=True),
    "delete lease": Deed(2, _delete_lease, harmless=True),
    "edit lease": Deed(2, _edit_lease, harmless=True),
}
