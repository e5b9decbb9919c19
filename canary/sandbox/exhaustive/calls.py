"""Every call that a rollout makes meets every kind of fault: once, or again and again for a while."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from canary.sandbox.apiserver.faults import (
    Answer,
    Cut,
    Delay,
    Drop,
    Duplicate,
    Effect,
    Expire,
    Hang,
    LoseAnswer,
    Raw,
    Refuse,
    Rewrite,
    Silence,
    Stale,
)
from canary.sandbox.exhaustive.plans import VICTIM, learn
from canary.sandbox.exhaustive.scenarios import SCENARIOS
from canary.sandbox.exhaustive.trial import SETTLED, Failed, Outcome, Trial
from canary.sandbox.exhaustive.wire import METRICS, Call, Wire
from canary.sandbox.virtual_time import run_virtual

OUTAGE = 20.0
"""Seconds for which a lasting fault meets every call of its kind."""
EVENTS = Call("create", "events")
_LOWERING = (Call("get", "trafficsplits"), Call("update", "trafficsplits"))
EVENTS_TOLD = 90.0
"""Seconds in which events that met faults are told, or given up, long after the rollout has ended."""
_PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"

ANSWERED: dict[str, Effect] = {
    "403": Answer(403),
    "404": Answer(404),
    "409": Answer(409),
    "429": Answer(429),
    "429-after": Answer(429, retry_after=2),
    "500": Answer(500),
    "503": Answer(503),
    "html": Raw(502, _PAGE),
}
"""Instead of the execution, the server or something before it says no."""
BROKEN: dict[str, Effect] = {
    "refuse": Refuse(),
    "drop": Drop(),
    "hang": Hang(),
    "slow": Delay(before=2.0, after=2.0),
}
"""The connection."""
UNREAD: dict[str, Effect] = {
    "lost-answer": LoseAnswer(),
    "hang-executed": Hang(executed=True),
    "torn": Rewrite("torn", answer=lambda body: body[: len(body) // 2]),
    "garbage": Rewrite("garbage", answer=lambda body: b"\xff\x00 no answer"),
    "page": Rewrite("page", answer=lambda body: _PAGE),
}
"""The execution took place, but the answer cannot be read."""
OF_LISTS: dict[str, Effect] = {"stale": Stale(12)}
OF_WATCHES: dict[str, Effect] = {
    "cut": Cut(lines=1),
    "cut-torn": Cut(lines=1, torn=True),
    "silence": Silence(),
    "expired": Expire(),
    "410": Answer(410),
    "twice": Duplicate(),
}
KINDS: dict[str, Effect] = {**ANSWERED, **BROKEN, **UNREAD, **OF_LISTS, **OF_WATCHES}
LASTING = ("403", "404", "429", "503", "html", "drop", "hang", "page", "silence", "expired")
"""The kinds that are tried for a while, too: how the others last adds nothing to these."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One run of a scenario in which call number `number` of its kind, from 1, meets a fault, and if it is `lasting`,
    so does every other for `OUTAGE` seconds.
    """

    scenario: str
    call: Call
    kind: str
    number: int = 1
    lasting: bool = False

    def __str__(self) -> str:
        lasting = f", and all others for {OUTAGE:g} s" if self.lasting else ""
        return f"{self.scenario}: {self.call} number {self.number} meets {self.kind}{lasting}"


def kinds_for(call: Call) -> Iterator[str]:
    """The kinds of faults that make sense for a call."""
    yield from ANSWERED
    yield from BROKEN
    if call.verb == "watch":
        yield from OF_WATCHES
        return
    yield from UNREAD
    if call.verb == "list" and not call.metrics:
        yield from OF_LISTS


def call_plans(scenario: str, *, lasting: bool) -> Iterator[CallPlan]:
    """Each call of the fault-free run with each kind of fault; of the calls of one kind, another one for each fault."""
    for call, count in learn(scenario).calls.items():
        for index, kind in enumerate(kinds_for(call)):
            if not lasting or kind in LASTING:
                yield CallPlan(scenario, call, kind, 1 + index % count, lasting)


def play_call(plan: CallPlan) -> Outcome:
    """Run one plan in virtual time. Raises `AssertionError`, as the oracle does."""
    trial = Trial(SCENARIOS[plan.scenario], settled=EVENTS_TOLD if plan.call == EVENTS else SETTLED)
    return run_virtual(trial.play(lambda trial: _start(trial, plan)))


def _start(trial: Trial, plan: CallPlan) -> Wire:
    _, wire = trial.start(VICTIM)

    def notice(call: Call, number: int) -> None:
        if call == plan.call and number == plan.number:
            _put_in_force(trial, plan, wire)

    wire.notice = notice
    return wire


def _put_in_force(trial: Trial, plan: CallPlan, wire: Wire) -> None:
    faults = trial.sim.cluster.server.faults
    resource, _, subresource = plan.call.resource.partition("/")
    discovery = not resource
    rule = faults.add(
        KINDS[plan.kind],
        verb=plan.call.verb,
        resource=resource,
        subresource=None if discovery else subresource,
        # A path without a resource counts as of the group without a name, of which nothing else is got.
        group=METRICS if plan.call.metrics else "" if discovery else None,
        user_agent=VICTIM,
        times=None if plan.lasting else 1,
    )
    if plan.lasting:
        wire.host.call_later(OUTAGE, faults.remove, rule)


def check_call(plan: CallPlan) -> Outcome:
    """Play a plan and compare it with the fault-free run. Raises `Failed`."""
    try:
        outcome = play_call(plan)
    except Exception as error:
        raise Failed(f"{plan}\n{type(error).__name__}: {error}") from error
    usual = learn(plan.scenario)
    wrong = outcome.ending.difference(usual.ending, *_may_differ(plan, usual))
    splits, enough = outcome.counts["trafficsplits"], usual.counts["trafficsplits"]
    # Who learns late which pods serve writes that down in a write of its own.
    enough += plan.call == Call("list", "pods")
    if splits > enough:
        wrong.append(f"{splits} writes of the split, {enough} are enough")
    late = outcome.seconds - usual.seconds
    if late > patience(plan):
        wrong.append(f"{late:.1f} s later than usual, {patience(plan):g} s are allowed")
    wrong += outcome.restless()
    if wrong:
        raise Failed("\n".join((str(plan), *wrong)))
    return outcome


def _may_differ(plan: CallPlan, usual: Outcome) -> list[str]:
    """Events are told as well as can be; while a rollback is held up, more windows are breached."""
    events = ["events"] if plan.call == EVENTS else []
    return [*events, "failed"] if any(usual.ending.failed) else events


def patience(plan: CallPlan) -> float:
    """Seconds that a fault may cost: what a silent connection costs, or ten, and the outage.

    A rollback is held up by its two calls alone, and by those not for longer than one more try takes.
    """
    silent = plan.kind in ("hang", "hang-executed", "silence")
    if plan.scenario == "rollback" and plan.call in _LOWERING and not (silent or plan.lasting):
        return {"slow": 4.5, "429-after": 3.0}.get(plan.kind, 1.0)
    once = {"watch": 72.0, "list": 32.0}.get(plan.call.verb, 12.0) if silent else 12.0
    return once + (OUTAGE + 15.0 if plan.lasting else 0.0)
