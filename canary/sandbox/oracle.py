"""The invariants of a rollout, checked on the log of accepted writes: one judge for every test that runs a rollout.

It reads no log line and trusts no status: only what the API server stored, in order. The numbers are those of
`docs/reliability.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from canary.api.canary import Canary
from canary.api.kinds import EndpointSlice
from canary.api.meta import ObjectMeta
from canary.api.names import FINALIZER, STATE_ANNOTATION
from canary.api.validation import InvalidSpec, load_spec
from canary.core.phases import Phase
from canary.core.plan import Plan, plan_of
from canary.core.state import State, UnknownVersion, WriteId, decode_state
from canary.workload.sides import ready_endpoints

FRESH = 16.0
"""Seconds for which a view of endpoints may be old: what a raise may rest on, one write, and a second of grace."""
REQUEST = 15.0
"""The longest time between deciding and the commit: one request."""


class Write(Protocol):
    """One accepted write: a `Commit` of the embedded API server, or made of what a real etcd has stored."""

    @property
    def monotonic(self) -> float: ...
    @property
    def plural(self) -> str: ...
    @property
    def subresource(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def old(self) -> dict[str, Any] | None: ...
    @property
    def new(self) -> dict[str, Any] | None: ...


@dataclass(frozen=True, slots=True)
class Violation:
    """An invariant that a write broke."""

    invariant: str
    at: float
    words: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at:.2f} s: {self.words}"


@dataclass(slots=True)
class _Split:
    """A split as the log has it so far."""

    uid: str = ""
    state: State | None = None
    weights: dict[str, int] = field(default_factory=dict)
    broken: bool = False


@dataclass(slots=True)
class Oracle:
    """Feed it every write in order; `violations` is what it found. `root` and `canary` name the one that is judged.

    `blind` is for how many seconds a process may not have seen what became of the endpoints, when it has just come and
    when its watch is silent: a lowering on an old view is right.
    """

    namespace: str
    canary: str
    root: str
    blind: float = FRESH
    violations: list[Violation] = field(default_factory=list)
    _plan: Plan | None = None
    _split: _Split = field(default_factory=_Split)
    _slices: dict[str, EndpointSlice] = field(default_factory=dict)
    _zero_since: dict[str, float] = field(default_factory=dict)
    _ready_until: dict[str, float] = field(default_factory=dict)
    _seen: dict[int, State] = field(default_factory=dict)
    _ids: set[WriteId] = field(default_factory=set)
    _highest: int = 0
    _projected: int = 0
    _raised: set[tuple[str, int, float]] = field(default_factory=set)
    _writers: dict[str, float] = field(default_factory=dict)

    def feed(self, writes: Iterable[Write]) -> Oracle:
        """Judge these writes as well."""
        for write in writes:
            if write.namespace != self.namespace:
                continue
            if write.plural == "endpointslices":
                self._endpoints(write)
            elif write.plural == "canaries" and write.name == self.canary:
                self._canary(write)
            elif write.plural == "trafficsplits" and write.name == self.root:
                self._traffic(write)
        return self

    def check(self) -> None:
        """Raises `AssertionError` that names every violation."""
        if self.violations:
            raise AssertionError("\n".join(map(str, self.violations)))

    def _say(self, invariant: str, write: Write, words: str) -> None:
        self.violations.append(Violation(invariant, write.monotonic, words))

    def _endpoints(self, write: Write) -> None:
        if write.new is None:
            self._slices.pop(write.name, None)
        else:
            self._slices[write.name] = msgspec.convert(write.new, EndpointSlice)
        services = {piece.metadata.labels.get("kubernetes.io/service-name", "") for piece in self._slices.values()}
        for service in services | set(self._ready_until) | set(self._zero_since):
            if self._ready(service):
                self._zero_since.pop(service, None)
                self._ready_until[service] = float("inf")
            else:
                self._zero_since.setdefault(service, write.monotonic)
                if self._ready_until.get(service) == float("inf"):
                    self._ready_until[service] = write.monotonic

    def _ready(self, service: str) -> int:
        mine = [s for s in self._slices.values() if s.metadata.labels.get("kubernetes.io/service-name") == service]
        return len(ready_endpoints(mine))

    def _canary(self, write: Write) -> None:
        if write.new is None:
            self._projected = 0  # whoever is made anew under this name has a status of its own
            return
        canary = msgspec.convert(
            {
                "metadata": write.new["metadata"],
                "spec": msgspec.Raw(msgspec.json.encode(write.new.get("spec", {}))),
                "status": msgspec.Raw(msgspec.json.encode(write.new.get("status", {}))),
            },
            Canary,
        )
        with suppress(InvalidSpec):
            self._plan = plan_of(load_spec(canary))
        self._judge_status(write)
        self._judge_finalizer(write, canary.metadata)

    def _judge_status(self, write: Write) -> None:
        record = ((write.new or {}).get("status") or {}).get("record") or {}
        before = ((write.old or {}).get("status") or {}).get("record") or {}
        seq = record.get("seq", 0)
        if seq > self._highest:
            self._say("S14", write, f"the status knows seq {seq}, the split has had {self._highest}")
        if write.subresource == "status" and seq and seq < before.get("seq", 0):
            self._say("S14", write, f"the status went back from seq {before['seq']} to {seq}")
        self._projected = max(self._projected, seq)
        state = self._seen.get(seq)
        weight = ((write.new or {}).get("status") or {}).get("canaryWeight")
        if write.subresource == "status" and state is not None and record != before and weight != state.weight:
            self._say("S14", write, f"the status says {weight}% at seq {seq}, the split said {state.weight}%")

    def _judge_finalizer(self, write: Write, metadata: ObjectMeta) -> None:
        had = FINALIZER in ((write.old or {}).get("metadata") or {}).get("finalizers", [])
        if not had or FINALIZER in metadata.finalizers or metadata.deletion_timestamp is None:
            return
        state = self._split.state
        if state is not None and state.running and state.weight:
            self._say("S16", write, f"the finalizer went while the canary had {state.weight}%")

    def _traffic(self, write: Write) -> None:
        if write.new is None:
            self._split = _Split()
            return
        before, self._split = self._split, self._read(write)
        after = self._split
        if after.state is None or (before.state is not None and after.state.id == before.state.id):
            return  # another program's write: ours change the state's identity
        if after.state.id in self._ids:
            after.state = None  # an old copy that somebody has put back: it counts as missing
            return
        self._ids.add(after.state.id)
        if after.uid != before.uid:
            before = _Split(after.uid)
        self._seen[after.state.seq] = after.state
        for invariant, words in self._judge(write, before, after, after.state):
            self._say(invariant, write, words)
        self._highest = max(self._highest, after.state.seq)

    def _read(self, write: Write) -> _Split:
        assert write.new is not None
        annotations = write.new["metadata"].get("annotations") or {}
        try:
            state = decode_state(annotations.get(STATE_ANNOTATION))
        except UnknownVersion:
            state = None
        weights: dict[str, int] = {}
        for backend in write.new["spec"].get("backends") or ():
            weights[backend["service"]] = weights.get(backend["service"], 0) + backend.get("weight", 0)
        listed = write.new["spec"].get("backends") or ()
        broken = sum(weights.values()) != 100 or len(weights) != len(listed)
        return _Split(write.new["metadata"]["uid"], state, weights, broken)

    def _judge(self, write: Write, before: _Split, after: _Split, state: State) -> Iterator[tuple[str, str]]:
        yield from self._shape(write, after, state)
        yield from self._order(before, state)
        old = before.weights.get(state.canary, 0) if state.canary else 0
        new = after.weights.get(state.canary, 0) if state.canary else 0
        if before.state is not None and state.phase is Phase.PROMOTED and before.state.running:
            yield from self._gate(write, before, before.state, state)
        elif new > old and not _mends(before, state):
            yield from self._raise(write, before, after, state)
        if state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK) and new:
            yield "S6", f"{new}% for the canary in {state.phase}"
        if state.running and new and not state.revision:
            yield "S2", f"{new}% for pods of no one revision"
        if state.running and new and state.revision in state.rejected:
            yield "S5", f"rejected revision {state.revision} has {new}%"
        # A process that has only just come may not have seen the endpoints: an unknown view goes down.
        known = self._writers.setdefault(state.writer, write.monotonic) <= write.monotonic - self.blind
        if new > old or known:
            yield from self._availability(write, before, after, FRESH if new > old else self.blind)

    def _shape(self, write: Write, after: _Split, state: State) -> Iterator[tuple[str, str]]:
        assert write.new is not None
        backends = write.new["spec"].get("backends") or []
        values = [b.get("weight") for b in backends]
        names = [b.get("service") for b in backends]
        if not all(type(v) is int and v >= 0 for v in values) or sum(values) != 100:
            yield "S1", f"weights {values}"
        if len(set(names)) != len(names) or self.root in names or not set(names) <= {state.serving, state.canary}:
            yield "S1", f"backends {names} of {state.serving} and {state.canary}"
        if state.weight and after.weights.get(state.canary) != state.weight:
            yield "S1", f"the state says {state.weight}%, the split {after.weights}"

    def _order(self, before: _Split, state: State) -> Iterator[tuple[str, str]]:
        if before.state is None:
            # Who destroys a split before its state was projected makes that state forgotten, and nothing more.
            if state.seq <= self._projected:
                yield "S12", f"seq {state.seq} was used before (the status knows {self._projected})"
            return
        rebuilt = state.reason == "Rebuilt" and state.seq > before.state.seq
        if state.seq != before.state.seq + 1 and not rebuilt:
            yield "S12", f"seq {before.state.seq} -> {state.seq}"
        if state.epoch < before.state.epoch:
            yield "S13", f"epoch {before.state.epoch} -> {state.epoch}"

    def _raise(self, write: Write, before: _Split, after: _Split, state: State) -> Iterator[tuple[str, str]]:
        previous = before.state
        if previous is None:
            yield "S2", f"{state.weight}% without an earlier state"
            return
        if state.phase not in (Phase.PROGRESSING, Phase.PROMOTING):
            yield "S6", f"a raise in {state.phase}"
        by_command = state.command != previous.command
        if not by_command:
            yield from self._gate(write, before, previous, state)
            if self._plan is not None and state.plan == self._plan.hash:
                allowed = max(self._plan.next_weight(previous.step), previous.weight)
                if state.weight > allowed:
                    yield "S4", f"{previous.weight}% -> {state.weight}%, the plan's next weight is {allowed}%"
        mark = (state.revision, state.step, state.started)
        if previous.weight and mark in self._raised and previous.step == state.step:
            yield "S12", f"step {state.step} of {state.revision} was raised twice"
        self._raised.add(mark)
        if previous.revision in previous.rejected:
            yield "S5", f"{previous.revision} is rejected and got {state.weight}%"
        if self._ready_until.get(state.canary, -1.0) < write.monotonic - FRESH:
            yield "S7", f"{state.weight}% for {state.canary}, which has had no ready endpoint for {FRESH:g} s"

    def _gate(self, write: Write, before: _Split, previous: State, state: State) -> Iterator[tuple[str, str]]:
        gate = state.gate
        if gate is None:
            yield "S2", "a raise without a gate"
            return
        if (gate.split, gate.change) != (before.uid, previous.change) or gate.revision != previous.revision:
            yield "S2", f"the gate is about {gate.split} {gate.change} {gate.revision}, not what was changed last"
        if gate.kind == "Ready" and previous.weight:
            yield "S2", f"gate Ready at {previous.weight}%"
        if gate.kind == "Window":
            yield from self._window(write, previous, state)

    def _window(self, write: Write, previous: State, state: State) -> Iterator[tuple[str, str]]:
        gate, plan = state.gate, self._plan
        assert gate is not None
        if not gate.verdicts or set(gate.verdicts.values()) != {"Healthy"}:
            yield "S15", f"the gate's verdicts are {gate.verdicts}"
        if plan is None:
            return
        if gate.start < previous.moved + plan.settle - 0.5:
            yield (
                "S2",
                f"the window began {gate.start - previous.moved:.1f} s after the change, settle is {plan.settle:g} s",
            )
        if gate.requests < plan.stage(previous.step).min_requests:
            yield "S2", f"{gate.requests:g} requests, {plan.stage(previous.step).min_requests} are wanted"
        if previous.change != WriteId() and state.since - gate.end > plan.interval + REQUEST:
            yield "S3", f"the window ended {state.since - gate.end:.1f} s before the decision"

    def _availability(self, write: Write, before: _Split, after: _Split, fresh: float) -> Iterator[tuple[str, str]]:
        for service, weight in after.weights.items():
            gained = weight - before.weights.get(service, 0)
            gone = write.monotonic - self._zero_since.get(service, write.monotonic) > fresh
            others = [s for s in before.weights if s != service and before.weights[s] and self._ready(s)]
            if before.weights and gained > 0 and gone and others:
                yield "S8", f"{gained}% more for {service}, which has no ready endpoint, while {others} have some"


def _mends(before: _Split, state: State) -> bool:
    """The weight of the state is put back where somebody left backends that nobody can follow."""
    return before.broken and before.state is not None and state.weight <= before.state.weight
