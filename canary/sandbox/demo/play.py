"""The play in services mode: the application, and rollouts that follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from canary.core.phases import Phase
from canary.sandbox.demo.measure import Result, measure
from canary.sandbox.demo.performance import LINGER, Performance, TooLong
from canary.sandbox.demo.report import ending
from canary.sandbox.demo.scenario import FIRST, SCENES, Scene, canary_manifest

__all__ = ["Play", "TooLong"]

_ENDED = (Phase.PROMOTED, Phase.ROLLED_BACK)


@dataclass(slots=True)
class Play(Performance):
    """One performance of `SCENES`."""

    results: list[Result] = field(default_factory=list, init=False)

    @property
    def endings(self) -> tuple[str, ...]:
        return tuple(map(ending, self.results))

    async def prepare(self) -> None:
        """Run the first release behind the root Service."""
        app = self.app
        await self.cluster.apply(app.namespace_manifest(), app.root(FIRST))
        await self._release(FIRST.version, app.service(FIRST), app.deployment(FIRST))

    async def perform(self, scenes: Sequence[Scene] = SCENES) -> None:
        """Play every scene, until one ends otherwise than it must. Raises `TooLong` when one does not end."""
        for scene in scenes:
            result = await self._play(scene)
            self.results.append(result)
            self.tell(f"{scene.name} {ending(result)}")
            if not result.right:
                return

    async def _play(self, scene: Scene) -> Result:
        app, release = self.app, scene.release
        backend = app.backend(release.version)
        self._scene, first = scene, len(self.cluster.server.commits)
        self.tell(f"{scene.name} {scene.about}: it {scene.goal}")
        await self._release(release.version, app.service(release), app.deployment(release))
        await self.cluster.apply(canary_manifest(app, scene))
        await self._until(lambda: self._ended(backend))
        if scene.expected is Phase.PROMOTED and self._picture.weights.get(backend) == 100:
            # As its user would: the root Service selects what serves, also for those who bypass the mesh.
            await self.cluster.apply(app.root(release))
        await self._watch(LINGER)
        commits = self.cluster.server.commits
        splits = [commits[n] for n in range(first, len(commits)) if commits[n].plural == "trafficsplits"]
        return measure(scene, backend, splits, self.load.outcomes)

    async def _release(self, version: str, service: dict[str, object], deployment: dict[str, object]) -> None:
        await self.cluster.apply(service, deployment)
        await self.cluster.ready(self.app.namespace, self.app.backend(version))

    def _ended(self, backend: str) -> bool:
        """The split's state is final, and the status says so, too."""
        picture, state = self._picture, self._picture.state
        if state is None or state.phase not in _ENDED or backend not in (state.canary, state.serving):
            return False
        return picture.observed and picture.status.phase == state.phase.value
