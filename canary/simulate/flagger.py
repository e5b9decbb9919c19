"""Flagger's rules: one look an interval, the weight moves by it, and failed looks are counted and never forgiven.

Sources: Flagger's documentation, "How it works" and "Deployment Strategies"; pkg/controller/scheduler.go
(`advanceCanary`, `runCanary`), scheduler_metrics.go (`runBuiltinMetricChecks`), pkg/apis/flagger/v1beta1/canary.go.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, fsum

from canary.api.duration import format_duration
from canary.core.plan import Plan
from canary.simulate.ledger import Source
from canary.simulate.play import Played
from canary.simulate.rival import Check, Run, checks_of, stages_of


@dataclass(frozen=True, slots=True)
class Flagger:
    """`spec.analysis`: `interval` seconds, `threshold`, `stepWeights` in percent, and the metrics' `thresholdRange`."""

    interval: float
    threshold: int
    weights: tuple[int, ...]
    checks: tuple[Check, ...]

    @property
    def words(self) -> str:
        weights = ", ".join(map(str, self.weights))
        return f"interval {format_duration(self.interval)}, threshold {self.threshold}, stepWeights [{weights}]"

    def play(self, source: Source, *, horizon: float, phase: float = 0.0) -> Played:
        """`phase` is the part of an interval, 0.0 to 1.0, after which the canary is ready for its first weight."""
        run, failed, tick = Run(source), 0, 0
        following, first = iter(self.weights), float(floor(phase * self.interval))
        while (at := first + tick * self.interval) <= horizon:
            tick += 1
            if failed >= self.threshold:
                # Before the checks of this tick, hence one interval after the failure that was one too many.
                return run.rolled_back(at, f"failed checks threshold reached {failed}")
            found = run.seen(at)
            # At weight 0 nothing is checked. The first check that fails ends the look: a look counts once.
            if run.weight and (bad := next((check for check in self.checks if check.fails(found)), None)):
                failed += 1
                run.move(at, run.weight, "Halt", f"halt advancement: {bad.limit.name} ({failed} of {self.threshold})")
                continue
            weight = next(following, None)
            if weight is None:
                return run.promoted(at, "template copied to primary")
            run.move(at, weight, "Advance", f"advance canary weight {weight}")
        return run.unfinished(horizon)


def flagger_of(plan: Plan, *, interval: float | None = None) -> Flagger:
    """The plan in Flagger's terms.

    Flagger keeps a weight for one interval and looks once in it. By default the interval is such that the steps take
    as long together as the plan's holds do; threshold is failureLimit.
    """
    stages = stages_of(plan)
    pace = fsum(stage.hold for stage in stages) / max(1, len(stages))
    chosen = max(pace, plan.interval) if interval is None else interval
    return Flagger(chosen, plan.failure_limit, tuple(stage.weight for stage in stages), checks_of(plan))
