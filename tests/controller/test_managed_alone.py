"""In managed mode, too, a rollback needs the split and nothing else: the workload may fail or hang at the same time."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.faults import Answer, Drop, Hang
from canary.sandbox.app import Release

SEVERE = {
    "interval": "10s",
    "warmup": "5s",
    "metrics": [{"name": "success-rate", "min": "99", "rollbackAt": "90"}],
}
SETTLE, INTERVAL = 2.0, 10.0
FAULTS = [Answer(500), Answer(403), Drop(), Hang(), Hang(executed=True)]


def name_of(fault):
    code = f" {fault.code}" if isinstance(fault, Answer) else ""
    return f"{type(fault).__name__}{code}{' executed' if fault == Hang(executed=True) else ''}"


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
async def test_a_breach_is_safe_at_once_while_the_pods_for_the_next_weight_cannot_be_asked_for(managed, fault):
    async with managed(analysis=SEVERE) as sim:
        await sim.onboarded()
        windows, asked = [], []

        async def before(sent):
            if sent.what == "patch deployments" and sim.state().weight:
                asked.append(sim.now())
                if len(asked) == 1:
                    sim.faults.add(fault, verb="patch", resource="deployments", user_agent="one")

        async def after(sent):
            if sent.what == "list deployments":
                windows.append(sim.now())

        sim.wires["one"].before, sim.wires["one"].after = before, after
        await sim.release(Release("2", errors=40))
        await sim.weight(20)
        raised = sim.state().moved - sim.clock.now().timestamp() + sim.now()
        await sim.weight(0, 90)
        assert asked
        breached = next(at for at in windows if at >= raised + SETTLE + INTERVAL)
        assert sim.moment("RollingBack") - breached <= 1
        sim.faults.clear()
        await sim.reach("RolledBack")
