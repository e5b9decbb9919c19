"""Replays one run, lists the points, or plays them all."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from canary.sandbox.exhaustive.calls import CallPlan, call_plans, check_call
from canary.sandbox.exhaustive.plans import Plan, Who, check, learn, pairs, plans
from canary.sandbox.exhaustive.scenarios import SCENARIOS
from canary.sandbox.exhaustive.trial import Failed
from canary.sandbox.exhaustive.wire import When


def every() -> Iterator[Plan]:
    """All plans of all scenarios."""
    for scenario in SCENARIOS:
        for who in Who:
            for when in When:
                yield from plans(scenario, when, who)
        yield from pairs(scenario)


def every_call() -> Iterator[CallPlan]:
    """All faults of all calls, of a rollout that succeeds and of one that does not."""
    for scenario in ("promotion", "rollback"):
        for lasting in (False, True):
            yield from call_plans(scenario, lasting=lasting)


def campaign() -> dict[str, object]:
    """Play everything; how much there was, and what failed."""
    failures: list[str] = []
    counts = {"crashPoints": 0, "crashPairs": 0, "callFaults": 0}
    for plan in every():
        counts["crashPairs" if plan.again else "crashPoints"] += 1
        with _kept(failures):
            check(plan)
    for call_plan in every_call():
        counts["callFaults"] += 1
        with _kept(failures):
            check_call(call_plan)
    writes = {name: len(learn(name).writes) for name in SCENARIOS}
    return {"scenarios": writes, **counts, "failures": failures}


@contextmanager
def _kept(failures: list[str]) -> Iterator[None]:
    try:
        yield
    except Failed as failure:
        failures.append(str(failure))


def _list() -> None:
    for scenario in SCENARIOS.values():
        print(f"{scenario.name}: {scenario.about}")
        for number, write in enumerate(learn(scenario.name).writes, 1):
            print(f"  {number:2} {write}")


def _all(*, as_json: bool) -> int:
    found = campaign()
    failures = found["failures"]
    assert isinstance(failures, list)
    if as_json:
        print(json.dumps(found))
    else:
        counts = f"{found['crashPoints']} crash points, {found['crashPairs']} pairs, {found['callFaults']} call faults"
        print(f"{counts}, {len(failures)} failed", *failures, sep="\n\n")
    return 1 if failures else 0


def main() -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.exhaustive", description=__doc__)
    parser.add_argument("scenario", nargs="?", choices=list(SCENARIOS), help="what is played")
    parser.add_argument("write", nargs="?", type=int, default=0, help="around which write of the first process, from 1")
    parser.add_argument("when", nargs="?", type=When, choices=list(When), default=When.BEFORE, help="when it dies")
    parser.add_argument("who", nargs="?", type=Who, choices=list(Who), default=Who.RESTART, help="who goes on")
    parser.add_argument("again", nargs="?", type=int, default=0, help="before which write the successor dies, too")
    parser.add_argument("--list", action="store_true", help="print the scenarios and the writes of each")
    parser.add_argument("--all", action="store_true", help="play every plan")
    parser.add_argument("--json", action="store_true", help="with --all: print the counts as JSON")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if options.list:
        _list()
        return 0
    if options.all:
        return _all(as_json=options.json)
    if options.scenario is None:
        parser.error("name a scenario, or --list, or --all")
    try:
        outcome = check(Plan(options.scenario, options.write, options.when, options.who, options.again), judged=True)
    except Failed as failure:
        print(failure)
        return 1
    print(f"as the fault-free run: {outcome.ending.phases[-1] or 'gone'} after {outcome.seconds:.1f} s")
    print(*(f"  {number:2} {write}" for number, write in enumerate(outcome.writes, 1)), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
