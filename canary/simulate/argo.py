"""Argo Rollouts' rules: steps that set a weight and pause, and an analysis that measures in the background meanwhile.

Sources: Argo Rollouts' documentation, "Canary" and "Analysis & Progressive Delivery"; analysis/analysis.go
(`assessMetricFailureInconclusiveOrError`), utils/evaluate/evaluate.go, rollout/analysis.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from canary.api.duration import format_duration
from canary.core.plan import Plan
from canary.simulate.ledger import Source
from canary.simulate.play import Played
from canary.simulate.rival import Check, Run, checks_of, stages_of


@dataclass(frozen=True, slots=True)
class Argo:
    """A canary strategy: (`setWeight` percent, `pause` seconds) and one AnalysisTemplate whose metrics have the same
    `interval` seconds, `initialDelay` of one interval, and `failureLimit`."""

    steps: tuple[tuple[int, float], ...]
    interval: float
    failure_limit: int
    checks: tuple[Check, ...]

    @property
    def words(self) -> str:
        steps = ", ".join(f"{weight}%/{format_duration(pause)}" for weight, pause in self.steps)
        return f"interval {format_duration(self.interval)}, failureLimit {self.failure_limit}, steps {steps}"

    def play(self, source: Source, *, horizon: float, phase: float = 0.0) -> Played:
        """The canary's pods are ready at second 0. `phase` changes nothing: all times count from there."""
        run = Run(source)
        failed = [0] * len(self.checks)
        following, end, measured = iter(self.steps), 0.0, 1
        while True:
            at = min(end, measured * self.interval)
            if at > horizon:
                return run.unfinished(horizon)
            if at == measured * self.interval:
                measured += 1
                found = run.seen(at)
                failed = [count + check.fails(found) for count, check in zip(failed, self.checks, strict=True)]
                # Each metric by itself, and all failures of the run: the one after failureLimit aborts at once.
                if (worst := max(failed)) > self.failure_limit:
                    name = self.checks[failed.index(worst)].limit.name
                    return run.rolled_back(at, f"{name}: failed ({worst}) > failureLimit ({self.failure_limit})")
            if at == end:
                step = next(following, None)
                if step is None:
                    return run.promoted(at, "rollout completed")
                run.move(at, step[0], "SetWeight", f"set weight to {step[0]}")
                end = at + step[1]


def argo_of(plan: Plan) -> Argo:
    """The plan in Argo Rollouts' terms: the measurement that reaches the plan's failureLimit is one above Argo's."""
    steps = tuple((stage.weight, stage.hold) for stage in stages_of(plan))
    return Argo(steps, plan.interval, plan.failure_limit - 1, checks_of(plan))
