"""Play runs again, by their seeds or from the files of cases, and make those that fail small."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import structlog

from canary.sandbox.chaos.case import UnknownCase, from_json, to_json
from canary.sandbox.chaos.run import Failed, Run
from canary.sandbox.chaos.schedule import Schedule, schedule_of
from canary.sandbox.chaos.shrink import fails_like, shrunk
from canary.sandbox.chaos.story import story, trace_of
from canary.sandbox.virtual_time import run_virtual

WORDS = 200
"""Characters of a failure that are kept with its case."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.chaos", description=__doc__)
    parser.add_argument("run", nargs="+", help="the number of a run, or the file of a case")
    parser.add_argument("--quiet", action="store_true", help="print the phase at rest, not every write")
    parser.add_argument(
        "--trace", action="store_true", help="print a hash of every write, too: equal runs have equal ones"
    )
    parser.add_argument("--shrink", action="store_true", help="make a run that fails as small as can be")
    parser.add_argument("--save", type=Path, metavar="FILE", help="with --shrink: where to write the small case")
    options = parser.parse_args()
    if options.save and not options.shrink:
        parser.error("--save needs --shrink")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        schedules = [_schedule(text) for text in options.run]
    except (OSError, UnknownCase) as error:
        parser.error(str(error))
    failures = [_play(schedule, quiet=options.quiet, trace=options.trace) for schedule in schedules]
    if options.shrink:
        for failed in filter(None, failures):
            _shrink(failed, options.save)
    sys.exit(1 if any(failures) else 0)


def _schedule(text: str) -> Schedule:
    return schedule_of(int(text)) if text.isdecimal() else from_json(Path(text).read_text())


def _play(schedule: Schedule, *, quiet: bool, trace: bool) -> Failed | None:
    run = Run(schedule)
    failed: Failed | None = None
    try:
        words = run_virtual(run.play())
    except Failed as error:
        failed, words = error, error.why
    if not quiet:
        print(schedule, *story(run.sim.cluster.server.commits.of("trafficsplits")), sep="\n")
    print(f"{schedule.seed}: {words}")
    if trace:
        print(f"trace {trace_of(run.sim.cluster.server.commits)}")
    return failed


def _shrink(failed: Failed, save: Path | None) -> None:
    small = shrunk(failed.schedule, fails_like(failed))
    text = to_json(small, why=failed.why.splitlines()[0][:WORDS])
    print(f"\nwhat is left of it:\n{small}\n\n{text}", end="")
    if save:
        save.write_text(text)
        print(f"again: python -m canary.sandbox.chaos {save}")


if __name__ == "__main__":
    main()
