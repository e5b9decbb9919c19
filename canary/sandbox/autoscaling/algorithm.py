"""How many replicas a target should have: pure arithmetic, with what was recommended and done before.

Source: Kubernetes, "Horizontal Pod Autoscaling", "Algorithm details"; k8s.io/kubernetes, package
controller/podautoscaler, `normalizeDesiredReplicasWithBehaviors`. All times are seconds of one clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from canary.sandbox.autoscaling.objects import Behavior

SYNC_SECONDS = 15.0
TOLERANCE = 0.1
DOWNSCALE_WINDOW = 300.0


@dataclass(slots=True)
class Memory:
    """What one autoscaler has recommended, and by how much it has scaled: pairs of time and number."""

    recommended: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)

    def forget(self, before: float) -> None:
        self.recommended = [entry for entry in self.recommended if entry[0] >= before]
        self.changes = [entry for entry in self.changes if entry[0] >= before]


@dataclass(frozen=True, slots=True)
class Desired:
    """A number of replicas; `able` and `limited` are reason and message of the conditions that tell how it came."""

    replicas: int
    able: tuple[str, str]
    limited: tuple[str, str, str]


_MATCHES = ("ReadyForNewScale", "recommended size matches current size")
_HELD_UP = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_HELD_DOWN = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_WITHIN = ("False", "DesiredWithinRange", "the desired count is within the acceptable range")


def by_utilization(current: int, utilization: float, target: float) -> int:
    """`current` replicas whose `utilization` should be `target`, both in percent of what the pods request."""
    ratio = utilization / target
    return current if abs(ratio - 1.0) <= TOLERANCE else math.ceil(ratio * current - 1e-9)


def normalized(
    wanted: int, current: int, least: int, most: int, behavior: Behavior | None, memory: Memory, now: float
) -> Desired:
    """`wanted` within what bounds, windows and rates allow. `memory` takes note of it.

    Without a `behavior` there is no rate but that of doubling, from four on.
    """
    memory.forget(now - 3600.0)
    memory.recommended.append((now, wanted))
    stable = _stabilized(wanted, current, behavior, memory, now)
    able = _MATCHES
    if stable != wanted:
        able = _HELD_UP if wanted < stable else _HELD_DOWN
    if stable > current:
        replicas = min(stable, max(_up_limit(current, behavior, memory, now), current), most)
        limited = _limited("ScaleUpLimit", "increasing") if replicas < min(stable, most) else None
    else:
        replicas = max(stable, min(_down_limit(current, behavior, memory, now), current), least)
        limited = _limited("ScaleDownLimit", "decreasing") if replicas > max(stable, least) else None
    return Desired(replicas, able, limited or _bounded(replicas, stable))


def _limited(reason: str, direction: str) -> tuple[str, str, str]:
    return "True", reason, f"the desired replica count is {direction} faster than the maximum scale rate"


def _bounded(replicas: int, wanted: int) -> tuple[str, str, str]:
    if replicas < wanted:
        return "True", "TooManyReplicas", "the desired replica count is more than the maximum replica count"
    if replicas > wanted:
        return "True", "TooFewReplicas", "the desired replica count is less than the minimum replica count"
    return _WITHIN


def _stabilized(wanted: int, current: int, behavior: Behavior | None, memory: Memory, now: float) -> int:
    """Up as little, and down as little, as any recommendation of the direction's window."""
    up, down = 0.0, DOWNSCALE_WINDOW
    if behavior is not None:
        up = float(behavior.scale_up.stabilization_window_seconds or 0)
        given = behavior.scale_down.stabilization_window_seconds
        down = DOWNSCALE_WINDOW if given is None else float(given)
    lowest = min([wanted, *(n for at, n in memory.recommended if at > now - up)])
    highest = max([wanted, *(n for at, n in memory.recommended if at > now - down)])
    return min(max(current, lowest), highest)


def _up_limit(current: int, behavior: Behavior | None, memory: Memory, now: float) -> int:
    if behavior is None:
        return max(2 * current, 4)
    rules = behavior.scale_up
    if rules.select_policy == "Disabled":
        return current
    limits = []
    for policy in rules.policies:
        start = current - _changed(memory.changes, now - policy.period_seconds, 1)
        share = math.ceil(start * (1 + policy.value / 100))
        limits.append(start + policy.value if policy.type == "Pods" else share)
    return _selected(limits, current, max if rules.select_policy == "Max" else min)


def _down_limit(current: int, behavior: Behavior | None, memory: Memory, now: float) -> int:
    if behavior is None:
        return 0
    rules = behavior.scale_down
    if rules.select_policy == "Disabled":
        return current
    limits = []
    for policy in rules.policies:
        start = current + _changed(memory.changes, now - policy.period_seconds, -1)
        share = int(start * (1 - policy.value / 100))
        limits.append(start - policy.value if policy.type == "Pods" else share)
    return _selected(limits, current, min if rules.select_policy == "Max" else max)


def _selected(limits: Sequence[int], current: int, choose: Callable[[Sequence[int]], int]) -> int:
    return choose(limits) if limits else current


def _changed(changes: Sequence[tuple[float, int]], since: float, sign: int) -> int:
    """By how many replicas was scaled in the direction of `sign` after `since`."""
    return sum(abs(number) for at, number in changes if at > since and number * sign > 0)
