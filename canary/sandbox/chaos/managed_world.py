"""The world of a run in managed mode: one Deployment, its configuration, perhaps an autoscaler, and people with Git."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from canary.api.names import ORIGINAL_SELECTOR_ANNOTATION, OWNER_ANNOTATION, REVISION_ANNOTATION
from canary.controller.watches import CANARIES
from canary.core.state import State
from canary.kube.errors import KubeError
from canary.kube.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, DEPLOYMENTS, PODS, SERVICES
from canary.sandbox import managed_app
from canary.sandbox.app import Release
from canary.sandbox.chaos.world import World
from canary.sandbox.managed_app import autoscaler, config_map
from canary.sandbox.mesh.modelled import RATE_ANNOTATION
from canary.workload.config import config_digest, copy_name
from canary.workload.services import managed_elsewhere

CONFIG = "settings"
FIRST_PUSH = 15.0
"""Seconds until the release of the run is pushed."""
SIZE = 3
QUICK: dict[str, Any] = {
    "progressDeadline": "2m",
    "steps": [{"weight": 10, "hold": "10s"}, {"weight": 50, "hold": "10s"}],
    "analysis": {"interval": "5s", "warmup": "2s"},
}
"""So short that several rollouts fit into a run."""
GONE = 300.0
"""Seconds in which a deletion at the end has to be done (L6)."""
KEPT = 5.0
"""Seconds in which the template of what serves is kept, once the Deployment holds it."""


class ManagedWorld(World):
    """`wanted` is what Git holds: a release and whether its manifest names replicas."""

    resources = (
        *World.resources, "deployments", "replicasets", "controllerrevisions", "configmaps",
        "horizontalpodautoscalers", "poddisruptionbudgets",
    )  # fmt: skip

    def __init__(self, seed: int, **options: Any) -> None:
        super().__init__(seed, **options)
        dice = random.Random(seed ^ 0x3A7A6ED)
        self.wanted = self.releases[0]
        self.replicas: int | None = SIZE
        self.config = {"config": CONFIG} if dice.random() < 0.5 else {"env": CONFIG}
        self.scaled = dice.random() < 0.4
        self.git = dice.random() < 0.3
        self.ends = dice.random() < 0.4
        self.pushed_at: float | None = None
        self._pods_before: dict[str, dict[str, Any]] = {}
        if self.scaled:
            self.replicas = None

    @property
    def sides(self) -> tuple[str, str]:
        name = self.sim.app.name
        return f"{name}-stable", f"{name}-canary"

    def canary(self, **overrides: Any) -> dict[str, Any]:
        return self.sim.managed_canary(**{**QUICK, **overrides})

    def deployment(self) -> dict[str, Any]:
        """The Deployment as Git has it."""
        return managed_app.deployment(self.sim.app, self.wanted, replicas=self.replicas, **self.config)

    def root(self) -> dict[str, Any]:
        return managed_app.root(self.sim.app, rate=self.sim.rate, git=self.git)

    async def begin(self) -> None:
        app = self.sim.app
        others = [config_map(app, CONFIG, size="1"), *([autoscaler(app)] if self.scaled else [])]
        await self.sim.apply(*others, self.root())
        await self.sim.apply(managed_app.deployment(app, self.wanted, replicas=SIZE, **self.config))
        await self.sim.cluster.ready(app.namespace, app.name)
        if self.scaled:
            await self.sim.apply(self.deployment())
        await self.sim.apply(self.canary())
        self.later(FIRST_PUSH, lambda: self.push(self.releases[1]))

    async def push(self, release: Release) -> None:
        """Git has another release."""
        self.wanted = release
        if self.pushed_at is None:
            self.pushed_at = self.sim.clock.monotonic()
        await self.sim.apply(self.deployment())

    async def restore(self) -> None:
        app = self.sim.app
        self.wanted = self.releases[1]
        self.replicas = None if self.scaled else SIZE
        for name in (app.name, *self.sides):
            with suppress(KubeError):
                await self._plain_selector(name)
        await self._tidy()
        await self._own_selector()
        others = [config_map(app, CONFIG, size="1"), *([autoscaler(app)] if self.scaled else [])]
        await self.sim.apply(*others, self.deployment())
        if self.sim.object("services") is None:
            await self.sim.apply(self.root())
        else:
            await self.tell_rate()
        for name, before in self._pods_before.items():
            with suppress(KubeError):
                await self.patch(PODS, name, {"metadata": {"annotations": before}})

    async def as_told(self) -> None:
        """A promoted template that is gone for good is kept again once the Deployment holds it."""
        state, stable = self.sim.state(), self.sim.object("deployments", self.sides[0])
        if state is None or stable is None or await self._kept(state):
            return
        found = await self.sim.cluster.client.list(CONFIG_MAPS, self.sim.app.namespace)
        template = str(stable["spec"]["template"])
        for copied in found.items:
            if copied["metadata"]["name"].startswith(f"{CONFIG}-") and copied["metadata"]["name"] in template:
                await self.sim.apply(config_map(self.sim.app, CONFIG, **copied["data"]))
        self.wanted = Release(_version(stable).rpartition(":")[2])
        await self.sim.apply(self.deployment())
        await self.reach(lambda: self.sim.phase() == "Idle", GONE)
        await self.until(self.sim.clock.monotonic() + KEPT)
        await self.restore()

    async def _kept(self, state: State) -> bool:
        """Whether the template of what is promoted is there, and this Canary's."""
        found = await self.sim.cluster.client.list(CONTROLLER_REVISIONS, self.sim.app.namespace)
        marks = [pin["metadata"].get("annotations") or {} for pin in found.items]
        wanted = (state.promoted, f"{self.sim.app.name}/{state.uid}")
        return any((mark.get(REVISION_ANNOTATION), mark.get(OWNER_ANNOTATION)) == wanted for mark in marks)

    async def tell_rate(self) -> None:
        """Give the root its traffic, whoever has made it."""
        rate = {"metadata": {"annotations": {RATE_ANNOTATION: f"{self.sim.rate:g}"}}}
        await self.patch(SERVICES, self.sim.app.name, rate)

    async def _tidy(self) -> None:
        """What a Canary had to leave when it went is taken away by people, after the root selects the target again."""
        stable, canary = self.sides
        parts = ((DEPLOYMENTS, stable), (SERVICES, stable), (SERVICES, canary))
        orphans = [
            (kind, name)
            for kind, name in parts
            if (found := self.sim.object(kind.plural, name))
            and OWNER_ANNOTATION not in (found["metadata"].get("annotations") or {})
        ]
        if orphans and self.sim.object("services") is not None:
            await self.patch(SERVICES, self.sim.app.name, {"spec": {"selector": {"app": self.sim.app.name}}})
        for kind, name in orphans:
            with suppress(KubeError):
                await self.delete(kind, name)

    async def _own_selector(self) -> None:
        """A root that nobody has taken over, and that selects what never was ready, gets its own selector back."""
        root, stable = self.sim.object("services"), self.sim.object("deployments", self.sides[0])
        taken = root is not None and ORIGINAL_SELECTOR_ANNOTATION in (root["metadata"].get("annotations") or {})
        serves = stable is not None and stable["status"].get("readyReplicas")
        if root is not None and not taken and not serves:
            await self.patch(SERVICES, self.sim.app.name, {"spec": {"selector": {"app": self.sim.app.name}}})

    async def _plain_selector(self, name: str) -> None:
        """What others have added to a selector is taken away."""
        service = self.sim.object("services", name)
        extra = {key: None for key in ((service or {}).get("spec") or {}).get("selector") or {} if key != "app"}
        if extra:
            await self.patch(SERVICES, name, {"spec": {"selector": extra}})

    def served(self) -> bool:
        state, target = self.sim.state(), self.sim.object("deployments")
        if state is None or target is None or state.phase.value != "Idle":
            return False
        stable = self.sim.object("deployments", f"{self.sim.app.name}-stable")
        return stable is not None and _version(stable) == _version(target)

    def at_rest(self) -> None:
        """Stable runs what was promoted, the root selects it, and what ran beside it is gone."""
        app, state = self.sim.app, self.sim.state()
        stable = self.sim.object("deployments", f"{app.name}-stable")
        assert state is not None
        assert stable is not None, "L1: there is no stable copy"
        runs = stable["metadata"]["annotations"].get(REVISION_ANNOTATION)
        assert runs == state.promoted, f"L1: stable runs {runs}, promoted is {state.promoted}"
        assert stable["status"].get("readyReplicas"), "L1: stable has no ready pod"
        selector = (self.sim.object("services") or {})["spec"].get("selector")
        assert selector == {"app": f"{app.name}-stable"}, f"L1: the root Service selects {selector}"
        left = (self.sim.object("deployments") or {})["spec"].get("replicas")
        # Somebody may put the root's selector back at any time: then a pod must be there.
        fewest = 1 if managed_elsewhere(self.sim.object("services") or {}) else 0
        # Where somebody may put the root's selector back, what runs is not scaled to 0; what is at 0 stays there.
        assert left in (0, fewest), f"L1: the target asks for {left} replicas at rest, not {fewest}"

    async def end(self) -> None:
        """In some runs the Canary is deleted at last: the Deployment serves again, by itself."""
        if not self.ends:
            return
        app, promoted = self.sim.app, self.sim.object("deployments", f"{self.sim.app.name}-stable")
        assert promoted is not None
        reads = self._configuration(promoted)
        await self.delete(CANARIES, app.name, "Foreground")
        await self.gone(app.name, GONE)
        target, root = self.sim.object("deployments"), self.sim.object("services")
        assert self.sim.object("trafficsplits") is None, "S16: the split is left"
        if not reads:
            return  # What was promoted has read another configuration: the target cannot be that again.
        assert self.sim.object("deployments", f"{app.name}-stable") is None, "S16: the stable copy is left"
        assert target is not None
        assert target["status"].get("readyReplicas"), "S16: the target has no ready pod"
        assert _version(target) == _version(promoted), "S16: the target does not run what was promoted"
        assert root is not None
        assert root["spec"]["selector"] == {"app": app.name}, f"S16: the root selects {root['spec']['selector']}"

    def _configuration(self, promoted: dict[str, Any]) -> bool:
        """Whether the configuration is the one that stable's copy was made from."""
        found = self.sim.object("configmaps", CONFIG)
        copied = copy_name(CONFIG, config_digest(found)) if found is not None else ""
        return bool(copied) and copied in str(promoted["spec"]["template"]["spec"])

    async def annotate_side(self, stable: bool, annotation: str, value: str | None) -> None:
        """Say something to every pod of a side that there is now."""
        app = self.sim.app.name
        selector = f"app={app}-stable" if stable else f"app={app}"
        found = await self.sim.cluster.client.list(PODS, self.sim.app.namespace, label_selector=selector)
        for pod in found.items:
            name, before = pod["metadata"]["name"], pod["metadata"].get("annotations") or {}
            self._pods_before.setdefault(name, {}).setdefault(annotation, before.get(annotation))
            with suppress(KubeError):
                await self.patch(PODS, name, {"metadata": {"annotations": {annotation: value}}})

    async def patch_target(self, patch: dict[str, Any], *, stable: bool = False, manager: str = "kubectl-edit") -> None:
        name = self.sim.app.name + ("-stable" if stable else "")
        client = self.sim.cluster.client_for(manager)
        await client.patch(DEPLOYMENTS, name, patch, self.sim.app.namespace)


def _version(deployment: dict[str, Any]) -> Any:
    return deployment["spec"]["template"]["spec"]["containers"][0]["image"]
