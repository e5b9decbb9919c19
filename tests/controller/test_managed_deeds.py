"""Single deeds, on what somebody else has made of the world since they were decided."""

from __future__ import annotations

import msgspec
import pytest

from canary.api.canary import Canary
from canary.api.kinds import TrafficSplit
from canary.api.validation import load_spec
from canary.controller.managed.deeds import Deeds
from canary.controller.managed.findings import Findings
from canary.controller.managed.manifests import Manifests
from canary.controller.managed.observe import View
from canary.controller.managed.observer import Subject
from canary.controller.managed.writes import Changed
from canary.controller.watches import CANARIES
from canary.core.actions import Action, Deed
from canary.core.workload import Workload
from canary.kube.store import Store

SERVICE = "podinfo-canary"


@pytest.mark.parametrize("deed", [Deed.REMOVE, Deed.DISOWN])
async def test_the_parts_of_a_canary_that_was_made_anew_are_not_taken_away(managed, deed):
    async with managed() as sim:
        await sim.onboarded()
        client, before = sim.cluster.client, sim.object("services", SERVICE)
        canary = await client.get(CANARIES, "podinfo", "shop", type=Canary)
        gone = msgspec.structs.replace(canary, metadata=msgspec.structs.replace(canary.metadata, uid="of-the-last-one"))
        splits: Store[TrafficSplit] = Store()
        deeds = Deeds(client, Manifests(sim.clock), splits)
        subject = Subject(("shop", "podinfo"), gone, load_spec(gone), Findings())

        async def due() -> bool:
            return True

        with pytest.raises(Changed, match="not this Canary's any more"):
            await deeds.carry_out(subject, View(Workload("podinfo")), Action(deed, part=f"Service/{SERVICE}"), due)
        assert sim.object("services", SERVICE) == before
