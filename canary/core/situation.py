"""One moment of one Canary, and the way from a rule's wish to a write that is allowed."""

from __future__ import annotations

from typing import Any

import msgspec

from canary.core.decision import Act, Change, Decision, Direction, Outlook
from canary.core.evidence import Evidence
from canary.core.memory import Memory, trusted_state
from canary.core.observed import Backend, Now, Observed, Ownership, Side, Split
from canary.core.phases import Phase, Trigger, move
from canary.core.plan import Plan
from canary.core.scale import pods_needed
from canary.core.state import Said, State, events_so_far
from canary.core.workload import Workload


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

    @property
    def workload(self) -> Workload | None:
        """What runs, in managed mode; `None` in services mode."""
        return self.observed.workload

    @property
    def wanted(self) -> str:
        """The revision that is asked for: what the user's Deployment holds, or what runs behind the canary Service.

        Empty while it is not known, or several are mixed.
        """
        if self.workload is not None:
            return self.workload.candidate.revision if self.workload.candidate else ""
        return self.observed.side(self.observed.plan.canary).revision if self.observed.plan else ""

    @property
    def wants_serving(self) -> bool:
        """What serves already is asked for, and nothing else."""
        if self.workload is not None:
            return bool(self.wanted) and self.wanted == self.state.promoted
        return self.observed.plan is not None and self.observed.plan.canary == self.state.serving

    @property
    def pods_needed(self) -> int:
        """How many endpoints the canary must have before its weight may rise."""
        return 1 if self.workload is None or self.plan is None else pods_needed(self.plan, self.state, self.workload)

    def reached(self, moment: float | None) -> bool:
        return moment is not None and self.now.monotonic >= moment


def situation_of(observed: Observed, memory: Memory, now: Now) -> Situation | None:
    """The situation of a split that is ours and has a state to be trusted; `None` of any other."""
    state = trusted_state(observed, memory)
    if observed.split is None or state is None or observed.split.ownership is not Ownership.OURS:
        return None
    return with_state(observed, memory, now, observed.split, state)


def with_state(observed: Observed, memory: Memory, now: Now, split: Split, state: State) -> Situation:
    """A promotion that was opened by a valid plan is finished by it."""
    plan = observed.plan or (observed.last_plan if state.phase is Phase.PROMOTING else None)
    return Situation(observed, split, state, memory, now, plan)


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
    if s.workload is not None and phase is not s.state.phase:
        fields["entered"] = s.state.seq + 1
    state = msgspec.structs.replace(s.state, phase=phase, said=said, earlier=events_so_far(s.state), **fields)
    state = msgspec.structs.replace(state, evidence=_evidence(s, state))
    backends = expected_backends(state)
    moves = backends != s.split.backends
    direction = _direction(s, state, moves=moves)
    if direction is Direction.DOWN and stays(s):
        return Decision(outlook=stable_unavailable(s))
    guarded = guarded or direction is Direction.UP
    return Decision(Change(Act.UPDATE, state, backends, direction, moves, guarded, expires_at))


def _evidence(s: Situation, state: State) -> dict[str, Evidence]:
    """What the tests have shown goes with every write of the rollout that it belongs to."""
    same = state.running and (state.revision, state.started) == s.memory.rollout
    return dict(s.memory.evidence) if same else {}


def _direction(s: Situation, state: State, *, moves: bool) -> Direction:
    """By the share of what serves: more of it is down. When another Service begins to serve, nothing moves."""
    if not moves or state.serving != s.state.serving:
        return Direction.LEVEL
    before, after = s.split.weight_of(state.serving), 100 - state.weight
    return Direction.UP if after < before and not s.split.malformed else Direction.DOWN


def stays(s: Situation) -> bool:
    """What serves has no ready endpoint and the other side has some: traffic is not taken back."""
    return s.serving_side.gone and refuge(s) is not None


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
