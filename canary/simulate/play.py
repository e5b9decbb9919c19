"""Plays one rollout of a plan with the decision itself: no cluster, no clock, no waiting.

Time jumps from one event to the next: the end of a window, or the moment that the decision wants to be woken at. Every
write is applied at once, as the fence applies one that nobody contradicts. Two Services are there from second 0 on,
whose pods are ready and stay so; a metrics window ends once an interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

import msgspec

from canary.core.decide import evaluate
from canary.core.decision import Change, stamped
from canary.core.memory import Memory
from canary.core.observed import Now, Observed, Side, Split
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.core.window import Missing, Reading, Sample, SideReading, Sides, SourceFailure, Window
from canary.metrics.groups import BEFORE_SUBSCRIPTION, PROBE_AFTER

EPOCH = 1_767_225_600.0
"""Unix seconds of second 0, unless the caller has another one."""
_UID = "simulated"
_MOST_WRITES = 16
"""Writes at one moment; more mean that the decision never comes to rest."""

Source: TypeAlias = Callable[[float, float, int], Reading]
"""What both sides answered from one second of the rollout to another, while the canary had that weight in percent.

It is asked for each stretch of time once, in order, without a gap and without overlap: a window in which the weight has
changed is asked for in parts.
"""


class Outcome(StrEnum):
    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    UNFINISHED = "Unfinished"
    """Neither at the horizon: a policy holds it, or the steps take longer."""


class Move(NamedTuple):
    """One write that changed the weight or the phase. `at` is seconds, `weight` percent of traffic for the revision."""

    at: float
    weight: int
    reason: str
    words: str


@dataclass(frozen=True, slots=True)
class Played:
    """How a rollout went. `seconds` is when it ended; `requests` and `failed` are those that the canary got."""

    outcome: Outcome
    reason: str
    words: str
    seconds: float
    moves: tuple[Move, ...]
    requests: float
    failed: float

    @property
    def exposed_at(self) -> float | None:
        """When the canary first had traffic."""
        return next((move.at for move in self.moves if move.weight), None)

    def delay(self, onset: float = 0.0) -> float | None:
        """Seconds from a regression's onset, or from the first traffic if that came later, until the weight was 0.

        `None` unless it was rolled back after that.
        """
        exposed = self.exposed_at
        if self.outcome is not Outcome.ROLLED_BACK or exposed is None or self.seconds < onset:
            return None
        return self.seconds - max(onset, exposed)


class NeverAtRest(Exception):
    """The decision writes without end at one moment: a defect of its rules."""


def playable(plan: Plan) -> Plan:
    """The plan as `play` takes it: approvals are given at once, and nothing is suspended.

    A managed plan plays as one of two Services, whose canary is promoted at the end of the last step: how stable's pods
    take the revision over is not played.
    """
    stages = tuple(stage for stage in plan.stages if not stage.approval)
    return msgspec.structs.replace(plan, stages=stages, target="", suspend=False)


def play(plan: Plan, source: Source, *, horizon: float, delay: float = 0.0, epoch: float = EPOCH) -> Played:
    """One rollout from the moment at which the canary's pods are ready.

    The first window ends one interval and `delay` seconds after that, as in `canary.metrics.groups`; at second
    `horizon` an unfinished rollout is given up. The source's monotonic times are seconds of the rollout, its Unix times
    `epoch` and those. The same answers give the same result.
    """
    rollout = _Rollout(playable(plan), source, epoch)
    # With a long interval the first answer only shows that there is one.
    first, answers = delay + min(plan.interval, PROBE_AFTER), 0
    while not rollout.ended:
        end = first + answers * plan.interval
        at = min(end, rollout.wake_at)
        if at > horizon:
            return rollout.played(horizon)
        if at == end:
            answers += 1
            rollout.look(at, rollout.window(end - plan.interval, end))
        else:
            rollout.look(at)
    return rollout.played(rollout.at)


class _Rollout:
    """A world of two Services and the controller in it."""

    def __init__(self, plan: Plan, source: Source, epoch: float) -> None:
        self.at = 0.0
        self.wake_at = 0.0
        self._plan, self._source, self._epoch = plan, source, epoch
        services = (plan.stable, plan.canary)
        self._sides = {name: Side(name, ready=1, hashes=(name,), ready_at=epoch) for name in services}
        self._split: Split | None = None
        self._memory = Memory()
        self._moves: list[Move] = []
        self._asked = 0.0
        self._parts: list[Reading] = []
        self._requests = self._failed = 0.0

    @property
    def _weight(self) -> int:
        return self._split.state.weight if self._split is not None and self._split.state is not None else 0

    @property
    def _phase(self) -> Phase:
        state = self._split.state if self._split is not None else None
        return Phase.INITIALIZING if state is None else state.phase

    @property
    def ended(self) -> bool:
        return self._phase in (Phase.PROMOTED, Phase.ROLLED_BACK)

    def look(self, at: float, *readings: Reading) -> None:
        """Evaluates until nothing is written any more."""
        self.at = at
        now = Now(at, self._epoch + at)
        for _ in range(_MOST_WRITES):
            observed = Observed(_UID, self._plan, last_plan=self._plan, split=self._split, sides=self._sides, live=True)
            self._memory, decision = evaluate(observed, self._memory, readings, now)
            if decision.change is None:
                self.wake_at = decision.wake_at if decision.wake_at is not None else float("inf")
                return
            self._apply(decision.change, now)
            if self.ended:
                return
            readings = ()
        raise NeverAtRest(f"{_MOST_WRITES} writes at second {at}: {self._moves[-1]}")

    def _apply(self, change: Change, now: Now) -> None:
        before, phase = self._weight, self._phase
        self._ask(now.monotonic)
        seq = self._split.state.seq if self._split is not None and self._split.state is not None else 0
        state = stamped(change, base_seq=seq, writer="simulated", attempt=1, epoch=1, wall=now.wall)
        self._split = Split("split", state, change.backends)
        if (state.weight, state.phase) != (before, phase) and state.said:
            weight = 100 if state.phase is Phase.PROMOTED else state.weight
            self._moves.append(Move(now.monotonic, weight, state.said[-1].reason, state.said[-1].note))

    def window(self, start: float, end: float) -> Reading:
        """The window that ends now, and has not been given before."""
        self._ask(end)
        parts, self._parts = self._parts, []
        if start < 0.0:
            return Window(start, end, self._epoch + end, BEFORE_SUBSCRIPTION, BEFORE_SUBSCRIPTION)
        if len(parts) == 1 and (isinstance(parts[0], SourceFailure) or parts[0].start <= start):
            return parts[0]
        return next((part for part in parts if isinstance(part, SourceFailure)), None) or _joined(
            start, end, self._epoch + end, [part for part in parts if isinstance(part, Window)]
        )

    def _ask(self, until: float) -> None:
        """What was answered since it was last asked for, at the weight that there was all the time."""
        if until <= self._asked:
            return
        reading = self._source(self._asked, until, self._weight)
        self._asked = until
        self._parts.append(reading)
        if isinstance(reading, Window) and isinstance(reading.canary, Sample):
            self._requests += reading.canary.requests
            self._failed += reading.canary.failure

    def played(self, at: float) -> Played:
        self._ask(at)
        state = self._split.state if self._split is not None else None
        outcome = {Phase.PROMOTED: Outcome.PROMOTED, Phase.ROLLED_BACK: Outcome.ROLLED_BACK}.get(self._phase)
        rejected = outcome is Outcome.ROLLED_BACK and state is not None
        last = self._moves[-1] if self._moves else Move(0.0, 0, "", "")
        return Played(
            outcome=outcome or Outcome.UNFINISHED,
            reason=state.reason if rejected and state else last.reason,
            words=state.note if rejected and state else last.words,
            seconds=at,
            moves=tuple(self._moves),
            requests=self._requests,
            failed=self._failed,
        )


def _joined(start: float, end: float, wall_end: float, parts: list[Window]) -> Window:
    """A window in which the weight has changed. It is never judged, and tells only that there were requests."""
    sides = Sides(*(_sum([part.seen_by(None)[side] for part in parts]) for side in (0, 1)))
    return Window(start, end, wall_end, sides.canary, sides.stable)


def _sum(readings: list[SideReading]) -> SideReading:
    samples = [reading for reading in readings if isinstance(reading, Sample)]
    if not samples:
        return next(iter(readings), Missing("nothing was asked for"))
    return Sample(sum(sample.success for sample in samples), sum(sample.failure for sample in samples))
