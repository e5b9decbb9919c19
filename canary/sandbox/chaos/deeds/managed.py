"""What happens to the workload in managed mode: releases, configuration, sizes, and our own parts in others' hands."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

from canary.kube.client import PatchKind
from canary.kube.resources import (
    AUTOSCALERS,
    CONFIG_MAPS,
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    SERVICES,
)
from canary.sandbox.app import Release
from canary.sandbox.chaos.deeds.deed import Deed, Doing
from canary.sandbox.chaos.managed_world import CONFIG, ManagedWorld
from canary.sandbox.chaos.world import World
from canary.sandbox.managed_app import autoscaler, config_map
from canary.sandbox.mesh.behaviour import ERRORS_ANNOTATION, LATENCY_ANNOTATION
from canary.sandbox.workloads import READY_ANNOTATION

_SECONDS = (2.0, 10.0, 40.0)
_SYNC = 30.0
_HPA = "kube-controller-manager"
_GITOPS = "argocd-controller"


def _in_managed(do: Callable[[ManagedWorld, random.Random], Awaitable[None]]) -> Doing:
    async def deed(world: World, dice: random.Random) -> None:
        assert isinstance(world, ManagedWorld)
        await do(world, dice)

    return deed


async def _push(world: ManagedWorld, dice: random.Random) -> None:
    errors = float(dice.choice((0, 0, 0, 20, 60)))
    await world.push(Release(f"{dice.choice((3, 4, 5))}", errors=errors))


async def _push_back(world: ManagedWorld, dice: random.Random) -> None:
    """Git is reverted to the release of the beginning, or of the run."""
    await world.push(dice.choice(world.releases))


async def _there_and_back(world: ManagedWorld, dice: random.Random) -> None:
    before = world.wanted
    await world.push(Release("7"))
    world.later(dice.choice(_SECONDS), lambda: world.push(before))


async def _restarted(world: ManagedWorld, dice: random.Random) -> None:
    """kubectl rollout restart."""
    stamp = {"kubectl.kubernetes.io/restartedAt": f"2026-01-01T00:00:{dice.randrange(10, 60)}Z"}
    await world.patch_target({"spec": {"template": {"metadata": {"annotations": stamp}}}}, stable=dice.random() < 0.2)


async def _never_ready(world: ManagedWorld, dice: random.Random) -> None:
    note = {"metadata": {"annotations": {READY_ANNOTATION: "false"}}}
    await world.patch_target({"spec": {"template": note}})
    back = {"metadata": {"annotations": {READY_ANNOTATION: None}}}
    world.later(dice.choice(_SECONDS), lambda: world.patch_target({"spec": {"template": back}}))


async def _config(world: ManagedWorld, dice: random.Random) -> None:
    await world.sim.apply(config_map(world.sim.app, CONFIG, size=str(dice.choice((1, 2, 3)))))


async def _config_away(world: ManagedWorld, dice: random.Random) -> None:
    await world.delete(CONFIG_MAPS, CONFIG)
    world.later(dice.choice(_SECONDS), lambda: world.sim.apply(config_map(world.sim.app, CONFIG, size="1")))


async def _scale(world: ManagedWorld, dice: random.Random) -> None:
    """Somebody uses kubectl scale."""
    await world.patch_target({"spec": {"replicas": dice.choice((0, 1, 2, 4))}}, manager="kubectl")


async def _scale_stable(world: ManagedWorld, dice: random.Random) -> None:
    replicas = dice.choice((0, 1, 2, 4))
    await world.patch_target({"spec": {"replicas": replicas}}, stable=True, manager="kubectl")


async def _autoscale(world: ManagedWorld, dice: random.Random) -> None:
    """The load changes: an autoscaler writes replicas, as long as they are not 0."""
    if not world.scaled:
        return
    for stable in (False, True):
        name = world.sim.app.name + ("-stable" if stable else "")
        found = world.sim.object("deployments", name)
        if found is not None and found["spec"].get("replicas"):
            patch = {"spec": {"replicas": dice.randint(2, 6)}}
            await world.patch_target(patch, stable=stable, manager=_HPA)


async def _autoscaler(world: ManagedWorld, dice: random.Random) -> None:
    """Its bounds change, or it goes, or it comes."""
    app = world.sim.app
    if dice.random() < 0.3:
        await world.delete(AUTOSCALERS, app.name)
        return
    await world.sim.apply(autoscaler(app, fewest=dice.choice((1, 2, 4)), most=dice.choice((4, 8))))
    if not world.scaled:
        world.later(dice.choice(_SECONDS), lambda: world.delete(AUTOSCALERS, app.name))


async def _budget(world: ManagedWorld, dice: random.Random) -> None:
    app = world.sim.app
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": app.name, "namespace": app.namespace},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": app.name}}},
    }
    await world.sim.apply(body)
    world.later(dice.choice(_SECONDS), lambda: world.delete(DISRUPTION_BUDGETS, app.name))


async def _sync(world: ManagedWorld, dice: random.Random) -> None:
    """A program applies what Git holds again and again: the Deployment with its replicas, or the root Service."""
    client, app = world.sim.cluster.client_for(_GITOPS), world.sim.app
    both = ((DEPLOYMENTS, world.deployment), (SERVICES, world.root))
    kind, manifest = dice.choice(both)
    times = dice.choice((1, 2, 4))

    async def sync() -> None:
        for _ in range(times):
            await client.patch(kind, app.name, manifest(), app.namespace, kind=PatchKind.APPLY, force=True)
            await world.sim.clock.sleep(_SYNC)

    world.spawn(sync())


async def _edit_selector(world: ManagedWorld, dice: random.Random) -> None:
    """A Service selects the pods of the other side, of both, or nobody's."""
    app = world.sim.app.name
    selector = dice.choice(({"app": app}, {"app": f"{app}-stable"}, {"app": "nobody"}))
    await world.patch(SERVICES, dice.choice((app, app, *world.sides)), {"spec": {"selector": selector}})


