"""The split as the log has it, and what every state must be like: S1, S12, S13."""

from __future__ import annotations

from dataclasses import dataclass, field

from canary.api.names import STATE_ANNOTATION
from canary.core.state import State, UnknownVersion, decode_state
from canary.sandbox.oracle.log import Broken, Write, annotations_of


@dataclass(slots=True)
class Split:
    """One split; `moved` is when we last changed a weight, `held` when the hold began (world time).

    Without a state, `forgotten` is the highest number that the status knew when the last one was destroyed.
    """

    uid: str = ""
    state: State | None = None
    weights: dict[str, int] = field(default_factory=dict)
    broken: bool = False
    moved: float = 0.0
    held: float = 0.0
    forgotten: int = 0

    def share(self, service: str) -> int:
        """The weight of a Service; 0 for one without a name."""
        return self.weights.get(service, 0) if service else 0


def read_split(write: Write) -> Split:
    """The split that a write has stored."""
    assert write.new is not None
    try:
        state = decode_state(annotations_of(write.new).get(STATE_ANNOTATION))
    except UnknownVersion:
        state = None
    weights: dict[str, int] = {}
    listed = write.new["spec"].get("backends") or ()
    for backend in listed:
        weights[backend["service"]] = weights.get(backend["service"], 0) + backend.get("weight", 0)
    broken = sum(weights.values()) != 100 or len(weights) != len(listed)
    return Split(write.new["metadata"]["uid"], state, weights, broken)


def judge_shape(write: Write, root: str, after: Split, state: State) -> Broken:
    """S1: two Services at most, whole weights, and those of the state."""
    assert write.new is not None
    backends = write.new["spec"].get("backends") or []
    values = [b.get("weight") for b in backends]
    names = [b.get("service") for b in backends]
    if not all(type(v) is int and v >= 0 for v in values) or sum(values) != 100:
        yield "S1", f"weights {values}"
    if len(set(names)) != len(names) or root in names or not set(names) <= {state.serving, state.canary}:
        yield "S1", f"backends {names} of {state.serving} and {state.canary}"
    if state.weight and after.weights.get(state.canary) != state.weight:
        yield "S1", f"the state says {state.weight}%, the split {after.weights}"


def judge_order(before: Split, state: State) -> Broken:
    """S12 and S13: numbers rise by one, epochs never fall."""
    if before.state is None:
        # Who destroys a split before its state was projected makes that state forgotten, and nothing more.
        if state.seq <= before.forgotten:
            yield "S12", f"seq {state.seq} was used before (the status knew {before.forgotten})"
        return
    rebuilt = state.reason == "Rebuilt" and state.seq > before.state.seq
    if state.seq != before.state.seq + 1 and not rebuilt:
        yield "S12", f"seq {before.state.seq} -> {state.seq}"
    if state.epoch < before.state.epoch:
        yield "S13", f"epoch {before.state.epoch} -> {state.epoch}"


def came_late(write: Write, before: Split, state: State) -> bool:
    """A creation can have no precondition: it may arrive when what it was made for has come, and gone, already."""
    return write.old is None and state.weight == 0 and state.seq <= before.forgotten


def mends(before: Split, state: State) -> bool:
    """The weight of the state is put back where somebody left backends that nobody can follow."""
    return before.broken and before.state is not None and state.weight <= before.state.weight
