"""Managed mode: what the API server refuses to do to the workload is told where everybody looks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from canary.api.names import API_VERSION, KIND
from canary.sandbox.apiserver.faults import Answer
from canary.sandbox.app import App, Release
from canary.sandbox.managed_app import deployment
from canary.sandbox.simulation import Simulation

CANARY = {
    "apiVersion": API_VERSION,
    "kind": KIND,
    "metadata": {"name": "podinfo", "namespace": "shop"},
    "spec": {
        "targetRef": {"name": "podinfo"},
        "service": {"name": "podinfo", "adopt": "Force"},
        "traffic": {"settle": "2s"},
        "steps": [{"weight": 10, "hold": "30s"}],
    },
}


@pytest.fixture
async def sim() -> AsyncIterator[Simulation]:
    """A Deployment behind its root Service, and a Canary about it that nobody has looked at."""
    simulation = Simulation(Random(1), app=App())
    await simulation.__aenter__()
    await simulation.apply(simulation.app.root(), deployment(simulation.app, Release("1"), replicas=2), CANARY)
    yield simulation
    assert simulation.contradictions() == []
    # What a rollout must never do is judged where one is played to its end; here none begins.
    await simulation.__aexit__(StopAsyncIteration)


def told(sim: Simulation) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in sim.status().conditions}


async def test_a_refused_write_stalls_the_canary_and_is_quoted(sim: Any) -> None:
    sim.cluster.server.faults.add(Answer(403), verb="create", resource="deployments", user_agent="one")
    sim.start("one")

    await sim.until(lambda: told(sim).get("Stalled") == ("True", "WorkloadWriteRefused"), 60)

    assert "CreateStable: the API server refuses it" in sim.status().message


async def test_when_the_write_is_accepted_again_the_canary_goes_on(sim: Any) -> None:
    rule = sim.cluster.server.faults.add(Answer(403), verb="create", resource="deployments", user_agent="one")
    sim.start("one")
    await sim.until(lambda: "Stalled" in told(sim), 60)

    sim.cluster.server.faults.remove(rule)
    await sim.until(lambda: sim.phase() == "Idle", 300)
    await sim.until(lambda: told(sim).get("Ready") == ("True", "Serving"), 60)

    assert "Stalled" not in told(sim)
