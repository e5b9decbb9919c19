"""A status that this process wrote, and that its cache does not show yet."""

from __future__ import annotations

import msgspec
import pytest

from canary.api.canary import Canary
from canary.controller.report import REFRESH, Reporter
from canary.controller.session import Session
from canary.core.decision import Decision, Outlook
from canary.core.observed import Now, Observed
from canary.kube.client import PatchKind
from canary.kube.resources import SERVICES

NOW = Now(100.0, 1_767_225_600.0)


class Client:
    """Takes every patch, and gives each its own resourceVersion."""

    def __init__(self):
        self.over, self.next = [], None

    async def patch(self, _resource, _name, patch, *_args, **_kwargs):
        self.over.append(patch[0]["value"])
        made = f"made-{len(self.over)}" if self.next is None else str(self.next)
        return {"metadata": {"resourceVersion": made}}


def canary(version):
    meta = {"name": "web", "namespace": "shop", "uid": "u", "generation": 1, "resourceVersion": version}
    return msgspec.json.decode(msgspec.json.encode({"metadata": meta}), type=Canary)


@pytest.fixture
def tell():
    """Projects an outlook over the cached Canary of a resourceVersion; returns those that were written over so far."""
    client, session = Client(), Session(("shop", "web"), "u")
    reporter = Reporter(client, recorder=None)

    async def tell(version, reason):
        decision = Decision(outlook=Outlook(reason, "words"))
        await reporter.status(session, canary(version), Observed(uid="u", plan=None), decision, NOW)
        return client.over

    tell.client = client
    return tell


async def test_it_is_not_written_again_while_the_cache_is_behind(tell):
    await tell("1", "WaitingForService")

    assert await tell("1", "WaitingForService") == ["1"]


async def test_news_are_written_over_it_and_not_over_what_the_cache_shows(tell):
    await tell("1", "WaitingForService")

    assert await tell("1", "WaitingForEndpoints") == ["1", "made-1"]


async def test_it_is_not_written_again_over_what_the_cache_tells_of_in_between(tell):
    await tell("1", "WaitingForService")
    tell.client.next = 7
    await tell("1", "WaitingForEndpoints")

    assert await tell("6", "WaitingForEndpoints") == ["1", "made-1"]
    assert await tell("8", "WaitingForEndpoints") == ["1", "made-1", "8"]


async def test_what_others_made_of_it_since_counts(tell):
    await tell("1", "WaitingForService")

    assert await tell("2", "WaitingForService") == ["1", "2"]


async def test_a_sentence_that_changes_soon_after_another_is_told_a_minute_later(rollout):
    async with rollout(errors=20) as sim:
        await sim.reach("RolledBack")
        client, service = sim.cluster.client, sim.app.name
        root = await client.get(SERVICES, service, "shop")
        side = await client.get(SERVICES, "podinfo-v2", "shop")
        await sim.sleep(120)
        for selector in (side["spec"]["selector"], root["spec"]["selector"]):
            patch = [{"op": "replace", "path": "/spec/selector", "value": selector}]
            await client.patch(SERVICES, service, patch, "shop", kind=PatchKind.JSON)
            await sim.sleep(5)

        await sim.sleep(REFRESH)

        assert "RootSelectsCanary" not in str(sim.status().conditions)
