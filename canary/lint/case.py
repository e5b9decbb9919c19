"""What advice is given about: a valid spec, its plan and its timetable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import floor

import msgspec

from canary.api.canary import CanarySpec
from canary.core.plan import Plan, plan_of
from canary.lint.finding import Finding
from canary.lint.subject import Subject
from canary.lint.timetable import Held, Timetable, Traffic, timetable


class Case(msgspec.Struct, frozen=True):
    """A Canary whose spec is valid, and the traffic that it is to be judged by."""

    subject: Subject
    spec: CanarySpec
    plan: Plan
    table: Timetable
    traffic: Traffic

    def requests(self, held: Held) -> float | None:
        """How many requests the canary has answered when the step ends; `None` without a known traffic."""
        return None if self.traffic.rps is None else self.traffic.rps * held.share()

    def windows_in(self, seconds: float) -> int:
        """How many full windows so many seconds at one weight have room for."""
        return floor((seconds - self.plan.settle) / self.plan.interval + 1e-9)

    @property
    def compared(self) -> tuple[Held, ...]:
        """The stages below 100 %, where there is a stable side, and where it is not too late to learn something."""
        return tuple(held for held in self.table.held if held.stage.weight < 100)

    @property
    def steps(self) -> tuple[Held, ...]:
        """The held stages that stand in the spec."""
        return tuple(held for held in self.table.held if held.field)

    @property
    def start(self) -> str:
        """The path of the plan in the spec."""
        return "spec.ramp" if self.spec.ramp is not None else "spec.steps"


def case_of(subject: Subject, spec: CanarySpec, traffic: Traffic) -> Case:
    """The case of a spec that the validation has accepted."""
    plan = plan_of(spec)
    given = len(plan.stages) if spec.ramp is not None else len(spec.steps or ())
    return Case(subject, spec, plan, timetable(plan, traffic, ramp=spec.ramp is not None, given=given), traffic)


def first_of_each(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first finding of each rule at each place: the weights of a ramp share their fields."""
    seen: set[tuple[str, str]] = set()
    for finding in findings:
        if (finding.rule, finding.field) not in seen:
            seen.add((finding.rule, finding.field))
            yield finding
