"""The play: cluster, application, users and controller are brought up, and the rollouts follow one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from canary.api.duration import format_duration
from canary.core.phases import Phase
from canary.sandbox.app import App
from canary.sandbox.demo.measure import Result, measure
from canary.sandbox.demo.picture import Picture, after
from canary.sandbox.demo.report import ending
from canary.sandbox.demo.scenario import FIRST, SCENES, Scene, canary_manifest
from canary.sandbox.demo.view import Moment, View
from canary.sandbox.embedded import EmbeddedCluster
from canary.sandbox.load import Load

TICK = 0.2
"""Seconds between two looks."""
LINGER = 1.5
"""Seconds after a rollout in which its last requests and events arrive, and people can read."""
ENOUGH = 60.0
"""Seconds after which a rollout has failed to end."""
_ENDED = (Phase.PROMOTED, Phase.ROLLED_BACK)


class TooLong(Exception):
    """A rollout does not end; the message holds where it stands."""


@dataclass(slots=True)
class Play:
    """One performance for `view`. `load` is the users; who runs the controller is not known here."""

    cluster: EmbeddedCluster
    load: Load
    view: View
    app: App = field(default_factory=App)
    results: list[Result] = field(default_factory=list, init=False)
    _picture: Picture = field(default_factory=Picture, init=False)
    _scene: Scene | None = field(default=None, init=False)
    _seen: int = field(default=0, init=False)
    _began: float = field(init=False)

    def __post_init__(self) -> None:
        self._began = self.cluster.clock.monotonic()

    def tell(self, words: str) -> None:
        self.view.tell(self._elapsed(), words)

    async def prepare(self) -> None:
        """Run the first release behind the root Service."""
        app = self.app
        self._seen = len(self.cluster.server.commits)
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

    async def _until(self, reached: Callable[[], bool]) -> None:
        deadline = self.cluster.clock.monotonic() + ENOUGH
        while not reached():
            if self.cluster.clock.monotonic() >= deadline:
                status = self._picture.status
                where = f"{status.phase or 'nothing'} at {status.canary_weight or 0}%: {status.message or 'no status'}"
                name = self._scene.name if self._scene else "the demo"
                raise TooLong(f"{name} did not end within {format_duration(ENOUGH)}; it is {where}")
            await self._watch(TICK)

    async def _watch(self, seconds: float) -> None:
        """Let time pass while the view follows."""
        end = self.cluster.clock.monotonic() + seconds
        while (left := end - self.cluster.clock.monotonic()) > 0:
            await self.cluster.clock.sleep(min(TICK, left))
            self._look()

    def _look(self) -> None:
        commits = self.cluster.server.commits
        for number in range(self._seen, len(commits)):
            picture = after(self._picture, commits[number], self.app)
            if picture is not self._picture:
                self._picture = picture
                self.view.changed(self._moment(commits[number].monotonic - self._began))
        self._seen = len(commits)
        self.view.tick(self._moment(self._elapsed()))

    def _moment(self, elapsed: float) -> Moment:
        done = tuple(ending(result) for result in self.results)
        wall = self.cluster.clock.now().timestamp()
        return Moment(elapsed, self._picture, wall, self._scene, done, self.load.by_version())

    def _elapsed(self) -> float:
        return self.cluster.clock.monotonic() - self._began
