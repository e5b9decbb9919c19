"""`python -m bench`: run the scenarios, print one table, write the same as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench.rows import Row, document, table
from bench.scenarios import (
    cold_start,
    command,
    evidence,
    idle,
    managed,
    micro,
    progressing,
    prometheus,
    proxies,
    rollback,
    smi_metrics,
)

Scenario = Callable[[int], Coroutine[Any, Any, list[Row]]]
SCENARIOS: dict[str, Scenario] = {
    "command": command.run,
    "micro": micro.run,
    "evidence": evidence.run,
    "cold-start": cold_start.run,
    "idle": idle.run,
    "progressing": progressing.run,
    "rollback": rollback.run,
    "managed": managed.run,
    "smi-metrics": smi_metrics.run,
    "prometheus": prometheus.run,
    "proxies": proxies.run,
}


def main() -> int:
    """0, 1 when a scenario could not run, or 2 when a target was missed and `--strict` asks for them."""
    options = _options()
    rows: list[Row] = []
    failed = False
    for name in options.only or SCENARIOS:
        started = time.monotonic()
        print(f"{name} …", end=" ", file=sys.stderr, flush=True)
        try:
            rows += asyncio.run(SCENARIOS[name](options.canaries))
            print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
        except Exception as error:
            failed = True
            print(f"could not run: {type(error).__name__}: {error}", file=sys.stderr)
    print(table(rows))
    _write(options.output, rows, options.canaries)
    print(f"\nThe same as JSON: {options.output}")
    if failed:
        return 1
    return 2 if options.strict and any(row.met is False for row in rows) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", action="append", choices=SCENARIOS, help="run this scenario (may be repeated)")
    parser.add_argument("--canaries", type=int, default=1000, metavar="N", help="how many Canaries (default: 1000)")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"), metavar="FILE", help="the JSON file")
    parser.add_argument("--strict", action="store_true", help="exit with 2 when a target is missed")
    return parser.parse_args()


def _write(path: Path, rows: list[Row], count: int) -> None:
    about = {"python": platform.python_version(), "machine": platform.machine(), "canaries": count}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, "rows": document(rows)}, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
