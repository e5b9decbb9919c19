"""A process dies around each of its writes, and another goes on: every point of every scenario, one run for each."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from canary.sandbox.exhaustive.scenarios import SCENARIOS
from canary.sandbox.exhaustive.trial import Failed, Outcome, Trial
from canary.sandbox.exhaustive.wire import Call, When, Wire
from canary.sandbox.process import Process
from canary.sandbox.virtual_time import run_virtual

VICTIM, HEIR, THIRD = "one", "two", "three"
RETOLD = 2
"""Statuses that a successor may write beside the usual ones: it has seen no window yet, and says what it waits for."""
RENEWALS = 2
"""How many writes of the Lease are points at which to die: to make it, and to renew it; the rest repeats that."""
PAIRS = 8
"""How many pairs of deaths are drawn for a scenario."""


class Who(StrEnum):
    """Who goes on after a death."""

    RESTART = "restart"  # the same replica, started anew at once
    PEER = "peer"  # another one, which has been working beside it all the time
    LEASE = "lease"  # another one, which has stood by until the Lease expired


@dataclass(frozen=True, slots=True)
class Plan:
    """One run of a scenario in which the process dies around its write number `write`, from 1; 0 is the fault-free run.

    `again` is the number of the successor's write before which that one dies, too: after a restart only; 0 is never.
    """

    scenario: str
    write: int = 0
    when: When = When.BEFORE
    who: Who = Who.RESTART
    again: int = 0

    def __str__(self) -> str:
        return f"{self.scenario} {self.write} {self.when} {self.who}" + (f" {self.again}" if self.again else "")


def play(plan: Plan, *, judged: bool = False) -> Outcome:
    """Run one plan in virtual time. `judged`: see `Simulation`. Raises `AssertionError`, as the oracle does."""
    trial = Trial(SCENARIOS[plan.scenario], leader_elect=plan.who is Who.LEASE, judged=judged)
    return run_virtual(trial.play(lambda trial: _start(trial, plan)))


def _start(trial: Trial, plan: Plan) -> Wire:
    victim, wire = trial.start(VICTIM)
    wire.doomed, wire.when = plan.write, plan.when
    wire.strike = lambda: _succeed(trial, plan, victim, wire.host)
    if plan.who is Who.PEER:
        trial.start(HEIR)
    if plan.who is Who.LEASE:
        # It must find the Lease taken: the first one's request has left by then.
        wire.host.call_later(0.1, trial.start, HEIR)
    return wire


def _succeed(trial: Trial, plan: Plan, victim: Process, host: asyncio.AbstractEventLoop) -> None:
    trial.bury(victim)
    if plan.who is Who.RESTART:
        host.call_soon(_restart, trial, plan.again)


def _restart(trial: Trial, again: int) -> None:
    heir, wire = trial.start(HEIR)
    wire.doomed = again
    wire.strike = lambda: _restart_once_more(trial, heir, wire.host)


def _restart_once_more(trial: Trial, heir: Process, host: asyncio.AbstractEventLoop) -> None:
    trial.bury(heir)
    host.call_soon(trial.start, THIRD)


_learnt: dict[tuple[str, Who], Outcome] = {}


def learn(scenario: str, who: Who = Who.RESTART) -> Outcome:
    """The fault-free run, played once in a program."""
    if (scenario, who) not in _learnt:
        _learnt[scenario, who] = play(Plan(scenario, who=who), judged=True)
    return _learnt[scenario, who]


def plans(scenario: str, when: When, who: Who) -> Iterator[Plan]:
    """One plan for each write of the fault-free run that is a point of its own.

    A late write is one of the split or the Canary: those are guarded against being late. It is not late for a
    successor that waits for the Lease.
    """
    leases = 0
    for number, write in enumerate(learn(scenario, who).writes, 1):
        leases += write.resource == "leases"
        if write.resource == "leases" and leases > RENEWALS:
            continue
        if when is When.LATE and (who is Who.LEASE or write.resource == "events"):
            continue
        yield Plan(scenario, number, when, who)


def pairs(scenario: str) -> Iterator[Plan]:
    """A drawn sample of runs in which the successor dies as well, before a write of its own."""
    rng, last = random.Random(scenario), len(learn(scenario).writes)
    for _ in range(PAIRS):
        first = rng.randint(1, last)
        yield Plan(scenario, first, rng.choice(tuple(When)), Who.RESTART, rng.randint(1, last - first + 2))


def check(plan: Plan, *, judged: bool = False) -> Outcome:
    """Play a plan and compare it with the fault-free run. Raises `Failed`."""
    try:
        outcome = play(plan, judged=judged)
    except Exception as error:
        raise Failed(f"{_replay(plan)}\n{type(error).__name__}: {error}") from error
    wrong = _wrong(plan, outcome)
    if wrong:
        raise Failed("\n".join((_replay(plan), *wrong)))
    return outcome


def _replay(plan: Plan) -> str:
    writes = learn(plan.scenario, plan.who).writes
    write = writes[plan.write - 1] if 0 < plan.write <= len(writes) else Call("no", "write")
    return f"{plan} ({write})\nreplay: python -m canary.sandbox.exhaustive {plan}"


def _wrong(plan: Plan, outcome: Outcome) -> list[str]:
    taught = learn(plan.scenario, plan.who)
    wrong = outcome.ending.difference(learn(plan.scenario).ending)
    if plan.write and not outcome.deaths:
        wrong.append("the process did not die: what it sent differs from the fault-free run")
    if outcome.writes[: plan.write] != taught.writes[: plan.write]:
        wrong.append(f"up to the death other things were written than usual: {', '.join(map(str, outcome.writes))}")
    for kind, count in outcome.counts.items():
        allowed = taught.counts[kind] + _more(plan, kind) * outcome.deaths
        if count > allowed:
            wrong.append(f"{count} writes of {kind}, {allowed} are enough")
    return wrong + outcome.restless()


def _more(plan: Plan, kind: str) -> int:
    """How many writes of a kind each death may cost."""
    if kind == "trafficsplits" and SCENARIOS[plan.scenario].managed:
        # A successor that does not know yet that no pod is left waits for that, and writes it down.
        return 1
    return RETOLD if kind == "canaries/status" else 0
