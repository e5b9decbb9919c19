"""What happens to the application: its Deployments, pods and Services."""

from __future__ import annotations

import random

from canary.kube.resources import DEPLOYMENTS, SERVICES
from canary.sandbox.chaos.deeds.deed import Deed
from canary.sandbox.chaos.world import World
from canary.sandbox.mesh.behaviour import ERRORS_ANNOTATION, LATENCY_ANNOTATION
from canary.sandbox.workloads import READY_ANNOTATION

_SECONDS = (2.0, 10.0, 40.0)


async def _scale(world: World, dice: random.Random) -> None:
    await world.patch_deployment(dice.choice("12"), {"spec": {"replicas": dice.choice((0, 1, 2, 3))}})


async def _new_revision(world: World, dice: random.Random) -> None:
    labels = {"build": format(dice.getrandbits(32), "x")}
    await world.patch_deployment("2", {"spec": {"template": {"metadata": {"labels": labels}}}})


async def _there_and_back(world: World, dice: random.Random) -> None:
    """A new revision, and soon after the one before it again."""
    labels = {"hotfix": "1"}
    await world.patch_deployment("2", {"spec": {"template": {"metadata": {"labels": labels}}}})
    back = {"spec": {"template": {"metadata": {"labels": {"hotfix": None}}}}}
    world.later(dice.choice(_SECONDS), lambda: world.patch_deployment("2", back))


async def _new_stable(world: World, dice: random.Random) -> None:
    labels = {"build": format(dice.getrandbits(32), "x")}
    await world.patch_deployment("1", {"spec": {"template": {"metadata": {"labels": labels}}}})


async def _delete_deployment(world: World, dice: random.Random) -> None:
    await world.delete(DEPLOYMENTS, world.sim.app.backend(dice.choice("122")))


async def _unready(world: World, dice: random.Random) -> None:
    version = dice.choice("122")
    await world.annotate_pods(version, READY_ANNOTATION, "false")
    world.later(dice.choice(_SECONDS), lambda: world.annotate_pods(version, READY_ANNOTATION, None))


async def _turns_bad(world: World, dice: random.Random) -> None:
    await world.annotate_pods("2", ERRORS_ANNOTATION, dice.choice(("5", "30", "100")))


async def _turns_good(world: World, _: random.Random) -> None:
    await world.annotate_pods("2", ERRORS_ANNOTATION, "0")


async def _turns_slow(world: World, dice: random.Random) -> None:
    await world.annotate_pods("2", LATENCY_ANNOTATION, dice.choice(("300ms", "2s")))


async def _stable_turns_bad(world: World, dice: random.Random) -> None:
    await world.annotate_pods("1", ERRORS_ANNOTATION, dice.choice(("5", "30")))


async def _delete_service(world: World, dice: random.Random) -> None:
    app, version = world.sim.app, dice.choice("122")
    release = world.releases[0] if version == "1" else world.releases[1]
    await world.delete(SERVICES, app.backend(version))
    world.later(dice.choice(_SECONDS), lambda: world.sim.apply(app.service(release)))


async def _edit_selector(world: World, dice: random.Random) -> None:
    """A Service selects the pods of the other side, of both, or nobody's."""
    app = world.sim.app
    name = dice.choice((app.name, app.backend("2"), app.backend("2"), app.backend("1")))
    selector = dice.choice(({"version": "1"}, {"version": "2"}, {"version": None}, {"version": "3"}))
    await world.patch(SERVICES, name, {"spec": {"selector": selector}})
    world.later(dice.choice(_SECONDS), lambda: world.sim.apply(*world.sim.services(*world.releases)))


DEEDS = {
    "scale": Deed(8, _scale),
    "new revision": Deed(4, _new_revision),
    "there and back": Deed(2, _there_and_back),
    "new stable": Deed(2, _new_stable),
    "delete deployment": Deed(2, _delete_deployment),
    "unready": Deed(5, _unready),
    "turns bad": Deed(4, _turns_bad),
    "turns good": Deed(2, _turns_good),
    "turns slow": Deed(3, _turns_slow),
    "stable turns bad": Deed(2, _stable_turns_bad),
    "delete service": Deed(2, _delete_service),
    "edit selector": Deed(2, _edit_selector),
}
