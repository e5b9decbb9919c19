"""Nothing happens: what a controller costs that has nothing to do."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from bench.processes import Child, ScenarioFailed, child, program, usage
from bench.rows import Row, at_most, exactly, shown

SECONDS = 60
QUIET = 5
"""Seconds without a request after which the start counts as over."""
_AGENT = "canary-controller/"


async def run(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        async with child("bench.cluster", directory, count, "Promoted", "Idle") as cluster:
            config = str(Path(directory) / "kubeconfig")
            async with program("run", "--kubeconfig", config, "--listen", "127.0.0.1:0") as pid:
                starting = await _settled(cluster)
                before = usage(pid)
                await asyncio.sleep(SECONDS)
                after, asked = usage(pid), await cluster.ask("asked")
    others = _others(asked)
    return [
        exactly("idle/requests", f"API requests in {SECONDS} s, leases and watches apart", sum(others.values()), 0),
        shown("idle/leases", f"requests for the Lease in {SECONDS} s", _of(asked, "leases")),
        at_most("idle/rss", f"memory of `canary run` with {count} canaries", after.rss, 130, "MB"),
        shown("idle/rss-peak", "the same at its highest, while starting", after.peak, "MB"),
        shown("idle/cpu", f"processor time in {SECONDS} s", after.cpu - before.cpu, "s"),
        shown("idle/start-requests", "API requests until it was quiet", sum(starting.values())),
        shown("idle/start-writes", "writes among them", _writes(starting)),
    ]


async def _settled(cluster: Child) -> dict[str, int]:
    """Wait until the controller asks for nothing any more; what it asked for until then."""
    total: dict[str, int] = {}
    for _ in range(60):
        await asyncio.sleep(QUIET)
        others = _others(await cluster.ask("asked"))
        if total and not others:
            return total
        for name, number in others.items():
            total[name] = total.get(name, 0) + number
    raise ScenarioFailed(f"the controller is not quiet after {60 * QUIET} s; it asks for {others}")


def _others(asked: dict[str, int]) -> dict[str, int]:
    """Requests of the controller, without watches and Lease."""
    return {
        name: number
        for name, number in asked.items()
        if name.startswith(_AGENT) and "|watch|" not in name and not name.endswith("|leases")
    }


def _of(asked: dict[str, int], plural: str) -> int:
    return sum(number for name, number in asked.items() if name.startswith(_AGENT) and name.endswith(f"|{plural}"))


def _writes(asked: dict[str, int]) -> int:
    return sum(number for name, number in asked.items() if name.split("|")[1] not in ("get", "list"))
