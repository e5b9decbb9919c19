"""What people, other programs and the world may do in a search, each once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from canary.api.names import ABORT_ANNOTATION, COMMAND_ANNOTATION, STATE_ANNOTATION
from canary.sandbox.search.server import TRIAL, Written, changed, decoded, state_of, stored
from canary.sandbox.search.values import World

Moved = tuple[World, Written | None]
Move = Callable[[World], Moved | None]
"""The world after the move and its write; `None` where it makes no sense."""

ABORT, ORDER = "@once", "once"


def delete_split(world: World) -> Moved | None:
    return None if world.split is None else _split(world, None)


def copy_split(world: World) -> Moved | None:
    return None if world.split is None or world.copy is not None else (replace(world, copy=world.split), None)


def restore_split(world: World) -> Moved | None:
    """The copy is put back, over the split or in its place."""
    if world.copy is None or state_of(world.copy) == state_of(world.split):
        return None
    old = decoded(world.copy)
    metadata = {name: value for name, value in old["metadata"].items() if name not in ("uid", "resourceVersion")}
    return _split(world, old | {"metadata": metadata})


def raise_weight(world: World) -> Moved | None:
    return _weigh(world, lambda weight: min(weight + 30, 100))


def lower_weight(world: World) -> Moved | None:
    return _weigh(world, lambda weight: weight // 2)


def strip_state(world: World) -> Moved | None:
    if state_of(world.split) is None or world.split is None:
        return None
    body = decoded(world.split)
    kept = {name: value for name, value in body["metadata"]["annotations"].items() if name != STATE_ANNOTATION}
    return _split(world, body | {"metadata": body["metadata"] | {"annotations": kept}})


def push_revision(world: World) -> Moved | None:
    return replace(world, revision=world.revision + 1), None


def abort(world: World) -> Moved | None:
    return _annotate(world, ABORT_ANNOTATION, ABORT)


def promote(world: World) -> Moved | None:
    """The running revision is promoted by command; again, if Git puts the same command back."""
    state = state_of(world.split)
    if state is None or not state.revision:
        return None
    return _annotate(world, COMMAND_ANNOTATION, f"promote@{state.revision}@{ORDER}")


def turn_bad(world: World) -> Moved | None:
    return replace(world, traffic="Bad"), None


def lag(number: int) -> Move:
    """The watch of Canaries of one process falls silent; or speaks again."""

    def move(world: World) -> Moved | None:
        process = world.processes[number]
        if process.view is not None:
            return None
        return _view(world, number, world.canary), None

    return move


def follow(number: int) -> Move:
    def move(world: World) -> Moved | None:
        return None if world.processes[number].view is None else (_view(world, number, None), None)

    return move


MOVES: dict[str, Move] = {
    "somebody deletes the split": delete_split,
    "somebody keeps a copy of the split": copy_split,
    "the copy of the split is put back": restore_split,
    "somebody raises the canary's weight": raise_weight,
    "somebody lowers the canary's weight": lower_weight,
    "somebody strips the state from the split": strip_state,
    "a new revision is behind the canary": push_revision,
    "somebody aborts": abort,
    "somebody promotes": promote,
    "Git puts the promote back": promote,
    "the canary begins to answer with errors": turn_bad,
    "A's watch of Canaries falls silent": lag(0),
    "A's watch of Canaries speaks again": follow(0),
    "B's watch of Canaries falls silent": lag(1),
    "B's watch of Canaries speaks again": follow(1),
}
"""Every move by the words of its event."""


def _split(world: World, body: dict[str, Any] | None) -> Moved:
    after, _, write = stored(world, body)
    return after, write


def _weigh(world: World, change: Callable[[int], int]) -> Moved | None:
    if world.split is None:
        return None
    body = decoded(world.split)
    weights = {backend["service"]: backend["weight"] for backend in body["spec"]["backends"]}
    before = weights.get(TRIAL, 0)
    after = change(before)
    if after == before:
        return None
    others = [name for name in weights if name != TRIAL]
    backends = [{"service": TRIAL, "weight": after}, {"service": others[0], "weight": 100 - after}]
    return _split(world, body | {"spec": body["spec"] | {"backends": backends}}) if others else None


def _annotate(world: World, name: str, value: str) -> Moved | None:
    old = decoded(world.canary)
    annotations = old["metadata"].get("annotations", {})
    if name in annotations:
        return None
    new = old | {"metadata": old["metadata"] | {"annotations": annotations | {name: value}}}
    after, _, write = changed(world, old, new)
    return after, write


def _view(world: World, number: int, view: bytes | None) -> World:
    processes = list(world.processes)
    processes[number] = replace(processes[number], view=view)
    return replace(world, processes=tuple(processes))
