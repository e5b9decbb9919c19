"""A release is bad: from the moment the controller knows it to the accepted write that takes its traffic away."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.population import NAMESPACES, name_of
from bench.processes import Child, ScenarioFailed, child
from bench.rows import Row, below, quantile, shown

INTERVAL = 10
BREACHES = 50
LIMIT = 100.0
"""Milliseconds."""


@dataclass(frozen=True, slots=True)
class Trial:
    """`how` other writes fail meanwhile; `together`: in one metrics answer, else spread over all of a window."""

    name: str
    what: str
    how: str = ""
    together: bool = False


TRIALS = (
    Trial("together", "all known by one metrics answer → traffic safe", together=True),
    Trial("plain", "breach known → traffic safe"),
    Trial("errors", "the same while every other write is answered 500", "error"),
    Trial("hanging", "the same while every other write hangs", "hang"),
)


async def run(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        async with (
            child("bench.cluster", directory, count, "Progressing") as cluster,
            child("bench.controller", Path(directory) / "kubeconfig", count) as controller,
        ):
            await asyncio.sleep(2.5 * INTERVAL)
            unused = list(range(count))
            rows: list[Row] = []
            for trial in TRIALS:
                numbers = _chosen(unused, trial)
                rows += await _try(cluster, controller, trial, numbers)
            return rows


def _chosen(unused: list[int], trial: Trial) -> list[int]:
    """Numbers of applications that still are well: of one namespace, or evenly from all. They count as used."""
    if trial.together:
        found = [number for number in unused if number % NAMESPACES == 0][:BREACHES]
    else:
        found = unused[:BREACHES]
    for number in found:
        unused.remove(number)
    return found


async def _try(cluster: Child, controller: Child, trial: Trial, numbers: list[int]) -> list[Row]:
    await controller.ask("readings")
    await cluster.ask("break_writes", how=trial.how)
    if trial.how:
        # Let what else is written run into the fault first.
        await asyncio.sleep(INTERVAL)
    await cluster.ask("fail", names=[name_of(number) for number in numbers])
    safe: list[float] = []
    for _ in range(4 * INTERVAL):
        await asyncio.sleep(1)
        safe += (await controller.ask("readings"))["safe"]
        if len(safe) >= len(numbers):
            break
    await cluster.ask("fail", names=[])
    await cluster.ask("break_writes", how="")
    if len(safe) != len(numbers):
        raise ScenarioFailed(f"{trial.name}: {len(safe)} of {len(numbers)} breaches were rolled back")
    slow, middle = 1e3 * quantile(safe, 0.99), 1e3 * quantile(safe, 0.5)
    what = f"{trial.what}, {len(safe)} of them"
    return [
        below(f"rollback/{trial.name}-p99", what, slow, LIMIT, "ms"),
        shown(f"rollback/{trial.name}-p50", "the same, median", middle, "ms"),
    ]
