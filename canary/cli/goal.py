"""What `canary wait` waits for, and how each state of a Canary is judged against it. Pure.

Without a revision it is the Canary that counts, whatever it rolls out. With one, a state counts only while it is about
that revision: before it has arrived nothing is over yet, and once another has taken its place all is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from canary.cli.canaries import View, standing
from canary.cli.exits import Exit
from canary.core.phases import Phase

FORMS = "promoted, rolled-back, paused, ready, or weight>=N with N from 1 to 100"
_WEIGHT = re.compile(r"weight\s*>=\s*([0-9]{1,3})%?")


@dataclass(frozen=True, slots=True)
class Goal:
    """`weight` is set for the goal `weight` alone."""

    word: str
    weight: int = 0

    def __str__(self) -> str:
        return f"weight>={self.weight}" if self.word == "weight" else self.word


def parse_goal(text: str) -> Goal:
    """The goal that `text` names. Raises `ValueError` with the forms that there are."""
    if text in ("promoted", "rolled-back", "paused", "ready"):
        return Goal(text)
    match = _WEIGHT.fullmatch(text)
    if match and 1 <= int(match[1]) <= 100:
        return Goal("weight", int(match[1]))
    raise ValueError(f"must be {FORMS}, not {text!r}")


@dataclass(frozen=True, slots=True)
class Verdict:
    """The end of waiting: how, and in words."""

    code: Exit
    words: str


@dataclass(slots=True)
class Wait:
    """One waiting, fed with the states of a Canary in order."""

    goal: Goal
    revision: str = ""
    fail_on_paused: bool = False
    _seen: bool = field(default=False, init=False)
    """Whether the revision that is waited for was ever there."""
    _ran: bool = field(default=False, init=False)
    """Whether a rollout was seen running."""

    def judge(self, view: View) -> Verdict | None:
        """The verdict that this state brings; `None` to go on waiting."""
        if self.revision and not self._concerns(view):
            return self._elsewhere(view)
        if not view.observed:
            return None
        self._ran = self._ran or view.running
        if self._reached(view):
            return Verdict(Exit.REACHED, f"{self.goal} reached: {standing(view)}")
        return self._failed(view) or self._held(view)

    def _concerns(self, view: View) -> bool:
        """Whether the status is about the revision that is waited for."""
        status = view.status
        return self.revision == status.canary_revision or (
            self.revision == status.last_applied_revision and view.label in ("", self.revision)
        )

    def _elsewhere(self, view: View) -> Verdict | None:
        """The status is about another revision: ours is over, or is yet to come."""
        entry = next((e for e in view.status.history if e.revision == self.revision), None)
        if entry is not None and entry.outcome == Phase.PROMOTED and self.goal.word in ("promoted", "weight", "ready"):
            return Verdict(Exit.REACHED, f"{self.revision} was promoted at {entry.ended_at}")
        if entry is not None and entry.outcome == Phase.ROLLED_BACK:
            words = f"{self.revision} was rolled back at {entry.ended_at}: {entry.reason}"
            return Verdict(Exit.REACHED if self.goal.word == "rolled-back" else Exit.FAILED, words)
        if view.label == self.revision:
            self._seen = True
            refused = view.observed and view.holds("Stalled") and view.status.phase != Phase.ROLLED_BACK
            return Verdict(Exit.FAILED, _stalled(view)) if refused else None
        if self._seen or entry is not None:
            other = view.label or view.status.canary_revision
            return Verdict(Exit.SUPERSEDED, f"{self.revision} was superseded by {other}")
        return None

    def _reached(self, view: View) -> bool:
        self._seen = True
        match self.goal.word:
            case "promoted":
                return view.holds("Promoted")
            case "rolled-back":
                return view.status.phase == Phase.ROLLED_BACK
            case "paused":
                return view.holds("Paused")
            case "ready":
                return view.holds("Ready")
        return view.holds("Promoted") or (view.running and (view.status.canary_weight or 0) >= self.goal.weight)

    def _failed(self, view: View) -> Verdict | None:
        if view.status.phase == Phase.ROLLED_BACK:
            return Verdict(Exit.FAILED, view.status.message or "the revision was rolled back")
        if view.holds("Stalled"):
            return Verdict(Exit.FAILED, _stalled(view))
        if self.goal.word == "rolled-back" and view.holds("Promoted") and (self._ran or self.revision):
            return Verdict(Exit.FAILED, "promoted instead of rolled back")
        return None

    def _held(self, view: View) -> Verdict | None:
        if view.suspended:
            return Verdict(Exit.SUSPENDED, "spec.suspend is true")
        if self.fail_on_paused and view.holds("Paused"):
            return Verdict(Exit.SUSPENDED, f"paused: {view.status.message}")
        return None


def _stalled(view: View) -> str:
    return f"stalled ({view.reason}): {view.status.message}"
