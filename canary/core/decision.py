"""What the decision asks for: at most one write of the split, and in words what is waited for."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from canary.core.observed import Backend
from canary.core.state import State, WriteId


class Direction(StrEnum):
    """Which way a write moves the canary's share; it decides what is read before and how a failure is met."""

    DOWN = "Down"
    LEVEL = "Level"
    UP = "Up"


class Act(StrEnum):
    CREATE = "Create"
    UPDATE = "Update"
    LOWER_ONLY = "LowerOnly"
    """Only the weights: the state was written by a newer controller and stays byte for byte."""
    RELEASE = "Release"
    """Our annotations but the owner's go, and the label: the Canary is deleted, traffic stays as it is."""
    DELETE = "Delete"
    """The split goes: the Canary is deleted, and the root Service selects what shall serve."""


class Change(msgspec.Struct, frozen=True):
    """One write of the split.

    `moves` says that backends or weights change. A `guarded` write reads Canary and endpoints live before the split:
    every raise, and whatever depends on which revision runs or what people ask for, lest two processes with views of
    different age undo each other's writes.
    After `expires_at` (monotonic seconds) the verdict behind it is too old to be acted on.
    """

    act: Act
    state: State
    backends: tuple[Backend, ...]
    direction: Direction
    moves: bool = False
    guarded: bool = False
    expires_at: float | None = None


class Outlook(msgspec.Struct, frozen=True):
    """What a Canary waits for, in one CamelCase word and one sentence, and how conditions show it.

    `blocked` means that somebody must act (Stalled); `held` that people or a policy hold the rollout (Paused).
    `next_at` is the monotonic time of the next thing known to happen.
    """

    reason: str
    message: str
    blocked: bool = False
    held: bool = False
    next_at: float | None = None


class Decision(msgspec.Struct, frozen=True):
    change: Change | None = None
    outlook: Outlook | None = None
    wake_at: float | None = None


def stamped(change: Change, *, base_seq: int, writer: str, attempt: int, epoch: int, wall: float) -> State:
    """The state to write: with its write's identity and, when weights move, the time and name of the move.

    `epoch` is the writer's; a lowering keeps the stored one, so that nothing stands between a breach and its write.
    """
    this = WriteId(base_seq + 1, writer, attempt)
    keeps_epoch = change.direction is Direction.DOWN and change.act is not Act.CREATE
    state = msgspec.structs.replace(
        change.state,
        seq=this.seq,
        writer=this.writer,
        attempt=this.attempt,
        epoch=change.state.epoch if keeps_epoch else epoch,
    )
    return msgspec.structs.replace(state, change=this, moved=wall) if change.moves else state
