"""What every play of the demo does: it waits for its cluster while the view is shown each commit and each moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from canary.api.duration import format_duration
from canary.sandbox.app import App
from canary.sandbox.demo.picture import Picture, after
from canary.sandbox.demo.scenario import Entry
from canary.sandbox.demo.view import Moment, View
from canary.sandbox.embedded import EmbeddedCluster
from canary.sandbox.load import Load

TICK = 0.2
"""Seconds between two looks."""
LINGER = 1.0
"""Seconds after a rollout in which its last requests and events arrive, and people can read."""
ENOUGH = 60.0
"""Seconds after which a rollout has failed to end."""


class TooLong(Exception):
    """A rollout does not end; the message holds where it stands."""


@dataclass(slots=True)
class Performance:
    """One play for `view`. `load` is its users; who runs the controller is not known here.

    `began` is when the demo began (clock seconds), now unless it is given.
    """

    cluster: EmbeddedCluster
    load: Load
    view: View
    app: App = field(default_factory=App)
    began: float | None = None
    _picture: Picture = field(default_factory=Picture, init=False)
    _scene: Entry | None = field(default=None, init=False)
    _seen: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.began is None:
            self.began = self.cluster.clock.monotonic()
        self._seen = len(self.cluster.server.commits)

    @property
    def endings(self) -> tuple[str, ...]:
        """How what was played so far has ended."""
        return ()

    def tell(self, words: str) -> None:
        self.view.tell(self._elapsed(), words)

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
                self.view.changed(self._moment(commits[number].monotonic - (self.began or 0.0)))
        self._seen = len(commits)
        self.view.tick(self._moment(self._elapsed()))

    def _moment(self, elapsed: float) -> Moment:
        wall = self.cluster.clock.now().timestamp()
        return Moment(elapsed, self._picture, wall, self._scene, self.endings, self.load.by_version())

    def _elapsed(self) -> float:
        return self.cluster.clock.monotonic() - (self.began or 0.0)
