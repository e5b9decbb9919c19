"""Somebody between the controller and what is stored: a webhook that changes the split in every write."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from canary.sandbox.apiserver.faults import Answer, Rewrite
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation

Backends = list[dict[str, object]]


def _webhook(change: Callable[[Backends], Backends]) -> Rewrite:
    def rewrite(body: bytes) -> bytes:
        split = json.loads(body)
        split["spec"]["backends"] = change(split["spec"]["backends"])
        return json.dumps(split).encode()

    return Rewrite("webhook", request=rewrite)


def _doubled(backends: Backends) -> Backends:
    weights = {b["service"]: b["weight"] for b in backends}
    if "podinfo-v2" not in weights or len(weights) < 2:
        return backends
    more = min(100, 2 * int(str(weights["podinfo-v2"])))
    return [{"service": "podinfo-v2", "weight": more}, {"service": "podinfo-v1", "weight": 100 - more}]


def _third(backends: Backends) -> Backends:
    return [*backends, {"service": "mirror", "weight": 0}]


async def _changed_for_a_while(sim: Simulation, change: Callable[[Backends], Backends]) -> None:
    async with sim:
        await sim.start_app(Release("1"), Release("2"))
        await sim.apply(sim.canary("1", "2"))
        sim.start()
        faults = sim.cluster.server.faults
        rule = faults.add(_webhook(change), verb="update", resource="trafficsplits", user_agent="one", skip=1)
        await sim.clock.sleep(90)
        if "a webhook" not in sim.status().message or rule.fired > 60 or sim.phase() == "Promoted":
            raise ValueError(f"{rule.fired} writes, {sim.status()}")
        faults.clear()
        await sim.until(lambda: sim.phase() == "Promoted")


@pytest.mark.parametrize("change", [_doubled, _third])
async def test_what_is_stored_other_than_asked_is_put_right_now_and_then_and_told(change):
    sim = Simulation(random.Random(5))
    # What the webhook stores breaks S1, whoever sent the write.
    with pytest.raises(AssertionError, match="S1 at"):
        await _changed_for_a_while(sim, change)
    assert {str(violation)[:2] for violation in sim.judgement.violations} == {"S1"}


async def test_a_webhook_that_refuses_every_raise_is_named_in_the_status_and_nothing_moves():
    async with Simulation(random.Random(5)) as sim:
        await sim.start_app(Release("1"), Release("2"))
        await sim.apply(sim.canary("1", "2"))
        sim.start()
        await sim.until(lambda: sim.phase() == "Progressing")
        denied = Answer(403, message='admission webhook "guard.example.com" denied the request: not today')
        sim.cluster.server.faults.add(denied, verb="update", resource="trafficsplits", user_agent="one")
        await sim.clock.sleep(60)
        assert sim.weights() == {"podinfo-v1": 100}
        assert "guard.example.com" in sim.status().message
        sim.cluster.server.faults.clear()
        await sim.until(lambda: sim.phase() == "Promoted")
