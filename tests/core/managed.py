"""A rollout in managed mode, played without I/O: the decision's writes and the actions that are due, each checked.

One look makes one write, as the controller does: the split first, and when nothing is to be written there, the first
action that is due. Every accepted write goes to one log.
"""

from __future__ import annotations

from typing import Any

import msgspec

from canary.core.actions import Action, due
from canary.core.decision import Act, Change, Decision
from canary.core.observed import Observed
from canary.core.phases import Phase
from canary.core.rules.deletion import FINALIZE
from canary.core.window import Missing, Sample, SourceFailure, Window
from tests.core.cluster import CANARY_SERVICE, STABLE_SERVICE, Cluster
from tests.core.managed_invariants import check_action, check_commit, check_end, check_reach, reach
from tests.core.rollout import GOOD, Rollout, make_plan

IDLE = Missing("no requests")
WRITES = 60
"""More than any reaction to one event needs."""


class Managed(Rollout):
    """A world with the user's Deployment at r1, and a controller in it."""

    def __init__(self, **overrides: Any) -> None:
        names = {"root": "shop", "stable": STABLE_SERVICE, "canary": CANARY_SERVICE, "target": "shop"}
        self.cluster = Cluster()
        super().__init__(plan=make_plan(**(names | overrides)))
        self.stray: Sample | Missing = IDLE
        self.writes: list[str] = []
        self.lowered_at: float | None = None
        self.finalized = False

    @property
    def observed(self) -> Observed:
        self.sides = self.cluster.sides()
        found = super().observed
        return found if "workload" in self.seen else msgspec.structs.replace(found, workload=self.cluster.workload())

    @property
    def candidate(self) -> Any:
        return self.cluster.candidate

    @property
    def stable(self) -> Any:
        return self.cluster.stable

    @property
    def due(self) -> list[str]:
        return [action.deed.value for action in due(self.observed, self.memory, self.now)]

    # What happens.

    def wait(self, seconds: float) -> None:
        super().wait(seconds)
        self.cluster.roll(self.wall)

    def push(self, revision: str) -> None:
        """Another pod template in the user's Deployment."""
        self.candidate.revision = revision
        self.cluster.touch("candidate")

    def configure(self, revision: str) -> None:
        """Another tracked configuration: the pods stay, and their labels do not tell."""
        for pod in self.candidate.pods:
            pod.named = revision
        self.push(revision)

    def resize(self, replicas: int) -> None:
        """Somebody scales the user's Deployment."""
        self.candidate.scale(replicas)
        self.candidate.size = replicas or self.candidate.size
        self.cluster.touch("candidate")

    def delete(self) -> None:
        self.seen |= {"deleting": True, "deleted_at": self.wall}

    def reading(
        self, canary: Sample | Missing = GOOD, stable: Sample | Missing = GOOD, length: float | None = None
    ) -> Window:
        """The window that ends now; without weight nobody but strays comes to the canary."""
        weight = self.split.weight_of(CANARY_SERVICE) if self.split else 0
        return super().reading(canary if weight else self.stray, stable, length)

    def look(self, *readings: Window | SourceFailure) -> Decision:
        before = reach(self)
        decision = super().look(*readings)
        check_reach(self, before)
        if decision.outlook is FINALIZE and self.seen.get("deleting"):
            self.finalized = True
            check_end(self)
        return decision

    def act(self) -> Action | None:
        """The first action that is due, done."""
        actions = due(self.observed, self.memory, self.now)
        if not actions:
            return None
        self.do(actions[0])
        return actions[0]

    def do(self, action: Action) -> None:
        before = reach(self)
        check_action(self, action)
        self.cluster.do(action)
        check_reach(self, before)
        self.writes.append(" ".join(filter(None, (action.deed.value, action.revision, action.part, _number(action)))))

    def step(self, *readings: Window | SourceFailure) -> bool:
        """At most one write; whether there was one."""
        return self.look(*readings).change is not None or self.act() is not None

    def rest(self, *readings: Window | SourceFailure) -> Decision:
        for count in range(WRITES):
            if not self.step(*(readings if not count else ())):
                return self.decision
        raise AssertionError(f"no fixpoint: {self.writes[-12:]}")

    # How to get there.

    def initializing(self) -> Managed:
        """The split is there, the root Service still selects the user's Deployment."""
        for _ in range(10):
            if self.split is not None:
                return self
            self.wait(10)
            while self.split is None and self.step():
                pass
        raise AssertionError(f"no split: {self.outlook}")

    def onboard(self) -> Managed:
        for _ in range(10):
            if self.split is not None and self.phase is Phase.IDLE:
                return self
            self.window()
        raise AssertionError(f"not onboarded: {self.outlook}")

    def begin(self, revision: str = "r2") -> Managed:
        """Up to Progressing at weight 0."""
        self.onboard().push(revision)
        self.rest()
        assert self.phase is Phase.PROGRESSING
        return self

    def until_phase(self, *phases: Phase, windows: int = 90) -> Managed:
        for _ in range(windows):
            if self.split is not None and self.phase in phases:
                return self
            self.window()
        raise AssertionError(f"{phases} is not reached: {self.outlook} in {self.phase} at {self.weight}%")

    def promoting(self) -> Managed:
        if self.split is None:
            self.begin()
        return self.until_phase(Phase.PROMOTING)

    def opening(self) -> Managed:
        """Promoting has just begun, and nothing was done for it yet."""
        self.until(100)
        for _ in range(9):
            if self.phase is Phase.PROMOTING:
                return self
            self.wait(10)
            self.look(self.reading())
        raise AssertionError(f"Promoting is not reached: {self.outlook}")

    def promoted(self) -> Managed:
        self.promoting()
        self.until_phase(Phase.PROMOTED)
        return self.quiet()

    def rolled_back(self) -> Managed:
        self.until(5).abort = "@t0"
        self.rest()
        return self.until_phase(Phase.ROLLED_BACK)

    def quiet(self) -> Managed:
        """Nothing happens for some windows, so that everything that waits for time alone is done."""
        self.windows(4)
        return self

    def to(self, phase: Phase, weight: int = 5) -> Managed:
        if phase is Phase.INITIALIZING:
            self.initializing()
        elif phase is Phase.IDLE:
            self.onboard()
        elif phase is Phase.ROLLING_BACK:
            self.until(weight).abort = "@t0"
            self.look()
        else:
            ways = {Phase.PROMOTING: self.promoting, Phase.PROMOTED: self.promoted, Phase.ROLLED_BACK: self.rolled_back}
            ways.get(phase, lambda: self.until(weight))()
        assert self.phase is phase
        return self

    # The world's answers.

    def _apply(self, change: Change, observed: Observed) -> None:
        count = len(self.log)
        before = self.split
        if change.act is Act.DELETE:
            self.split = None
            self.writes.append("Split gone")
            return
        super()._apply(change, observed)
        if before is None or (before.weight_of(CANARY_SERVICE) and not self.split.weight_of(CANARY_SERVICE)):
            self.lowered_at = self.monotonic
        if len(self.log) > count:
            self.writes.append(f"Split {self.phase} {self.weight}")
            check_commit(self, self.log[-1])


def _number(action: Action) -> str:
    numbered = action.deed.name.startswith("SCALE") or action.deed.name == "CREATE_STABLE"
    return str(action.replicas) if numbered else str(action.to) if action.deed.name.startswith("POINT") else ""
