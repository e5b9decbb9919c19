"""What was decided about traffic can be read in the log."""

from __future__ import annotations

import random
from typing import Any

from canary.sandbox.simulation import Release, Simulation
from canary.sandbox.virtual_time import run_virtual
from canary.server.journal import Journal


async def roll_back() -> None:
    async with Simulation(random.Random(1), telemetry=Journal()) as sim:
        await sim.start_app(Release("1"), Release("2", errors=20))
        await sim.apply(sim.canary("1", "2"))
        sim.start()
        await sim.until(lambda: sim.phase() == "RolledBack")


def only(lines: list[dict[str, Any]], message: str, *keys: str) -> list[tuple[Any, ...]]:
    return [tuple(line[key] for key in keys) for line in lines if line["message"] == message]


def test_every_write_of_the_split_is_a_line_with_weights_reason_and_number(log: Any) -> None:
    run_virtual(roll_back())
    writes = only(log.lines(), "split written", "from", "to", "reason", "seq")
    assert [seq for *_, seq in writes] == list(range(1, len(writes) + 1))
    assert writes[0][:3] == (None, 0, "Initialized")
    assert (0, 10, "WeightAdvanced") in [write[:3] for write in writes]
    assert (10, 0, "RollbackStarted") in [write[:3] for write in writes]


def test_phases_and_the_rollback_are_lines_of_their_own(log: Any) -> None:
    run_virtual(roll_back())
    lines = log.lines()
    assert only(lines, "phase changed", "from", "to") == [
        ("Initializing", "Idle"),
        ("Idle", "Progressing"),
        ("Progressing", "RollingBack"),
        ("RollingBack", "RolledBack"),
    ]
    ((level, reason, why, since),) = only(lines, "rolled back", "level", "reason", "why", "since_breach")
    assert (level, reason) == ("warning", "CheckFailed")
    assert "success-rate 80%" in why
    assert since < 1


def test_lines_of_one_reconcile_share_an_id_that_no_other_has(log: Any) -> None:
    run_virtual(roll_back())
    lines = [line for line in log.lines() if line["message"] == "split written"]
    assert all((line["namespace"], line["name"]) == ("shop", "podinfo") for line in lines)
    ids = [int(line["reconcile"], 16) for line in lines]
    assert ids == sorted(ids)
    assert len(set(ids)) > 3
