"""What happens to the API server and to the rights of the controller: outages of one thing, or of all."""

from __future__ import annotations

import random

from canary.sandbox.apiserver import faults
from canary.sandbox.apiserver.faults import Answer, Effect
from canary.sandbox.chaos.deeds.deed import Deed
from canary.sandbox.chaos.world import World

WRITES = "create,update,patch,delete"
READS = "get,list"
OUTAGES: tuple[Effect, ...] = (
    Answer(403), Answer(404), Answer(429, retry_after=5), Answer(500), Answer(503), faults.Drop(), faults.LoseAnswer(),
    faults.Hang(), faults.Hang(executed=True), faults.Refuse(), faults.Delay(before=6), faults.Delay(after=6),
)  # fmt: skip
_SECONDS = (3.0, 15.0, 40.0)


async def _cut_watches(world: World, _: random.Random) -> None:
    world.sim.cluster.server.cut_watches()


async def _compact(world: World, _: random.Random) -> None:
    world.sim.cluster.server.compact()


async def _restart(world: World, dice: random.Random) -> None:
    """All connections break, and none can be made for a while."""
    world.sim.cluster.server.cut_watches()
    world.fault(dice.choice(_SECONDS), faults.Refuse())


async def _outage(world: World, dice: random.Random) -> None:
    """One sort of request fails in one way, for a while."""
    world.fault(
        dice.choice(_SECONDS),
        dice.choice(OUTAGES),
        resource=dice.choice(world.resources),
        verb=dice.choice((WRITES, READS, "", "watch")),
    )


async def _deny(world: World, dice: random.Random) -> None:
    """A right is taken away, and given back."""
    world.fault(
        dice.choice(_SECONDS), Answer(403), resource=dice.choice(world.resources), verb=dice.choice((WRITES, ""))
    )


async def _no_writes(world: World, dice: random.Random) -> None:
    """Nothing can be written, as when etcd has lost its quorum or a webhook refuses everything."""
    effect = dice.choice((Answer(500), Answer(504), faults.Hang(), faults.Drop(), Answer(429)))
    world.fault(dice.choice(_SECONDS), effect, verb=WRITES)


DEEDS = {
    "cut watches": Deed(4, _cut_watches, harmless=True),
    "compact": Deed(3, _compact, harmless=True),
    "restart of the API server": Deed(2, _restart, harmless=True),
    "outage": Deed(6, _outage, harmless=True),
    "deny": Deed(2, _deny, harmless=True),
    "no writes": Deed(2, _no_writes, harmless=True),
}
