"""Builders of what the decision reads, and a driver that plays a rollout with it: no I/O, no real time.

`rollout(...)` gives a world in which everything is well. A test changes it by plain assignment, lets time pass, and
looks. Each look is one `evaluate`; its write is applied to the split as the fence would.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from canary.api.canary import CanaryStatus, Record
from canary.core.decide import evaluate
from canary.core.decision import Act, Change, Decision, stamped
from canary.core.memory import Memory, trusted_state
from canary.core.observed import Backend, Now, Observed, Ownership, Side, Split, revision_name
from canary.core.phases import Phase
from canary.core.plan import Limit, Plan, Stage
from canary.core.state import State, decode_state, encode_state
from canary.core.status import Subject, project
from canary.core.window import Missing, Sample, SourceFailure, Window

EPOCH = 1_767_225_600.0
STAGES = (Stage(5, hold=30.0), Stage(50, hold=30.0), Stage(100))
GOOD = Sample(1000.0, 0.0, {"p99": 0.1})
BAD = Sample(900.0, 100.0, {"p99": 0.1})


def make_plan(stages: tuple[Stage, ...] = STAGES, **overrides: Any) -> Plan:
    fields = {
        "root": "shop", "stable": "v1", "canary": "v2", "stages": stages, "hash": f"plan{hash(stages)}",
        "limits": (Limit("success-rate", 99.0), Limit("latency", 0.5, None, "p99")), "interval": 10.0, "warmup": 20.0,
        "settle": 5.0, "deadline": 600.0,
    }  # fmt: skip
    return Plan(**(fields | overrides))


def make_side(service: str = "v2", *hashes: str, **overrides: Any) -> Side:
    found = hashes or (service[-1] * 3,)
    return Side(**({"service": service, "ready": 2, "hashes": found, "ready_at": None} | overrides))


def make_gone(service: str) -> Side:
    return Side(service, ready=0, hashes=())


class Commit(NamedTuple):
    """One applied write: the split before and after, why, and what was seen when it was decided."""

    before: Split | None
    after: Split
    change: Change
    observed: Observed
    now: Now

    @property
    def state(self) -> State:
        assert self.after.state is not None
        return self.after.state

    @property
    def said(self) -> list[str]:
        return [said.reason for said in self.change.state.said]


class Rollout:
    """A world and a controller in it. `memory` is the controller's; everything else is the world."""

    def __init__(self, *, plan: Plan | None = None, **overrides: Any) -> None:
        self.plan: Plan | None = plan or make_plan(**overrides)
        self.last_plan = self.plan
        self.uid = "canary-1"
        self.split: Split | None = None
        self.sides = {name: make_side(name, ready_at=EPOCH) for name in ("v1", "v2", "v3")}
        self.record = Record()
        self.projects = True
        self.seen: dict[str, Any] = {}
        self.command = self.abort = ""
        self.memory = Memory()
        self.monotonic, self.wall = 1000.0, EPOCH
        self.log: list[Commit] = []
        self.decision = Decision()
        self.status = CanaryStatus()
        self.attempt = 0
        self.writer = "writer-1"

    # What is there.

    @property
    def now(self) -> Now:
        return Now(self.monotonic, self.wall)

    @property
    def observed(self) -> Observed:
        invalid = {} if self.plan else {"invalid": "spec.steps[0].weight: must be at most 100"}
        fields = {
            "uid": self.uid, "plan": self.plan, "last_plan": self.last_plan, "split": self.split, "sides": self.sides,
            "record": self.record, "command": self.command, "abort": self.abort,
        }  # fmt: skip
        return Observed(**(fields | invalid | self.seen))

    @property
    def state(self) -> State:
        assert self.split is not None
        assert self.split.state is not None
        return self.split.state

    @property
    def phase(self) -> Phase:
        return self.state.phase

    @property
    def weight(self) -> int:
        return self.state.weight

    @property
    def weights(self) -> list[int]:
        """The canary's weight after each write that changed it."""
        found = [commit.state.weight for commit in self.log]
        return [w for w, before in zip(found, [None, *found], strict=False) if w != before]

    @property
    def backends(self) -> list[tuple[str, int]]:
        assert self.split is not None
        return [(backend.service, backend.weight) for backend in self.split.backends]

    @property
    def outlook(self) -> str:
        return self.decision.outlook.reason if self.decision.outlook else ""

    @property
    def said(self) -> list[str]:
        """The reasons of all events so far."""
        return [reason for commit in self.log for reason in commit.said]

    def revision(self, service: str = "v2") -> str:
        hashes = self.sides[service].hashes
        assert hashes is not None
        return revision_name(service, hashes)

    # What happens.

    def change(self, **fields: Any) -> None:
        """Another plan: the spec was edited."""
        assert self.last_plan is not None
        if "stages" in fields:
            fields["hash"] = f"plan{hash(fields['stages'])}"
        self.plan = self.last_plan = msgspec.structs.replace(self.last_plan, **fields)

    def break_spec(self) -> None:
        self.plan = None

    def set(self, *sides: Side) -> None:
        self.sides = self.sides | {side.service: side for side in sides}

    def by_hand(self, *backends: tuple[str, int], **fields: Any) -> None:
        """Somebody edits the split's backends."""
        listed = tuple(Backend(*backend) for backend in backends)
        assert self.split is not None
        self.split = msgspec.structs.replace(self.split, backends=listed, editor="kubectl-edit", **fields)

    def order(self, verb: str, revision: str | None = None, time: str = "t1") -> None:
        """A command in the annotation, for the current revision unless another is named."""
        self.command = f"{verb}@{self.state.revision if revision is None else revision}@{time}"

    def wait(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds

    def restart(self) -> None:
        self.memory, self.writer = Memory(), f"{self.writer}+"

    def look(self, *readings: Window | SourceFailure) -> Decision:
        """One evaluate, its write, and the status that follows."""
        observed = self.observed
        self.memory, self.decision = evaluate(observed, self.memory, readings, self.now)
        if self.decision.change is not None:
            self._apply(self.decision.change, observed)
        self._report()
        return self.decision

    def rest(self, *readings: Window | SourceFailure) -> Decision:
        """Looks until nothing is written any more. Fails when that takes too many writes."""
        decision = self.look(*readings)
        for _ in range(8):
            if decision.change is None:
                return decision
            decision = self.look()
        raise AssertionError(f"no fixpoint: {[commit.said for commit in self.log[-8:]]}")

    def reading(
        self, canary: Sample | Missing = GOOD, stable: Sample | Missing = GOOD, length: float | None = None
    ) -> Window:
        """The window that ends now."""
        assert self.last_plan is not None
        seconds = self.last_plan.interval if length is None else length
        return Window(self.monotonic - seconds, self.monotonic, self.wall, canary, stable)

    def window(self, canary: Sample | Missing = GOOD, stable: Sample | Missing = GOOD) -> Decision:
        """One interval passes, then its window arrives."""
        assert self.last_plan is not None
        self.wait(self.last_plan.interval)
        return self.rest(self.reading(canary, stable))

    def windows(self, count: int, canary: Sample | Missing = GOOD) -> Decision:
        for _ in range(count):
            self.window(canary)
        return self.decision

    def no_data(self) -> Decision:
        return self.window(Missing("no series for the canary"))

    def failure(self) -> Decision:
        assert self.last_plan is not None
        self.wait(self.last_plan.interval)
        return self.rest(SourceFailure(self.monotonic, self.wall, "503 Service Unavailable"))

    # How to get there.

    def begin(self) -> Rollout:
        """Up to Progressing at weight 0."""
        self.rest()
        return self

    def until(self, weight: int) -> Rollout:
        """Healthy windows until the canary has `weight` and has settled there."""
        if self.split is None:
            self.begin()
        for _ in range(60):
            if self.weight == weight:
                self.window()
                return self
            self.window()
        raise AssertionError(f"weight {weight} is not reached: {self.outlook} at {self.weight}%")

    def promoting(self) -> Rollout:
        """At 100 %, before any window there has counted."""
        for _ in range(60):
            if self.split is not None and self.phase is Phase.PROMOTING:
                return self
            self.window()
        raise AssertionError(f"Promoting is not reached: {self.outlook}")

    def promoted(self) -> Rollout:
        self.promoting().windows(2)
        assert self.phase is Phase.PROMOTED
        return self

    def rolled_back(self) -> Rollout:
        self.until(5).abort = "@t0"
        self.rest()
        assert self.phase is Phase.ROLLED_BACK
        return self

    def to(self, phase: Phase, weight: int = 5) -> Rollout:
        """Any phase that lasts until something happens; RollingBack lasts for one look."""
        if phase is Phase.IDLE:
            stand_still = {name: side for name, side in self.sides.items() if name == "v1"}
            self.sides, kept = stand_still | {"v2": make_gone("v2")}, self.sides
            self.rest()
            self.sides = kept
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
        before = self.split
        self.attempt += 1
        state = stamped(
            change, base_seq=change.state.seq, writer=self.writer, attempt=self.attempt, epoch=1, wall=self.wall
        )
        text = encode_state(state)
        assert decode_state(text) == state
        assert len(text) < 8192
        if change.act is Act.RELEASE:
            assert before is not None
            self.split = msgspec.structs.replace(before, state=None, ownership=Ownership.FREE)
            return
        if change.act is Act.LOWER_ONLY:
            assert before is not None
            self.split = msgspec.structs.replace(before, backends=change.backends)
            return
        uid = before.uid if before else f"split-{self.attempt}"
        self.split = Split(uid, state, change.backends)
        self.log.append(Commit(before, self.split, change, observed, self.now))

    def _report(self) -> None:
        state = trusted_state(self.observed, self.memory)
        self.status = project(Subject(1, self.status), self.observed, state, self.memory, self.decision, self.now)
        if self.projects and self.status.record is not None:
            self.record = self.status.record
