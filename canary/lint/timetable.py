"""How long a plan takes when all goes well, and what each of its steps gets to see."""

from __future__ import annotations

from math import ceil, exp, floor

import msgspec

from canary.core.evidence import Early
from canary.core.plan import Plan, Stage


class Traffic(msgspec.Struct, frozen=True):
    """Requests per second to the whole Service, of which the canary gets its weight; `None` when nobody has said."""

    rps: float | None = None

    def canary(self, weight: int) -> float | None:
        """Requests per second to the canary."""
        return None if self.rps is None else self.rps * weight / 100.0


class Held(msgspec.Struct, frozen=True):
    """A stage with a weight. `field` is its path in the spec, empty for the last 100 that services mode adds.

    `least` and `most` are how long it lasts in seconds while every window is Healthy: windows of one source follow each
    other, and the first that counts begins up to one interval after the weight has settled. `whole` is the least
    without an early end, and `windows` is how many full ones it has then. `sample` is how many requests it needs before
    it may end.
    """

    number: int
    stage: Stage
    field: str
    least: float
    whole: float
    most: float
    windows: int
    interval: float
    sample: float = 0.0

    @property
    def counted(self) -> float:
        """Seconds that windows cover."""
        return self.windows * self.interval

    def share(self) -> float:
        """Of each request per second to the whole Service, how many the canary has answered when the step ends."""
        return self.counted * self.stage.weight / 100.0


class Timetable(msgspec.Struct, frozen=True):
    """A whole rollout. `least` and `timeout` are seconds, both without the time for `approvals`."""

    held: tuple[Held, ...]
    approvals: tuple[str, ...]
    least: float
    timeout: float


def first_window(plan: Plan) -> float:
    """Seconds from a change of the weight to the end of the first window that can count."""
    return plan.settle + plan.interval


def windows_for(requests: float, per_second: float, interval: float) -> int:
    """Windows until so many requests are expected to be there; never fewer than one. `per_second` is above 0."""
    return max(1, ceil(requests / (per_second * interval) - 1e-9))


def empty_windows(requests: float) -> float:
    """The share of windows without a request, 0.0 to 1.0, where so many are expected (Poisson)."""
    return exp(-requests)


def timetable(plan: Plan, traffic: Traffic, *, ramp: bool, given: int) -> Timetable:
    """The timetable of a plan. `given` is how many stages the spec itself has, `ramp` whether it has a ramp.

    A rollout ends, in managed mode, with one more full window, in which the stable copy runs the revision.
    """
    held = tuple(
        _held(plan, traffic, number, "" if number > given else "spec.ramp" if ramp else f"spec.steps[{number - 1}]")
        for number, stage in enumerate(plan.stages, 1)
        if not stage.approval
    )
    start = max(plan.warmup, plan.settle)
    end = plan.interval if plan.target else 0.0
    least = start + sum(step.least for step in held) + end
    most = start + sum(step.most for step in held) + 2.0 * end
    waits = plan.deadline * (2 if plan.target else 1)
    approvals = tuple(stage.approval for stage in plan.stages if stage.approval)
    return Timetable(held, approvals, least, 60.0 * ceil((most + waits) / 60.0 - 1e-9))


def _held(plan: Plan, traffic: Traffic, number: int, field: str) -> Held:
    stage, sample = plan.stage(number), _sample(plan, number)
    per_second = traffic.canary(stage.weight)
    wanted = max(stage.min_requests, sample)
    windows = windows_for(wanted, per_second, plan.interval) if per_second else 1
    shortest = plan.settle + windows * plan.interval
    whole = max(stage.hold, shortest)
    most = max(stage.hold, shortest + plan.interval)
    early = max(shortest, plan.settle + Early().fewest * plan.interval) if plan.early else whole
    full = floor((whole - plan.settle) / plan.interval + 1e-9)
    return Held(number, stage, field, min(whole, early), whole, most, full, plan.interval, sample)


def _sample(plan: Plan, number: int) -> float:
    """Requests without which no metric that is tested passes; in a promotion, the last 100 without a hold, none."""
    stage = plan.stage(number)
    if not plan.target and number == len(plan.stages) and stage.weight == 100 and not stage.hold:
        return 0.0
    return max((limit.sample for limit in plan.limits), default=0.0)
