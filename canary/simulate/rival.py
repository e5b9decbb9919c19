"""What the rules of other controllers have in common when they are played: weights over time, and looks at the canary.

Each of them is given what a plan says in its own terms, and the same traffic.
"""

from __future__ import annotations

from dataclasses import dataclass

from canary.core.plan import Limit, Plan, Stage
from canary.core.window import Missing, SideReading, SourceFailure, Window
from canary.simulate.ledger import Ledger, Source, joined
from canary.simulate.play import Move, Outcome, Played, playable

USUAL_RATE = 99.0
"""Percent: the lowest success rate of the examples in both controllers' documentation, for a plan that has none."""


@dataclass(frozen=True, slots=True)
class Check:
    """A limit on the canary alone."""

    limit: Limit

    def fails(self, canary: SideReading) -> bool:
        """No value fails as well: a comparison with NaN is false, and an empty answer is an error or a failed check."""
        value = _value(self.limit, canary)
        return value is None or not self.limit.allows(value)


def _value(limit: Limit, canary: SideReading) -> float | None:
    if isinstance(canary, Missing):
        return None
    if limit.quantile:
        return next((value for name, value in canary.latency.items() if name == limit.quantile), None)
    if limit.slower_than:
        share = canary.slower_than(limit.slower_than)
        return None if share is None else 100.0 * share
    return 100.0 * canary.success_rate


def checks_of(plan: Plan) -> tuple[Check, ...]:
    """The plan's limits; a plan that only compares gets the usual lowest success rate."""
    found = tuple(Check(limit) for limit in plan.limits if limit.limit > 0.0)
    return found or (Check(Limit("success-rate", USUAL_RATE)),)


def stages_of(plan: Plan) -> tuple[Stage, ...]:
    """The steps as these controllers know them: all traffic without a hold is their promotion, not a step."""
    stages = playable(plan).stages
    return stages[:-1] if len(stages) > 1 and stages[-1].weight == 100 and not stages[-1].hold else stages


class Run:
    """A rollout that a rule drives: it says when the weight changes and when it looks."""

    def __init__(self, source: Source) -> None:
        self.weight = 0
        self._ledger = Ledger(source)
        self._moves: list[Move] = []

    def move(self, at: float, weight: int, reason: str, words: str) -> None:
        self._ledger.ask(at, self.weight)
        self.weight = weight
        self._moves.append(Move(at, weight, reason, words))

    def seen(self, at: float) -> SideReading:
        """What the canary answered since the last look."""
        self._ledger.ask(at, self.weight)
        parts = self._ledger.take()
        failure = next((part for part in parts if isinstance(part, SourceFailure)), None)
        return Missing(failure.reason) if failure else joined([p.canary for p in parts if isinstance(p, Window)])

    def promoted(self, at: float, words: str) -> Played:
        self.move(at, 100, "Promoted", words)
        return self._played(Outcome.PROMOTED, at)

    def rolled_back(self, at: float, words: str) -> Played:
        self.move(at, 0, "RolledBack", words)
        return self._played(Outcome.ROLLED_BACK, at)

    def unfinished(self, at: float) -> Played:
        self._ledger.ask(at, self.weight)
        return self._played(Outcome.UNFINISHED, at)

    def _played(self, outcome: Outcome, at: float) -> Played:
        last = self._moves[-1] if self._moves else Move(0.0, 0, "", "")
        return Played(
            outcome, last.reason, last.words, at, tuple(self._moves), self._ledger.requests, self._ledger.failed
        )
