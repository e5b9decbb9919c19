"""All plans there are, in pieces that are played one by one; how much there was, and what failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from canary.sandbox.exhaustive.calls import CallPlan, call_plans, check_call
from canary.sandbox.exhaustive.plans import Plan, Who, check, pairs, plans
from canary.sandbox.exhaustive.scenarios import SCENARIOS
from canary.sandbox.exhaustive.trial import Failed
from canary.sandbox.exhaustive.wire import When

CALLERS = ("promotion", "rollback")
"""The scenarios whose calls all meet faults: a rollout that succeeds and one that does not."""
HOW = ("once", "lasting")


class Played(msgspec.Struct):
    """How many plans were played, and what broke in which."""

    crash_points: int = 0
    crash_pairs: int = 0
    call_faults: int = 0
    failures: list[str] = []


def pieces() -> Iterator[str]:
    """The names of all pieces."""
    for scenario in SCENARIOS:
        yield from (f"crashes {scenario} {when} {who}" for when in When for who in Who)
        yield f"pairs {scenario}"
    yield from (f"calls {scenario} {how}" for scenario in CALLERS for how in HOW)


def plans_of(piece: str) -> Iterator[Plan | CallPlan]:
    """The plans of one piece. Raises `ValueError` when there is none of this name."""
    match piece.split():
        case ["crashes", scenario, when, who]:
            return plans(scenario, When(when), Who(who))
        case ["pairs", scenario]:
            return pairs(scenario)
        case ["calls", scenario, how]:
            return call_plans(scenario, lasting=how == "lasting")
    raise ValueError(f"no such piece: {piece}")


def play_all(some: Iterable[Plan | CallPlan]) -> Played:
    """Play plans one after the other. Nothing is raised for what breaks."""
    played = Played()
    for plan in some:
        try:
            if isinstance(plan, CallPlan):
                played.call_faults += 1
                check_call(plan)
            else:
                played.crash_pairs += bool(plan.again)
                played.crash_points += not plan.again
                check(plan)
        except Failed as failure:
            played.failures.append(str(failure))
    return played
