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
from canary.controller.managed.parts import Part
from canary.controller.managed.writes import Changed
from canary.controller.watches import CANARIES
from canary.core.actions import Action, Deed
from canary.core.workload import Workload
from canary.kube.resources import SERVICES
from canary.kube.store import Store

SERVICE = "podinfo-canary"


@pytest.mark.parametrize("deed", [Deed.REMOVE, Deed.DISOWN])
async def test_the_parts_of_a_canary_that_was_made_anew_are_not_taken_away(managed, deed):
    async with managed() as sim:
        await sim.onboarded()
        client, before = sim.cluster.client, sim.object("services", SERVICE)
        gone = await _of_the_last_one(client)
        subject = Subject(("shop", "podinfo"), gone, load_spec(gone), Findings())

        with pytest.raises(Changed, match="not this Canary's any more"):
            await _deeds(client, sim).carry_out(
                subject, View(Workload("podinfo")), Action(deed, part=f"Service/{SERVICE}"), _due
            )
        assert sim.object("services", SERVICE) == before


@pytest.mark.parametrize("due", [True, False])
async def test_a_part_of_another_canary_is_taken_over_only_if_that_is_due_by_what_is_read_now(managed, due):
    async with managed() as sim:
        await sim.onboarded()
        client, before = sim.cluster.client, sim.object("services", SERVICE)
        last = await _of_the_last_one(client)
        part = Part(SERVICES, before, {"metadata": {"labels": {"a": "b"}}})
        view = View(Workload("podinfo"), parts=(part,))
        subject = Subject(("shop", "podinfo"), last, load_spec(last), Findings())

        async def guard() -> bool:
            return due

        await _deeds(client, sim).carry_out(subject, view, Action(Deed.FILL_GAP, part=part.name), guard)
        assert (sim.object("services", SERVICE) != before) is due


async def _of_the_last_one(client):
    canary = await client.get(CANARIES, "podinfo", "shop", type=Canary)
    return msgspec.structs.replace(canary, metadata=msgspec.structs.replace(canary.metadata, uid="of-the-last-one"))


def _deeds(client, sim):
    splits: Store[TrafficSplit] = Store()
    return Deeds(client, Manifests(sim.clock), splits)


async def _due() -> bool:
    return True
