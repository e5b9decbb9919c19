"""Every canary is under way: how late windows are judged, and what that costs."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bench.population import NAMESPACES
from bench.processes import child
from bench.rows import Row, below, exactly, quantile, shown

INTERVAL = 10
WINDOWS = 5


async def run(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        async with (
            child("bench.cluster", directory, count, "Progressing") as cluster,
            child("bench.controller", Path(directory) / "kubeconfig", count) as controller,
        ):
            # The first window of everyone is over after the start, the longest delay of a group and one interval.
            await asyncio.sleep(2.5 * INTERVAL)
            for each in (controller, cluster):
                await each.ask("readings" if each is controller else "metrics")
            await cluster.ask("asked")
            before = controller.usage()
            await asyncio.sleep(WINDOWS * INTERVAL)
            late = (await controller.ask("readings"))["lateness"]
            calls, asked = await cluster.ask("metrics"), await cluster.ask("asked")
            after = controller.usage()
    pairs = min(count, NAMESPACES)
    per_window = sum(calls.values()) / WINDOWS
    cpu = after.cpu - before.cpu
    what = f"answer of the metrics → decision, {len(late)} windows"
    return [
        below("progressing/late-p99", what, quantile(late, 0.99), 1, "s"),
        shown("progressing/late-p50", "the same, median", quantile(late, 0.5), "s"),
        exactly("progressing/pairs", "different lists asked for, (namespace, kind)", len(calls), pairs),
        Row("progressing/calls", f"metrics calls in {INTERVAL} s", per_window, "", f"≤ {pairs}", per_window <= pairs),
        shown("progressing/judged", f"windows judged in {INTERVAL} s", len(late) / WINDOWS),
        shown("progressing/cpu", f"processor time in {INTERVAL} s", cpu / WINDOWS, "s"),
        shown("progressing/cpu-each", "the same for one window", 1e3 * cpu / max(1, len(late)), "ms"),
        shown("progressing/requests", f"other API requests in {INTERVAL} s", _others(asked) / WINDOWS),
        shown("progressing/rss", "memory of the controller", after.rss, "MB"),
    ]


def _others(asked: dict[str, int]) -> int:
    return sum(
        number
        for name, number in asked.items()
        if name.startswith("canary-controller/") and "|watch|" not in name and not name.endswith("deployments")
    )
