"""Play many runs of chaos, every crash point and every fault of every call, and print the figures. The exit code is 1
when an invariant was broken.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from canary.sandbox.campaign.report import figures, table
from canary.sandbox.campaign.tally import Tally, begin, tally_of
from canary.sandbox.exhaustive.__main__ import campaign as every_point
from canary.sandbox.mutants import hunt, matrix
from canary.sandbox.mutants.catalogue import load

CHUNK = 20
"""Seeds that one job plays before it reports."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.campaign", description=__doc__)
    parser.add_argument("seeds", type=int, help="how many runs to play")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--runs-only", action="store_true", help="no crash points and call faults")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    options = parser.parse_args()
    if options.seeds < 1 or options.jobs < 1 or options.first < 0:
        parser.error("seeds and jobs must be at least 1, first at least 0")
    began = time.monotonic()
    whole = Tally()
    # A fresh interpreter for each job: nothing of this one's state can make a run differ from its replay.
    with multiprocessing.get_context("spawn").Pool(options.jobs, initializer=begin) as pool:
        points = None if options.runs_only else pool.apply_async(every_point)
        for done in _played(pool, options.first, options.seeds):
            whole.add(done)
            for seed, words in done.failures.items():
                print(f"\nseed {seed} failed: {words[:400]}", file=sys.stderr, flush=True)
            _progress(whole, options.seeds, time.monotonic() - began)
        seconds = time.monotonic() - began
        found = figures(whole, first=options.first, wall=seconds, jobs=options.jobs)
        found |= {"exhaustive": points.get() if points else {}, "mutants": _mutants()}
    print(*table(found), sep="\n")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(1 if whole.failures or found["exhaustive"].get("failures") else 0)


def _played(pool: Pool, first: int, count: int) -> Iterator[Tally]:
    chunks = [range(start, min(start + CHUNK, first + count)) for start in range(first, first + count, CHUNK)]
    play: Callable[[range], Tally] = tally_of
    yield from pool.imap_unordered(play, chunks)


def _mutants() -> dict[str, Any]:
    """What the kill matrix says, each line of which the tests replay."""
    rows = matrix.rows(load(), hunt.load_kills())
    return {"count": len(rows), "killed": sum(bool(row["killed"]) for row in rows)}


def _progress(whole: Tally, count: int, seconds: float) -> None:
    words = f"{whole.runs}/{count} seeds, {len(whole.failures)} failed, {whole.runs / seconds:.1f} seeds/s"
    if sys.stderr.isatty():
        print(f"\r{words}", end="\n" if whole.runs == count else "", file=sys.stderr)
    elif whole.runs == count or whole.runs % (10 * CHUNK) == 0:
        print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
