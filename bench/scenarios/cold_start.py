"""A controller starts in the middle of everything: when does it decide."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bench.processes import ScenarioFailed, child
from bench.rows import Row, below, shown

PATIENCE = 60
RUNS = 3


async def run(count: int) -> list[Row]:
    """The fastest of a few starts: whatever else the machine does only makes them slower."""
    with tempfile.TemporaryDirectory() as directory:
        async with child("bench.cluster", directory, count, "Progressing"):
            starts = [await _start(Path(directory) / "kubeconfig", count) for _ in range(RUNS)]
    best = min(starts, key=lambda times: times["first"])
    begun = best["started"]
    return [
        below("cold-start/first", "process start → first decision on synced views", best["first"] - begun, 3, "s"),
        shown("cold-start/python", "of which until Python runs", best["entered"] - begun, "s"),
        shown("cold-start/imports", "of which imports", best["imported"] - best["entered"], "s"),
        shown("cold-start/client", "of which kubeconfig and the library that reads it", _between(best), "s"),
        shown("cold-start/all", f"process start → all {count} decided", best["whole"] - begun, "s"),
    ]


async def _start(config: Path, count: int) -> dict[str, float]:
    async with child("bench.controller", config, count) as controller:
        for _ in range(PATIENCE):
            times: dict[str, float] = await controller.ask("times")
            if times["whole"]:
                return {**times, "started": controller.started}
            await asyncio.sleep(1)
    raise ScenarioFailed(f"not every Canary was decided on within {PATIENCE} s")


def _between(times: dict[str, float]) -> float:
    return times["connected"] - times["imported"]
