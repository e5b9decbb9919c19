"""What people wait for: the command line."""

from __future__ import annotations

import subprocess
import sys
import time

from bench.processes import ScenarioFailed
from bench.rows import Row, below, shown

RUNS = 7
_HELP = ("-m", "canary", "--help")


async def run(_: int) -> list[Row]:
    fastest = min(_timed((sys.executable, *_HELP)) for _ in range(RUNS))
    bare = min(_timed((sys.executable, "-c", "pass")) for _ in range(RUNS))
    return [
        below("command/help", f"`canary --help`, the fastest of {RUNS}", 1e3 * fastest, 150, "ms"),
        shown("command/python", "of which Python itself", 1e3 * bare, "ms"),
        shown("command/modules", "modules that `canary --help` imports", _modules()),
    ]


def _timed(command: tuple[str, ...]) -> float:
    started = time.perf_counter()
    _succeed(command)
    return time.perf_counter() - started


def _modules() -> int:
    """Python writes a line for each module that it imports, after a heading (`-X importtime`)."""
    lines = _succeed((sys.executable, "-X", "importtime", *_HELP)).splitlines()
    return sum(line.startswith("import time:") for line in lines) - 1


def _succeed(command: tuple[str, ...]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise ScenarioFailed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-200:]}")
    return done.stderr
