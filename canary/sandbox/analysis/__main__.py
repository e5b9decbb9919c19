"""Measures every target on modelled traffic, and prints it beside what was measured. The exit code is 1 when one is
missed.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from canary.sandbox.analysis.kinds import kinds
from canary.sandbox.analysis.measure import Kind, Row, play, row
from canary.sandbox.analysis.page import page, table

CHUNK = 50


def main() -> None:
    targets = list(dict.fromkeys(kind.target for kind in kinds()))
    parser = argparse.ArgumentParser(prog="python -m canary.sandbox.analysis", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="trials of each kind (default 2000)")
    parser.add_argument("--only", action="append", choices=targets, help="measure this target (may be repeated)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures here, with those of earlier calls")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the page, for example docs/analysis.md")
    options = parser.parse_args()
    if options.runs < 1 or options.jobs < 1:
        parser.error("runs and jobs must be at least 1")
    wanted = [kind for kind in kinds() if not options.only or kind.target in options.only]
    found = {}
    for measured in _measured(wanted, options.runs, options.jobs):
        found[f"{measured.target}/{measured.what}"] = measured
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    missed = [line for line in found.values() if line.met is False]
    if options.json:
        found = _kept(options.json, found)
    ordered = [found[name] for kind in kinds() if (name := f"{kind.target}/{kind.what}") in found]
    print(*table(ordered), sep="\n")
    if options.write:
        options.write.write_text(page(ordered), encoding="utf-8")
    sys.exit(1 if missed else 0)


def _measured(wanted: list[Kind], runs: int, jobs: int) -> Iterator[Row]:
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        asked = [(kind, pool.starmap_async(play, _chunks(kind, runs))) for kind in wanted]
        for kind, parts in asked:
            yield row(kind, [end for part in parts.get() for end in part])


def _chunks(kind: Kind, runs: int) -> list[tuple[Kind, range]]:
    seeds = kind.seeds(runs)
    return [(kind, seeds[first : first + CHUNK]) for first in range(0, len(seeds), CHUNK)]


def _kept(path: Path, found: dict[str, Row]) -> dict[str, Row]:
    """The figures with those of earlier calls, all of which are written back."""
    earlier = json.loads(path.read_text("utf-8")) if path.exists() else {}
    both = {name: Row(**fields) for name, fields in earlier.items()} | found
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {name: {key: getattr(line, key) for key in Row.__slots__} for name, line in both.items()}
    path.write_text(json.dumps(fields, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return both


if __name__ == "__main__":
    main()
