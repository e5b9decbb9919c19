"""The play in managed mode: a Deployment under load is taken over, rolled out, rolled back, and given back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from canary.core.phases import Phase
from canary.kube.resources import DEPLOYMENTS
from canary.sandbox.app import App
from canary.sandbox.demo.managed import ACTS, APP, BAD, GOOD, LEAVING, ONBOARDING, Act, managed_canary
from canary.sandbox.demo.performance import LINGER, Performance
from canary.sandbox.demo.scenario import FIRST
from canary.sandbox.embedded import CANARIES
from canary.sandbox.load import Outcome, Tally
from canary.sandbox.managed_app import deployment

REPLICAS = 2
_PHASES = {ONBOARDING: Phase.IDLE, GOOD: Phase.PROMOTED, BAD: Phase.ROLLED_BACK}
_SERVES = {ONBOARDING: FIRST.version, GOOD: "2", BAD: "2", LEAVING: "2"}
"""The version that all users get after an act."""


@dataclass(frozen=True, slots=True)
class Played:
    """How one act ended: after `seconds` from its `kubectl apply` or `delete`, and what users got meanwhile.

    `requests` are counted until a moment after its end, by version; `after` by version from its end on.
    """

    act: Act
    seconds: float
    requests: Mapping[str, Tally]
    after: Mapping[str, Tally]
    reason: str = ""
    note: str = ""

    @property
    def failed(self) -> int:
        return sum(tally.failed for tally in self.requests.values())

    @property
    def lost(self) -> int:
        """Failed requests that the release under trial did not fail itself."""
        trial = self.act.release.version if self.act.release and self.act.release.errors else None
        return sum(tally.failed for version, tally in self.requests.items() if version != trial)

    @property
    def right(self) -> bool:
        """Nothing was lost, the right version serves, and what was rolled back was so for its errors."""
        served = all(version == _SERVES[self.act] for version in self.after)
        return not self.lost and served and (self.act is not BAD or self.reason == "CheckFailed")


@dataclass(slots=True)
class ManagedPlay(Performance):
    """One performance of `ACTS`. `earlier` are the endings of what was played before."""

    app: App = APP
    earlier: tuple[str, ...] = ()
    played: list[Played] = field(default_factory=list, init=False)

    @property
    def endings(self) -> tuple[str, ...]:
        return (*self.earlier, *map(outcome, self.played))

    async def prepare(self) -> None:
        """One Deployment behind its Service, as most applications are."""
        app = self.app
        await self.cluster.apply(app.namespace_manifest(), app.root(), deployment(app, FIRST, replicas=REPLICAS))
        await self.cluster.ready(app.namespace, app.name)

    async def perform(self) -> None:
        """Play every act, until one ends otherwise than it must. Raises `TooLong` when one does not end."""
        for act in ACTS:
            played = await self._play(act)
            self.played.append(played)
            self.tell(f"{act.name} {act.about}: {outcome(played)}")
            if not played.right:
                return

    async def _play(self, act: Act) -> Played:
        clock = self.cluster.clock
        began, self._scene = clock.monotonic(), act
        self.tell(f"{act.name} {act.about}: it {act.goal}")
        if act is LEAVING:
            await self.cluster.client.delete(CANARIES, self.app.name, self.app.namespace)
            await self._until(self._gone)
        else:
            await self.cluster.apply(deployment(self.app, act.release) if act.release else managed_canary(self.app))
            await self._until(lambda: self._reached(act))
        ended = clock.monotonic()
        await self._watch(LINGER)
        state = self._picture.state
        outcomes = [one for one in self.load.outcomes if one.at >= began]
        return Played(
            act,
            ended - began,
            tallied(outcomes),
            tallied(one for one in outcomes if one.at >= ended),
            state.reason if state else "",
            state.note if state else "",
        )

    def _reached(self, act: Act) -> bool:
        """The split's state and the status say so, and nothing of the canary's is left running for it."""
        picture, phase = self._picture, _PHASES[act]
        if picture.state is None or picture.state.phase is not phase or picture.status.phase != phase.value:
            return False
        return picture.observed and self._replicas(self.app.name) == 0

    def _gone(self) -> bool:
        commits = self.cluster.server.commits
        canary = commits.of("canaries", self.app.namespace, self.app.name)[-1]
        return canary.new is None and self._replicas(f"{self.app.name}-stable") is None

    def _replicas(self, deployment: str) -> int | None:
        """What the Deployment asks for; `None` without one."""
        found = self.cluster.server.commits.of(DEPLOYMENTS.plural, self.app.namespace, deployment)
        return found[-1].new["spec"].get("replicas", 1) if found and found[-1].new is not None else None


def tallied(outcomes: Iterable[Outcome]) -> dict[str, Tally]:
    """Requests by the version that answered."""
    counts: dict[str, Tally] = {}
    for one in outcomes:
        before = counts.get(one.version, Tally())
        counts[one.version] = Tally(before.ok + one.ok, before.failed + (not one.ok))
    return dict(sorted(counts.items()))


def outcome(played: Played) -> str:
    """How an act ended, in a few words."""
    words = {ONBOARDING: "a stable copy serves", GOOD: "promoted", BAD: "rolled back", LEAVING: "given back"}
    total = sum(tally.ok + tally.failed for tally in played.requests.values())
    return f"{words[played.act]} in {played.seconds:.1f}s, {played.lost} of {total} requests lost"
