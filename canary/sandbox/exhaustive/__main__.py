"""Replays one run, lists the points, or plays them all."""

from __future__ import annotations

import argparse
import logging
import sys

import msgspec
import structlog

from canary.sandbox.exhaustive.pieces import pieces, plans_of, play_all
from canary.sandbox.exhaustive.plans import Plan, Who, check, learn
from canary.sandbox.exhaustive.scenarios import SCENARIOS
from canary.sandbox.exhaustive.trial import Failed
from canary.sandbox.exhaustive.wire import When


def _list() -> None:
    for scenario in SCENARIOS.values():
        print(f"{scenario.name}: {scenario.about}")
        for number, write in enumerate(learn(scenario.name).writes, 1):
            print(f"  {number:2} {write}")


def _all(*, as_json: bool) -> int:
    played = play_all(plan for piece in pieces() for plan in plans_of(piece))
    if as_json:
        print(msgspec.json.encode(played).decode())
    else:
        counts = f"{played.crash_points} crash points, {played.crash_pairs} pairs, {played.call_faults} call faults"
        print(f"{counts}, {len(played.failures)} failed", *played.failures, sep="\n\n")
    return 1 if played.failures else 0


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
