"""The comparison with stable, through the API: what it ends, what it says, and what a restart knows of it."""

from __future__ import annotations

LONG = [{"weight": 10, "hold": "1h"}]
COMPARED = {
    "interval": "10s",
    "warmup": "5s",
    "metrics": [{"name": "success-rate", "min": "80", "compare": "Stable"}],
}


async def test_a_release_that_is_worse_than_stable_is_rolled_back_within_its_limit(rollout):
    async with rollout(errors=8.0, steps=LONG, analysis=COMPARED) as sim:
        await sim.reach("RolledBack", timeout=300.0)

        state = next(s for s in sim.states() if s.phase == "RollingBack")
        assert state.reason == "CheckFailed"
        assert "more than 20% worse: evidence" in state.note
        assert state.failed == 1


async def test_a_healthy_release_is_not(rollout):
    async with rollout(steps=LONG, analysis=COMPARED) as sim:
        await sim.weight(10)
        await sim.sleep(1800.0)
        await sim.told()

        assert sim.phase() == "Progressing"
        metric = sim.status().metrics[0]
        assert metric.evidence.endswith("of 100:1")
        assert metric.verdict == "Healthy"


async def test_what_was_shown_to_a_process_that_dies_is_known_to_its_heir(rollout):
    async with rollout(errors=8.0, steps=LONG, analysis=COMPARED) as sim:
        await sim.until(lambda: any(s.evidence for s in sim.states()), 120.0)
        known = sim.state().evidence
        await sim.kill("one")
        sim.start("two")
        await sim.reach("RolledBack", timeout=300.0)

        note = next(s.note for s in sim.states() if s.phase == "RollingBack")
        counted = int(note.split(" failed")[0].split(" of ")[1])
        assert counted > sum(e.canary.requests for e in known.values()) > 0
