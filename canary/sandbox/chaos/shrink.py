"""Makes a failing run small: everything is taken away that it does not need to fail in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from canary.sandbox.chaos.run import Failed, Run
from canary.sandbox.chaos.schedule import Schedule
from canary.sandbox.virtual_time import run_virtual

Fails = Callable[[Schedule], bool]


def shrunk(schedule: Schedule, fails: Fails) -> Schedule:
    """The smallest schedule that was found for which `fails` still holds; `fails(schedule)` must hold."""
    while (smaller := next((each for each in _smaller(schedule) if fails(each)), None)) is not None:
        schedule = smaller
    return schedule


def failure_of(schedule: Schedule) -> Failed | None:
    """Play a schedule; what broke."""
    try:
        run_virtual(Run(schedule).play())
    except Failed as failed:
        return failed
    return None


def fails_like(failed: Failed) -> Fails:
    """Whether a schedule breaks one of the invariants that `failed` broke; any failure, where that named none."""

    def fails(schedule: Schedule) -> bool:
        found = failure_of(schedule)
        return found is not None and (not failed.invariants or bool(found.invariants & failed.invariants))

    return fails


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Everything that is one piece smaller, the largest pieces first."""
    count = len(schedule.actions)
    size = count
    while size:
        for start in range(0, count, size):
            kept = schedule.actions[:start] + schedule.actions[start + size :]
            yield replace(schedule, actions=kept)
        size //= 2
    for number in range(len(schedule.effects)):
        yield replace(schedule, effects=schedule.effects[:number] + schedule.effects[number + 1 :])
    plainer = (
        replace(schedule, skewed=False),
        replace(schedule, leader_elect=False),
        replace(schedule, latency=0.0),
        replace(schedule, lag=0.0),
        replace(schedule, errors=0.0),
        replace(schedule, processes=max(1, schedule.processes - 1)),
    )
    yield from (each for each in plainer if each != schedule)
    ends = max((action.at for action in schedule.actions), default=0.0) + 10.0
    if ends < schedule.seconds:
        yield replace(schedule, seconds=ends)
