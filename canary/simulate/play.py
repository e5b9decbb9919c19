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
from canary.core.decision import Change, Outlook, stamped
from canary.core.memory import Memory
from canary.core.observed import Now, Observed, Side, Split
from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.core.verdict import Judged
from canary.core.window import Reading, SourceFailure, Window
from canary.metrics.groups import PROBE_AFTER
from canary.simulate.ledger import Ledger, Source, joined

EPOCH = 1_767_225_600.0
"""Unix seconds of second 0, unless the caller has another one."""
_UID = "simulated"
_MOST_WRITES = 16
"""Writes at one moment; more mean that the decision never comes to rest."""


Watch: TypeAlias = Callable[[int, Reading, Judged | None], None]
"""Is told of each window that ended: the weight in percent until then, what was read, and what was made of it."""


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
    """How a rollout went: why it ended, or what an unfinished one waits for, in a word and a sentence.

    `seconds` is when it ended; `requests` and `failed` are those that the canary got.
    """

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


def play(
    plan: Plan,
    source: Source,
    *,
    horizon: float,
    delay: float = 0.0,
    epoch: float = EPOCH,
    watch: Watch = lambda *_: None,
) -> Played:
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
            watch(*rollout.close(end - plan.interval, end))
        else:
            rollout.look(at)
    return rollout.played(rollout.at)


class _Rollout:
    """A world of two Services and the controller in it."""

    def __init__(self, plan: Plan, source: Source, epoch: float) -> None:
        self.at = 0.0
        self.wake_at = 0.0
        self._plan, self._ledger, self._epoch = plan, Ledger(source), epoch
        services = (plan.stable, plan.canary)
        self._sides = {name: Side(name, ready=1, hashes=(name,), ready_at=epoch) for name in services}
        self._split: Split | None = None
        self._memory = Memory()
        self._moves: list[Move] = []
        self._outlook: Outlook | None = None

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

    def close(self, start: float, end: float) -> tuple[int, Reading, Judged | None]:
        """A window ends, and is looked at; returns what a `Watch` is told."""
        weight, reading = self._weight, self.window(start, end)
        return weight, reading, self.look(end, reading)

    def look(self, at: float, *readings: Reading) -> Judged | None:
        """Evaluates until nothing is written any more; returns what was made of a window, where it was judged."""
        self.at, judged = at, None
        now = Now(at, self._epoch + at)
        for _ in range(_MOST_WRITES):
            observed = Observed(_UID, self._plan, last_plan=self._plan, split=self._split, sides=self._sides, live=True)
            self._memory, decision = evaluate(observed, self._memory, readings, now)
            if readings:
                judged = next((each for each in _verdicts(self._memory) if each.end == at), None)
            if decision.change is None:
                self._outlook = decision.outlook
                self.wake_at = decision.wake_at if decision.wake_at is not None else float("inf")
                return judged
            self._apply(decision.change, now)
            if self.ended:
                return judged
            readings = ()
        raise NeverAtRest(f"{_MOST_WRITES} writes at second {at}: {self._moves[-1]}")

    def _apply(self, change: Change, now: Now) -> None:
        before, phase = self._weight, self._phase
        self._ledger.ask(now.monotonic, before)
        seq = self._split.state.seq if self._split is not None and self._split.state is not None else 0
        state = stamped(change, base_seq=seq, writer="simulated", attempt=1, epoch=1, wall=now.wall)
        self._split = Split("split", state, change.backends)
        if (state.weight, state.phase) != (before, phase) and state.said:
            weight = 100 if state.phase is Phase.PROMOTED else state.weight
            self._moves.append(Move(now.monotonic, weight, state.said[-1].reason, state.said[-1].note))

    def window(self, start: float, end: float) -> Reading:
        """The window that ends now, and has not been given before."""
        self._ledger.ask(end, self._weight)
        parts = self._ledger.take()
        failure = next((part for part in parts if isinstance(part, SourceFailure)), None)
        if failure is not None or len(parts) == 1:
            return failure or parts[0]
        # The weight has changed within this window: it is never judged, and tells only that there is an answer.
        windows = [part for part in parts if isinstance(part, Window)]
        canary, stable = joined([part.canary for part in windows]), joined([part.stable for part in windows])
        return Window(start, end, self._epoch + end, canary, stable)

    def played(self, at: float) -> Played:
        self._ledger.ask(at, self._weight)
        outcome = {Phase.PROMOTED: Outcome.PROMOTED, Phase.ROLLED_BACK: Outcome.ROLLED_BACK}.get(self._phase)
        reason, words = self._why(outcome)
        return Played(
            outcome=outcome or Outcome.UNFINISHED,
            reason=reason,
            words=words,
            seconds=at,
            moves=tuple(self._moves),
            requests=self._ledger.requests,
            failed=self._ledger.failed,
        )

    def _why(self, outcome: Outcome | None) -> tuple[str, str]:
        state = self._split.state if self._split is not None else None
        if outcome is None or state is None:
            return (self._outlook.reason, self._outlook.message) if self._outlook else ("", "")
        if outcome is Outcome.ROLLED_BACK:
            return state.reason, state.note
        return self._moves[-1].reason, self._moves[-1].words


def _verdicts(memory: Memory) -> tuple[Judged, ...]:
    """The newest ones: within warm-up a severe breach is counted, and nothing else kept."""
    return (*memory.pending[-1:], *((memory.latest,) if memory.latest is not None else ()))


__all__ = ["EPOCH", "Move", "NeverAtRest", "Outcome", "Played", "Source", "Watch", "play", "playable"]