async def _delete_part(world: ManagedWorld, dice: random.Random) -> None:
    """Something of ours is deleted."""
    stable, canary = world.sides
    kind, name = dice.choice(((DEPLOYMENTS, stable), (SERVICES, stable), (SERVICES, canary), (AUTOSCALERS, stable)))
    await world.delete(kind, name)


async def _delete_pin(world: ManagedWorld, dice: random.Random) -> None:
    """A kept template is deleted; somebody puts it back from a backup."""
    client, namespace = world.sim.cluster.client, world.sim.app.namespace
    found = await client.list(CONTROLLER_REVISIONS, namespace)
    if not found.items:
        return
    pin = dice.choice(found.items)
    await world.delete(CONTROLLER_REVISIONS, pin["metadata"]["name"])
    kept = {key: pin["metadata"].get(key) or {} for key in ("labels", "annotations")}
    body = {
        "apiVersion": CONTROLLER_REVISIONS.api_version,
        "kind": CONTROLLER_REVISIONS.kind,
        "metadata": {"name": pin["metadata"]["name"], "namespace": namespace, **kept},
        "data": pin["data"],
        "revision": pin["revision"],
    }

    async def back() -> None:
        await client.create(CONTROLLER_REVISIONS, body, namespace)

    world.later(dice.choice(_SECONDS), back)


async def _delete_target(world: ManagedWorld, dice: random.Random) -> None:
    await world.delete(DEPLOYMENTS, world.sim.app.name)
    world.later(dice.choice(_SECONDS), lambda: world.sim.apply(world.deployment()))


async def _delete_root(world: ManagedWorld, dice: random.Random) -> None:
    await world.delete(SERVICES, world.sim.app.name)
    world.later(dice.choice(_SECONDS), lambda: world.sim.apply(world.root()))


async def _drift(world: ManagedWorld, dice: random.Random) -> None:
    """Somebody changes the template of the stable copy."""
    image = f"sandbox/podinfo:hotfix{dice.randrange(3)}"
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    client, app = world.sim.cluster.client_for("kubectl-edit"), world.sim.app
    await client.patch(DEPLOYMENTS, f"{app.name}-stable", patch, app.namespace, kind=PatchKind.JSON)


def _says(annotation: str, *values: str, stable: bool = False, ends: bool = False) -> Doing:
    """Pods of a side behave otherwise, for a while or from now on."""

    async def do(world: ManagedWorld, dice: random.Random) -> None:
        await world.annotate_side(stable, annotation, dice.choice(values))
        if ends:
            world.later(dice.choice(_SECONDS), lambda: world.annotate_side(stable, annotation, None))

    return _in_managed(do)


DEEDS: dict[str, Deed] = {
    name: Deed(weight, _in_managed(do), harmless=harmless)
    for name, (weight, do, harmless) in {
        "push": (8, _push, False),
        "push back": (4, _push_back, False),
        "push there and back": (2, _there_and_back, False),
        "rollout restart": (3, _restarted, False),
        "never ready": (2, _never_ready, False),
        "config": (4, _config, False),
        "config away": (1, _config_away, False),
        "kubectl scale": (5, _scale, False),
        "kubectl scale stable": (2, _scale_stable, False),
        "autoscale": (6, _autoscale, True),
        "autoscaler": (2, _autoscaler, False),
        "budget": (2, _budget, True),
        "GitOps sync": (5, _sync, False),
        "edit selectors": (3, _edit_selector, False),
        "delete part": (3, _delete_part, False),
        "delete pin": (1, _delete_pin, False),
        "delete target": (2, _delete_target, False),
        "delete root": (1, _delete_root, False),
        "drift of stable": (2, _drift, False),
    }.items()
} | {
    "canary unready": Deed(4, _says(READY_ANNOTATION, "false", ends=True)),
    "stable unready": Deed(2, _says(READY_ANNOTATION, "false", stable=True, ends=True)),
    "canary turns bad": Deed(4, _says(ERRORS_ANNOTATION, "5", "30", "100")),
    "canary turns slow": Deed(3, _says(LATENCY_ANNOTATION, "300ms", "2s")),
    "copy turns bad": Deed(2, _says(ERRORS_ANNOTATION, "5", "30", stable=True)),
}
