"""Play many runs of chaos, every crash point and every fault of every call, and print the figures. The exit code is 1
when an invariant was broken. With a ledger it goes on where the same code was broken off.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from canary.sandbox.campaign.ledger import Ledger, code_digest
from canary.sandbox.campaign.report import figures, table
from canary.sandbox.campaign.runs import begin
from canary.sandbox.campaign.tally import Tally
from canary.sandbox.campaign.tasks import play, tasks
from canary.sandbox.mutants import hunt, matrix
from canary.sandbox.mutants.catalogue import load

EVERY = 200
"""Seeds between two lines of progress."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.campaign", description=__doc__)
    parser.add_argument("seeds", type=int, help="how many runs to play")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--runs-only", action="store_true", help="no crash points and call faults")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="note what was played, and play none of it twice")
    options = parser.parse_args()
    if options.seeds < 1 or options.jobs < 1 or options.first < 0:
        parser.error("seeds and jobs must be at least 1, first at least 0")
    # Asked to end, it takes its processes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = list(tasks(options.first, options.seeds, exhaustive=not options.runs_only))
    ledger = Ledger(options.ledger, code_digest()) if options.ledger else None
    known = ledger.read() if ledger else {}
    whole = Tally()
    for task in wanted:
        if task in known:
            whole.add(known[task])
    if whole.runs:
        print(f"{whole.runs} of {options.seeds} seeds were played before", file=sys.stderr, flush=True)
    for task, tally in _played([task for task in wanted if task not in known], options.jobs):
        if ledger:
            ledger.add(task, tally)
        whole.add(tally)
        for words in (*(f"seed {seed} failed: {why}" for seed, why in tally.failures.items()), *tally.points.failures):
            print(f"\n{words[:400]}", file=sys.stderr, flush=True)
        _progress(whole, options.seeds)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    found = figures(whole, first=options.first) | {"mutants": _mutants()}
    print(*table(found), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(1 if whole.failed else 0)


def _played(wanted: list[str], jobs: int) -> Iterator[tuple[str, Tally]]:
    # A fresh interpreter for each job: nothing of this one's state can make a run differ from its replay.
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=begin) as pool:
        yield from pool.imap_unordered(play, wanted)


def _mutants() -> dict[str, Any]:
    """What the kill matrix says, each line of which the tests replay."""
    rows = matrix.rows(load(), hunt.load_kills())
    return {"count": len(rows), "killed": sum(bool(row["killed"]) for row in rows)}


def _progress(whole: Tally, count: int) -> None:
    points = whole.points.crash_points + whole.points.crash_pairs + whole.points.call_faults
    words = f"{whole.runs}/{count} seeds, {points} points, {whole.failed} failed"
    if sys.stderr.isatty():
        print(f"\r{words}", end="", file=sys.stderr)
    elif whole.runs == count or whole.runs % EVERY == 0:
        print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
