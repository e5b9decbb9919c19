"""Why weight was raised and taken away, compared with what the metrics source really said: S2, S3, S15."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from canary.core.phases import Phase
from canary.core.plan import Plan
from canary.core.state import State, WriteId
from canary.sandbox.evidence import Answered, Evidence, Witness, is_worse
from canary.sandbox.oracle.endpoints import Endpoints
from canary.sandbox.oracle.log import FASTEST, REQUEST, Broken, Write
from canary.sandbox.oracle.splits import Split


@dataclass(frozen=True, slots=True)
class Gates:
    """The judge of one write. `began` is when the rollout began; the rest is as in `Oracle`."""

    plan: Plan | None
    endpoints: Endpoints
    answers: Iterable[Answered] | None
    skewed: bool
    blind: float
    began: float

    def judge(self, write: Write, before: Split, previous: State, state: State) -> Broken:
        """Of a raise, and of the opening and the end of a promotion."""
        gate = state.gate
        if gate is None:
            yield "S2", "a raise without a gate"
            return
        if (gate.split, gate.change) != (before.uid, previous.change) or gate.revision != previous.revision:
            yield "S2", f"the gate is about {gate.split} {gate.change} {gate.revision}, not what was changed last"
        if gate.kind == "Ready" and previous.weight:
            yield "S2", f"gate Ready at {previous.weight}%"
        if gate.kind == "Window":
            yield from self._window(write, before, previous, state)

    def _window(self, write: Write, before: Split, previous: State, state: State) -> Broken:
        gate, plan = state.gate, self.plan
        assert gate is not None  # the caller has checked it
        if not gate.verdicts or set(gate.verdicts.values()) != {"Healthy"}:
            yield "S15", f"the gate's verdicts are {gate.verdicts}"
        if plan is None:
            return
        yield from self._witnessed(write, before, previous, state)
        if gate.requests < plan.stage(previous.step).min_requests:
            yield "S2", f"{gate.requests:g} requests, {plan.stage(previous.step).min_requests} are wanted"
        if self.skewed:
            return
        if gate.start < previous.moved + plan.settle - 0.5:
            yield (
                "S2",
                f"the window began {gate.start - previous.moved:.1f} s after the change, settle is {plan.settle:g} s",
            )
        if previous.change != WriteId() and state.since - gate.end > plan.interval + REQUEST:
            yield "S3", f"the window ended {state.since - gate.end:.1f} s before the decision"

    def _witnessed(self, write: Write, before: Split, previous: State, state: State) -> Broken:
        """The source must have said so: to this writer, lately, and of a time after the change."""
        if self.answers is None or self.plan is None or state.gate is None:
            return
        if not self._own(previous, write.monotonic):
            return
        # Another process takes what is left of settle from wall clocks, the only ones that two have in common.
        plan, settle = self.plan, 0.0 if self.skewed else self.plan.settle
        moved, since = before.moved, min(before.moved, before.held)
        heard = Evidence(self.answers).of(self._workload(previous), state.writer, since, write.monotonic)
        latest = write.monotonic - (plan.interval + REQUEST) * (FASTEST if self.skewed else 1.0)
        # The source counts a window's seconds by its own clock.
        slack = 0.5 + (plan.interval * (1.0 - 1.0 / FASTEST) if self.skewed else 0.0)
        fitting = [witness for witness in heard if witness.start >= moved + settle - slack]
        recent = [witness for witness in fitting if witness.end >= latest]
        if not recent:
            yield "S2", f"no window that began after {moved + settle:.2f} s and ended after {latest:.2f} s was told"
        elif all(witness.allows(plan) for witness in recent):
            yield "S15", f"a raise although {recent[-1].allows(plan)} in all windows of late"
        if sum(witness.requests for witness in heard) < state.gate.requests - 0.5:
            yield "S2", f"the gate counts {state.gate.requests:g} requests, of which the source knows nothing"

    def judge_rollback(self, write: Write, before: Split, previous: State, state: State, delays: list[float]) -> Broken:
        """Nor does nonsense roll anything back. How long it took is added to `delays`."""
        if state.reason != "CheckFailed" or self.answers is None or self.plan is None:
            return
        if not self._own(previous, write.monotonic) or self.plan.peers:
            return
        plan, evidence = self.plan, Evidence(self.answers)
        heard = evidence.of(self._workload(previous), "", self.began, write.monotonic)
        seen = heard + self._of_stable(evidence, previous, write.monotonic)
        stable = evidence.of(self._serving(previous), "", self.began, write.monotonic)
        if not any(witness.breaks(plan) for witness in seen) and not is_worse(plan, heard, stable):
            yield "S15", "rolled back for a breach that nobody has seen"
        since = max(before.moved, before.held)
        told = evidence.of(self._workload(previous), state.writer, since, write.monotonic)
        # A window that lies mostly before what was counted last is not counted once more.
        fresh = [w for w in told if (w.start + w.end) / 2 >= before.held and w.start >= before.moved + plan.settle]
        bad = [witness.end for witness in fresh if witness.breaks(plan)]
        possible = self.endpoints.ready_since.get(previous.serving)
        if bad and possible is not None:
            wanted = 1 if previous.phase is Phase.PROMOTING else max(1, plan.failure_limit - previous.failed)
            delays.append(write.monotonic - max(bad[min(wanted, len(bad)) - 1], possible))

    def _of_stable(self, evidence: Evidence, previous: State, at: float) -> list[Witness]:
        """In managed mode the promotion judges both sides."""
        workload = self.endpoints.workloads.get(previous.serving)
        if previous.phase is not Phase.PROMOTING or workload is None:
            return []
        return evidence.of(workload, "", self.began, at)

    def _serving(self, state: State) -> str:
        return self.endpoints.workloads.get(state.serving, state.serving)

    def _workload(self, state: State) -> str:
        return self.endpoints.workloads.get(state.canary, state.canary)

    def _own(self, state: State, at: float) -> bool:
        return self.endpoints.own((state.canary, state.serving), at, self.blind)
