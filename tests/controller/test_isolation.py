"""One bad Canary changes nothing of another: what is written for the good one is the same with and without it."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.faults import Answer, Hang
from canary.sandbox.app import App, Release
from canary.sandbox.mesh.routes import TRAFFIC_SPLITS

BAD = App("bad")


def canary_of(sim, app, **spec):
    canary = sim.canary("1", "2", service={"name": app.name}, **spec)
    canary["metadata"]["name"] = app.name
    canary["spec"].setdefault("backends", {})
    canary["spec"]["backends"] = {"stable": app.backend("1"), "canary": app.backend("2"), **spec.get("backends", {})}
    return canary


async def start_bad(sim, errors=60.0, **spec):
    releases = [Release("1"), Release("2", errors=errors)]
    await sim.apply(BAD.root(releases[0], rate=200))
    for release in releases:
        await sim.apply(BAD.service(release), BAD.deployment(release))
    await sim.apply(canary_of(sim, BAD, **spec))


async def fails_its_checks(sim):
    await start_bad(sim)


async def has_no_pods(sim):
    await sim.apply(canary_of(sim, BAD))


async def has_a_split_that_is_refused(sim):
    sim.faults.add(Answer(422), verb="create,update", resource="trafficsplits", name="bad")
    sim.faults.add(Answer(422), verb="create", resource="trafficsplits", times=5)
    await start_bad(sim)


async def has_a_status_that_hangs(sim):
    sim.faults.add(Hang(), verb="patch", resource="canaries", name="bad", user_agent="one")
    await start_bad(sim)


async def has_a_split_that_hangs(sim):
    sim.faults.add(Hang(), verb="get,update", resource="trafficsplits", name="bad", user_agent="one")
    await start_bad(sim)


async def has_a_split_of_somebody_else(sim):
    split = {
        "apiVersion": "split.smi-spec.io/v1alpha4",
        "kind": "TrafficSplit",
        "metadata": {"name": "bad", "namespace": "shop"},
        "spec": {"service": "bad", "backends": [{"service": "bad-v1", "weight": 100}]},
    }
    await sim.cluster.client.create(TRAFFIC_SPLITS, split, "shop")
    await start_bad(sim)


async def asks_a_hundred_times(sim):
    await start_bad(sim)
    for number in range(100):
        await sim.apply(canary_of(sim, BAD, revision=f"r{number}"))


NEIGHBOURS = [
    fails_its_checks, has_no_pods, has_a_split_that_is_refused, has_a_status_that_hangs, has_a_split_that_hangs,
    has_a_split_of_somebody_else, asks_a_hundred_times,
]  # fmt: skip


def log_of_the_good_one(sim):
    """Kind of write, and what it said, of everything that was written for podinfo; times left out."""
    lines = {"canaries": [], "trafficsplits": [], "events": []}
    for commit in sim.by("one"):
        about = (commit.new or {}).get("regarding", {}).get("name", commit.name)
        if about == "podinfo" and commit.plural in lines:
            lines[commit.plural].append(said(commit))
    return lines


def said(commit):
    if commit.plural == "canaries":
        status = commit.new.get("status", {})
        return status.get("phase"), status.get("canaryWeight"), status.get("step")
    if commit.plural == "events":
        return commit.new["reason"], commit.new["note"]
    return tuple((b["service"], b["weight"]) for b in commit.new["spec"]["backends"])


async def run(rollout, neighbour):
    async with rollout(applied=False, processes=()) as sim:
        if neighbour is not None:
            await neighbour(sim)
        await sim.apply(sim.canary("1", "2"))
        sim.start("one")
        began = sim.now()
        await sim.reach("Promoted")
        ended = sim.now() - began
        await sim.told()
        return log_of_the_good_one(sim), ended


@pytest.mark.parametrize("neighbour", NEIGHBOURS, ids=lambda neighbour: neighbour.__name__)
async def test_a_neighbour_that_does_not_matter(rollout, neighbour):
    alone, took = await run(rollout, None)
    beside, took_beside = await run(rollout, neighbour)
    if neighbour is has_a_split_that_is_refused:
        assert beside["trafficsplits"] == alone["trafficsplits"]
        assert beside["events"] == alone["events"]
    else:
        assert beside == alone
    assert abs(took_beside - took) <= 12
