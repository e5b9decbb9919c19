"""A rollout takes as long as is said: the real controller, in virtual time, between the least and the most."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from canary.lint.check import Source, lint
from canary.lint.timetable import Timetable, Traffic
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual

RATE = 40.0
PODS = 10.0
"""Seconds that pods, writes and looks may take beside the windows."""
QUICK = {"traffic": {"settle": "2s"}, "analysis": {"interval": "10s", "warmup": "5s"}}
TESTED = {"name": "ok", "min": "99", "compare": "Stable"}


def said(canary: dict[str, Any]) -> Timetable:
    (case,) = lint([Source("canary.json", json.dumps(canary).encode())], Traffic(RATE)).cases
    return case.table


async def took(sim: Simulation) -> float:
    """Seconds from the first weight to the promotion."""
    await sim.until(lambda: bool((state := sim.state()) and state.weight), 120.0)
    began = sim.clock.monotonic()
    await sim.until(lambda: sim.phase() == "Promoted", 3600.0)
    return sim.clock.monotonic() - began


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "spec",
    [
        {"steps": [{"weight": 10, "hold": "25s"}, {"weight": 50, "hold": "1m"}]},
        {"steps": [{"weight": 10, "hold": "1s"}, {"weight": 50}, {"weight": 100, "hold": "30s"}]},
        {"ramp": {"from": 10, "to": 50, "increment": 20, "hold": "20s"}, "steps": None},
        {"steps": [{"weight": 25, "hold": "10s", "minRequests": 450}]},
        {"steps": [{"weight": 25, "hold": "10s"}], "analysis": {**QUICK["analysis"], "metrics": [TESTED]}},
        {
            "steps": [{"weight": 50, "hold": "5m"}],
            "analysis": {**QUICK["analysis"], "metrics": [TESTED], "early": True},
        },
    ],
    ids=["holds", "short holds", "a ramp", "minRequests", "a sample", "an early end"],
)
def test_a_rollout_is_neither_faster_nor_slower(spec: dict[str, Any], seed: int) -> None:
    async def main() -> tuple[float, Timetable]:
        async with Simulation(random.Random(seed), rate=RATE) as sim:
            canary = sim.canary("1", "2", **{**QUICK, **spec})
            canary["spec"] = {name: value for name, value in canary["spec"].items() if value is not None}
            await sim.start_app(Release("1"), Release("2"))
            await sim.apply(canary)
            sim.start()
            return await took(sim), said(canary)

    seconds, table = run_virtual(main())
    least, most = (sum(getattr(held, name) for held in table.held) for name in ("least", "most"))
    assert least - 1.0 <= seconds <= most + PODS
    assert seconds < table.timeout


@pytest.mark.parametrize("seed", range(3))
def test_managed_mode_ends_with_a_window_of_the_stable_copy(seed: int) -> None:
    async def main() -> tuple[float, Timetable]:
        async with Simulation(random.Random(seed), rate=RATE) as sim:
            canary = sim.managed_canary(**QUICK, steps=[{"weight": 20, "hold": "30s"}, {"weight": 60, "hold": "20s"}])
            await sim.start_managed(Release("1"))
            await sim.apply(canary)
            sim.start()
            await sim.until(lambda: sim.phase() == "Idle", 60.0)
            await sim.release(Release("2"))
            return await took(sim), said(canary)

    seconds, table = run_virtual(main())
    least, most = (sum(getattr(held, name) for held in table.held) for name in ("least", "most"))
    assert least + 10.0 - 1.0 <= seconds <= most + 2 * 10.0 + 2 * PODS
    assert seconds < table.timeout
