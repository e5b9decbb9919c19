"""Alive means that the event loop turns; ready, that the world is known."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from canary.kube.clock import LoopClock
from canary.sandbox.virtual_time import run_virtual
from canary.server.health import Check, Heartbeat, alive, ready

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class JumpingClock(LoopClock):
    """A clock that can jump, as the monotonic clock does for those who slept through a blocked loop."""

    jumped = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.jumped


def problems(checks: tuple[Check, ...]) -> dict[str, str]:
    return {check.name: check.problem for check in checks if check.problem}


async def blocked_for(seconds: float) -> tuple[Heartbeat, list[float]]:
    clock, told = JumpingClock(EPOCH), list[float]()
    heartbeat = Heartbeat(clock, told.append)
    task = asyncio.create_task(heartbeat.run())
    await asyncio.sleep(3.5)
    clock.jumped += seconds
    await asyncio.sleep(0.5)
    task.cancel()
    return heartbeat, told


def test_a_loop_that_turns_is_alive() -> None:
    heartbeat, told = run_virtual(blocked_for(0))
    assert heartbeat.worst == 0
    assert not told


@pytest.mark.parametrize(("seconds", "stuck"), [(29.0, False), (31.0, True)])
def test_a_loop_that_was_blocked_for_longer_than_30_s_is_told_of_and_fails_livez(seconds: float, stuck: bool) -> None:
    async def main() -> None:
        heartbeat, told = await blocked_for(seconds)
        assert told == ([pytest.approx(seconds)] if stuck else [])
        assert bool(problems(alive(heartbeat))) is stuck

    run_virtual(main())


def test_livez_fails_while_the_beat_is_still_missing() -> None:
    async def main() -> None:
        heartbeat = Heartbeat(LoopClock(EPOCH), lambda seconds: None)
        await asyncio.sleep(32)
        assert problems(alive(heartbeat)) == {"event-loop": "blocked for 31 s"}

    run_virtual(main())


@pytest.mark.parametrize(
    ("state", "failing"),
    [
        ({}, set()),
        ({"synced": False, "error": "403 Forbidden"}, {"caches"}),
        ({"silent_for": 60.0}, set()),
        ({"silent_for": 61.0}, {"api-server"}),
    ],
)
def test_ready_names_the_check_that_fails(state: dict[str, object], failing: set[str]) -> None:
    async def main() -> None:
        heartbeat = Heartbeat(LoopClock(EPOCH), lambda seconds: None)
        found = problems(ready(heartbeat, **{"synced": True, "error": "", "silent_for": 0.0, **state}))  # type: ignore[arg-type]  # a table of keywords
        assert set(found) == failing
        assert state.get("error", "") in found.get("caches", "")

    run_virtual(main())
