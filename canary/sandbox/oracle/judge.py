"""The oracle: it takes every write in, and asks the judges of each invariant."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import msgspec

from canary.api.canary import Canary
from canary.api.names import CONTROLLER_MANAGER
from canary.api.validation import InvalidSpec, load_spec
from canary.core.phases import Phase
from canary.core.plan import Plan, plan_of
from canary.core.state import State, WriteId
from canary.sandbox.evidence import Answered
from canary.sandbox.oracle.endpoints import Endpoints
from canary.sandbox.oracle.gates import Gates
from canary.sandbox.oracle.leaving import forsaken, judge_closing, judge_goodbye, judge_split_removal
from canary.sandbox.oracle.log import FRESH, MAX_BURST, REQUEST, Broken, Violation, Write, copied
from canary.sandbox.oracle.marks import COPIES, judge_marks
from canary.sandbox.oracle.roots import judge_removal, judge_services
from canary.sandbox.oracle.scaling import judge_scale
from canary.sandbox.oracle.splits import Split, came_late, judge_order, judge_shape, mends, read_split
from canary.sandbox.oracle.statuses import judge_finalizer, judge_status, record_in
from canary.sandbox.oracle.templates import judge_template
from canary.sandbox.oracle.workload import Workload

OURS = frozenset({"canaries", "trafficsplits", "events", "leases"})
"""What a controller may write at all, in services mode."""
WORKLOAD = COPIES


@dataclass(slots=True)
class Oracle:
    """Feed it every write in order; `violations` is what it found. `root` and `canary` name the one that is judged.

    `blind` is for how many seconds a process may not have seen what became of the endpoints, when it has just come and
    when its watch is silent: a lowering on an old view is right. `answers` are those of the metrics source, with which
    gates are compared; without them only what a gate says of itself is judged. With `skewed` clocks the times that
    writers have put down mean nothing to each other. `deleters` are the user agents of controllers. `delays` are the
    seconds from the answer that decided a rollback, by the count of breaches that the state had, to the commit that
    took the traffic away; they begin no earlier than stable has ready endpoints.
    """

    namespace: str
    canary: str
    root: str
    blind: float = FRESH
    answers: Iterable[Answered] | None = None
    skewed: bool = False
    deleters: frozenset[str] = frozenset()
    violations: list[Violation] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)
    _plan: Plan | None = None
    _split: Split = field(default_factory=Split)
    _endpoints: Endpoints = field(default_factory=Endpoints)
    _workload: Workload | None = None
    _early: list[Write] = field(default_factory=list)
    _seen: dict[int, frozenset[int]] = field(default_factory=dict)
    _ids: set[WriteId] = field(default_factory=set)
    _highest: int = 0
    _projected: int = 0
    _raised: set[tuple[str, int, float]] = field(default_factory=set)
    _writers: dict[tuple[str, str], float] = field(default_factory=dict)
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_BURST + 1))
    _released: dict[str, float] = field(default_factory=dict)
    _bursts: dict[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    _began: float = 0.0

    def copied(self) -> Oracle:
        """One that has heard the same, and goes on by itself."""
        other = copied(self)
        other._endpoints = copied(self._endpoints)
        if self._workload is not None:
            other._workload = copied(self._workload)
            other._workload.endpoints = other._endpoints
        return other

    def feed(self, writes: Iterable[Write]) -> Oracle:
        """Judge these writes as well."""
        for write in writes:
            if write.namespace != self.namespace:
                continue
            if write.plural == "endpointslices":
                self._endpoints.feed(write)
            elif write.plural == "canaries" and write.name == self.canary:
                self._canary(write)
            elif write.plural == "trafficsplits" and write.name == self.root:
                self._traffic(write)
            elif write.plural == "leases":
                self._lease(write)
            elif write.plural not in OURS:
                self._other(write)
        return self

    def check(self) -> None:
        """Raises `AssertionError` that names every violation."""
        if self.violations:
            raise AssertionError("\n".join(map(str, self.violations)))

    def _say(self, write: Write, broken: Broken) -> None:
        self.violations += [Violation(invariant, write.monotonic, words) for invariant, words in broken]

    def _other(self, write: Write) -> None:
        workload = self._workload
        if workload is None:
            if write.manager == CONTROLLER_MANAGER:
                self._say(write, [("S17", f"a controller wrote {write.plural} {write.name}")])
            if write.plural in WORKLOAD:
                self._early.append(write)
            return
        if workload.ours(write):
            self._say(write, self._judge_workload(workload, write))
        if write.plural in WORKLOAD:
            workload.note(write)

    def _judge_workload(self, workload: Workload, write: Write) -> Iterator[tuple[str, str]]:
        yield from judge_marks(workload, write)
        yield from judge_template(workload, write)
        yield from judge_scale(workload, write)
        yield from judge_services(workload, write)
        if write.new is None and write.plural != "services":
            yield from judge_removal(workload, write)
        key = (write.plural, write.name)
        self._bursts[key] = (*self._bursts.get(key, ()), write.monotonic)[-MAX_BURST - 1 :]
        times = self._bursts[key]
        if len(times) > MAX_BURST and write.monotonic - times[0] < 1.0:
            yield "S19", f"over {MAX_BURST} writes of {write.plural} {write.name} within a second"

    def _lease(self, write: Write) -> None:
        before, after = (((side or {}).get("spec") or {}).get("holderIdentity") for side in (write.old, write.new))
        if write.manager == CONTROLLER_MANAGER and before and not after:
            self._released[before] = write.monotonic

    def _canary(self, write: Write) -> None:
        given_up = self._workload is not None and forsaken(self._workload, write.monotonic)
        if self._workload is not None and not given_up:
            self._say(write, judge_goodbye(self._workload, write))
        if write.new is None:
            self._projected = 0  # whoever is made anew under this name has a status of its own
            self._split = replace(self._split, forgotten=0)
            return
        if write.manager == CONTROLLER_MANAGER and write.old and write.old.get("spec") != write.new.get("spec"):
            self._say(write, [("S17", "a controller wrote the spec")])
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
        self._follow(write, canary)
        self._say(write, judge_status(write, self._highest, self._seen))
        self._projected = max(self._projected, record_in(write.new).get("seq", 0))
        if not given_up:
            self._say(write, judge_finalizer(write, self._split))

    def _follow(self, write: Write, canary: Canary) -> None:
        """The Canary of managed mode: whose it is, and that it is being deleted."""
        if self._plan is None or not self._plan.target:
            return
        if self._workload is None:
            self._workload = Workload(
                self.canary, self.root, self._endpoints, self.blind, self.skewed, self.deleters, self._plan.target
            )
            for early in self._early:
                self._workload.note(early)
            self._early.clear()
            stable, trial = self._workload.backends
            self._endpoints.workloads |= {stable: self._workload.stable, trial: self._workload.target}
        workload, uid = self._workload, canary.metadata.uid
        workload.settle, workload.patience = self._plan.settle, self._plan.deadline
        deleting = canary.metadata.deletion_timestamp is not None
        if uid != workload.uid or deleting != workload.now.deleting:
            workload.uid = uid
            workload.owners.add(uid)
            now = workload.now
            workload.moved(write.monotonic, now.state, now.share, deleting=deleting, split=now.split)

    def _traffic(self, write: Write) -> None:
        workload = self._workload
        if write.new is None:
            if workload is not None and workload.ours(write):
                self._say(write, judge_split_removal(workload, self._split))
            self._split = Split(forgotten=self._projected if self._split.state else self._split.forgotten)
            self._moved(write)
            return
        before, self._split = self._split, read_split(write)
        try:
            self._stored(write, before, self._split)
        finally:
            self._moved(write)

    def _moved(self, write: Write) -> None:
        if self._workload is not None:
            share = self._split.share(self._workload.backends[1])
            deleting, there = self._workload.now.deleting, write.new is not None
            self._workload.moved(write.monotonic, self._split.state, share, deleting=deleting, split=there)

    def _stored(self, write: Write, before: Split, after: Split) -> None:
        after.moved, after.held = before.moved, before.held
        after.forgotten = self._projected if before.state is not None else before.forgotten
        if after.state is None or (before.state is not None and after.state.id == before.state.id):
            return  # another program's write: ours change the state's identity
        of_old = after.state.id in self._ids or came_late(write, before, after.state)
        self._ids.add(after.state.id)
        if of_old:
            if after.state.seq < self._projected:
                after.state = None  # an old copy that somebody has put back: it counts as missing
            return
        if after.uid != before.uid:
            before = Split(after.uid, forgotten=before.forgotten)
        # Who destroys a state that was not projected yet makes its number free: it may be used again.
        seen = self._seen.get(after.state.seq, frozenset())
        self._seen[after.state.seq] = seen | {after.state.weight}
        if before.state is None or before.state.change != after.state.change:
            after.moved = write.monotonic
        if before.state is None or before.state.since != after.state.since:
            after.held = write.monotonic
        if before.state is None or before.state.started != after.state.started:
            self._began = write.monotonic
        self._say(write, self._often(write, after.state))
        self._say(write, self._judge(write, before, after, after.state))
        self._highest = max(self._highest, after.state.seq)

    def _often(self, write: Write, state: State) -> Broken:
        self._times.append(write.monotonic)
        if len(self._times) > MAX_BURST and write.monotonic - self._times[0] < 1.0:
            yield "S19", f"over {MAX_BURST} writes within a second"
        if write.monotonic > self._released.get(state.writer, float("inf")) + REQUEST:
            yield "L12", f"{state.writer} wrote after it had released its Lease"

    def _judge(self, write: Write, before: Split, after: Split, state: State) -> Broken:
        yield from judge_shape(write, self.root, after, state)
        yield from judge_order(before, state)
        if self._workload is not None:
            yield from judge_closing(self._workload, before.state, state, write.monotonic)
        yield from self._weights(write, before, after, state)
        if state.running and after.share(state.canary) and not state.revision:
            yield "S2", f"{after.share(state.canary)}% for pods of no one revision"
        barred = state.running and after.share(state.canary) and state.revision in state.rejected
        if barred and not self._cannot_return(write, before, after, state):
            yield "S5", f"rejected revision {state.revision} has {after.share(state.canary)}%"
        # Who has only just come, or to whom this Canary is new, may not have seen the endpoints: then it goes down.
        came = self._writers.setdefault((state.writer, state.uid), write.monotonic)
        known = came <= write.monotonic - self.blind
        gains = after.share(state.canary) > before.share(state.canary)
        if gains or known:
            yield from self._endpoints.judge(write, before, after, FRESH if gains else self.blind)

    def _cannot_return(self, write: Write, before: Split, after: Split, state: State) -> bool:
        """A promotion that is being undone keeps what it has until stable has a ready endpoint again."""
        undone = state.phase is Phase.PROMOTING and state.reason
        unseen = self._endpoints.ready_since.get(state.serving, write.monotonic) > write.monotonic - self.blind
        return bool(undone) and unseen and after.share(state.canary) <= before.share(state.canary)

    def _weights(self, write: Write, before: Split, after: Split, state: State) -> Broken:
        previous, old, new = before.state, before.share(state.canary), after.share(state.canary)
        gates = Gates(self._plan, self._endpoints, self.answers, self.skewed, self.blind, self._began)
        opened = self._workload is not None and previous is not None and previous.phase is not state.phase
        opened = opened and state.phase is Phase.PROMOTING and new <= old
        if previous is not None and state.phase is Phase.PROMOTED and previous.running:
            yield from gates.judge(write, before, previous, state)
        elif opened and previous is not None:
            if state.command == previous.command:
                yield from gates.judge(write, before, previous, state)
        elif new > old and not mends(before, state):
            yield from self._raise(write, before, state, gates)
        if state.phase in (Phase.ROLLING_BACK, Phase.ROLLED_BACK) and new:
            yield "S6", f"{new}% for the canary in {state.phase}"
        if previous is not None and previous.running and state.phase is Phase.ROLLING_BACK:
            yield from gates.judge_rollback(write, before, previous, state, self.delays)

    def _raise(self, write: Write, before: Split, state: State, gates: Gates) -> Broken:
        previous = before.state
        if previous is None:
            yield "S2", f"{state.weight}% without an earlier state"
            return
        if state.phase not in (Phase.PROGRESSING, Phase.PROMOTING):
            yield "S6", f"a raise in {state.phase}"
        by_command = state.command != previous.command
        if not by_command:
            yield from gates.judge(write, before, previous, state)
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
        if self._endpoints.gone(state.canary, write.monotonic):
            yield "S7", f"{state.weight}% for {state.canary}, which has had no ready endpoint for {FRESH:g} s"
