"""What people and other programs do to the TrafficSplit."""

from __future__ import annotations

import random
from typing import Any

from canary.api.names import STATE_ANNOTATION
from canary.kube.client import PatchKind
from canary.sandbox.chaos.deeds.deed import Deed
from canary.sandbox.chaos.world import World
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS

FOREIGN = "by-hand"
"""A second split of the same root."""
GITOPS = "argocd-controller"
_SYNC = 30.0


def _backends(world: World, weight: int) -> list[dict[str, Any]]:
    stable, canary = world.sides
    return [{"service": canary, "weight": weight}, {"service": stable, "weight": 100 - weight}]


async def _edit_weights(world: World, dice: random.Random) -> None:
    await world.sim.patch_split({"spec": {"backends": _backends(world, dice.randrange(101))}})


async def _break_backends(world: World, dice: random.Random) -> None:
    whole, other = _backends(world, 50), {"service": "somewhere-else", "weight": 20}
    broken = dice.choice((whole[:1], [*whole, other], [whole[0], whole[0]], [other], [{**whole[0], "weight": 0}]))
    await world.sim.patch_split({"spec": {"backends": broken}})


async def _delete(world: World, _: random.Random) -> None:
    await world.delete(TRAFFIC_SPLITS, world.sim.app.name)


async def _strip_state(world: World, _: random.Random) -> None:
    await world.sim.patch_split({"metadata": {"annotations": {STATE_ANNOTATION: None}}})


async def _garble_state(world: World, dice: random.Random) -> None:
    text = dice.choice(("", "{", "null", '{"v":1}', '{"v":1,"seq":-1}', '{"v":1,"seq":3,"weight":200}'))
    await world.sim.patch_split({"metadata": {"annotations": {STATE_ANNOTATION: text}}})


async def _restore_old(world: World, dice: random.Random) -> None:
    log = world.sim.cluster.server.commits.of("trafficsplits", world.sim.app.namespace, world.sim.app.name)
    copies = [commit.new for commit in log if commit.new]
    if copies:
        old = dice.choice(copies)
        annotations = old["metadata"].get("annotations", {})
        await world.sim.patch_split({"metadata": {"annotations": annotations}, "spec": old["spec"]}, manager="restore")


async def _foreign_split(world: World, dice: random.Random) -> None:
    await world.sim.apply(_split(FOREIGN, world, dice.randrange(101)))
    world.later(dice.uniform(5, 60), lambda: world.delete(TRAFFIC_SPLITS, FOREIGN))


def _split(name: str, world: World, weight: int) -> dict[str, Any]:
    app = world.sim.app
    return {
        "apiVersion": TRAFFIC_SPLITS.api_version,
        "kind": "TrafficSplit",
        "metadata": {"name": name, "namespace": app.namespace},
        "spec": {"service": app.name, "backends": _backends(world, weight)},
    }


async def _gitops(world: World, dice: random.Random) -> None:
    """Somebody has put the split into Git: a program applies it again and again, by force."""
    manifest = _split(world.sim.app.name, world, dice.choice((0, 0, 10, 100)))
    times = dice.choice((1, 2, 6))
    client, app = world.sim.cluster.client_for(GITOPS), world.sim.app

    async def sync() -> None:
        for _ in range(times):
            await client.patch(TRAFFIC_SPLITS, app.name, manifest, app.namespace, kind=PatchKind.APPLY, force=True)
            await world.sim.clock.sleep(_SYNC)

    world.spawn(sync())


DEEDS = {
    "edit weights": Deed(4, _edit_weights),
    "break backends": Deed(3, _break_backends),
    "delete split": Deed(3, _delete),
    "strip state": Deed(2, _strip_state),
    "garble state": Deed(2, _garble_state),
    "restore old split": Deed(3, _restore_old),
    "foreign split": Deed(2, _foreign_split),
    "split in Git": Deed(2, _gitops),
}
