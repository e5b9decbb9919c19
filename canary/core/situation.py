"""One moment of one Canary, and the way from a rule's wish to a write that is allowed."""

from __future__ import annotations

from typing import Any

import msgspec

from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.memory import Memory
from canary.core.observed import Backend, Now, Observed, Side, Split
from canary.core.phases import Trigger, move
from canary.core.plan import Plan
from canary.core.state import Said, State, events_so_far


class Situation(msgspec.Struct, frozen=True):
    """What every rule sees. `plan` is the one that governs: the last valid one while a promotion is being finished."""

    observed: Observed
    split: Split
    state: State
    memory: Memory
    now: Now
    plan: Plan | None

    @property
    def canary_side(self) -> Side:
        return self.observed.side(self.state.canary)

    @property
    def serving_side(self) -> Side:
        return self.observed.side(self.state.serving)

    def reached(self, moment: float | None) -> bool:
        return moment is not None and self.now.monotonic >= moment


def expected_backends(state: State) -> tuple[Backend, ...]:
    """What the split must list: the canary first and only while it has weight, integers that sum to 100."""
    serving = Backend(state.serving, 100 - state.weight)
    return (Backend(state.canary, state.weight), serving) if state.weight else (serving,)


def propose(
    s: Situation,
    trigger: Trigger | None,
    said: tuple[Said, ...],
    *,
    guarded: bool = False,
    expires_at: float | None = None,
    **fields: Any,
) -> Decision:
    """The write that `trigger` and the changed `fields` of the state ask for.

    A write that would move traffic to a side without ready endpoints, away from one that has some, is not made:
    the decision says `StableUnavailable` instead.
    """
    phase = move(s.state.phase, trigger) if trigger else s.state.phase
    state = msgspec.structs.replace(s.state, phase=phase, said=said, earlier=events_so_far(s.state), **fields)
    backends = expected_backends(state)
    moves = backends != s.split.backends
    direction = _direction(s, state, moves=moves)
    if direction is Direction.DOWN and s.serving_side.gone and refuge(s) is not None:
        return Decision(outlook=stable_unavailable(s))
    guarded = guarded or direction is Direction.UP
    return Decision(Change(Act.UPDATE, state, backends, direction, moves, guarded, expires_at))


def _direction(s: Situation, state: State, *, moves: bool) -> Direction:
    """By the share of what serves: more of it is down. When another Service begins to serve, nothing moves."""
    if not moves or state.serving != s.state.serving:
        return Direction.LEVEL
    before, after = s.split.weight_of(state.serving), 100 - state.weight
    return Direction.UP if after < before and not s.split.malformed else Direction.DOWN


def refuge(s: Situation) -> Side | None:
    """The side beside the one that serves that is ready: the canary's, or one that somebody else has given weight."""
    names = (s.state.canary, *(backend.service for backend in s.split.backends if backend.weight))
    sides = (s.observed.side(name) for name in names if name and name != s.state.serving)
    return next((side for side in sides if side.ready > 0), None)


def stable_unavailable(s: Situation) -> Outlook:
    side = refuge(s) or s.canary_side
    message = (
        f"Service {s.state.serving} has no ready endpoint and {side.service} has {side.ready}: "
        "traffic stays until one is ready"
    )
    return Outlook("StableUnavailable", message, blocked=True)


def say(reason: str, note: str, *, warning: bool = False) -> tuple[Said, ...]:
    """One event; its note is kept short enough for the state."""
    return (Said(reason, note[:400], warning),)
