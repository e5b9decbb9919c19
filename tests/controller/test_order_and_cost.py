"""What is asked of the API server, in which order, and how often."""

from __future__ import annotations

import pytest

from canary.sandbox.app import App, Release

WRITES = ("create", "update", "patch", "delete")


def requests(sim, identity="one"):
    return [sent.what for sent in sim.wires[identity].sent]


async def test_a_rollback_is_one_read_and_one_write_before_anything_else(rollout):
    async with rollout(errors=20, severe=True) as sim:
        await sim.reach("RollingBack", "RolledBack")
        sent = requests(sim)
        written = [i for i, what in enumerate(sent) if what == "update trafficsplits"][2]
        assert sent[written - 2 : written + 1] == ["list deployments", "get trafficsplits", "update trafficsplits"]


async def test_a_raise_is_three_reads_one_write_then_an_event_and_a_status(rollout):
    async with rollout() as sim:
        await sim.weight(50)
        await sim.sleep(2)
        sent = [what for what in requests(sim) if what != "list deployments"]
        raised = [i for i, what in enumerate(sent) if what == "update trafficsplits"][2]
        reads = ["get canaries", "list endpointslices", "get trafficsplits"]
        assert sent[raised - 3 : raised] == reads
        assert sorted(sent[raised + 1 :]) == ["create events", "patch canaries/status"]


@pytest.mark.parametrize(("errors", "phase"), [(0, "Promoted"), (20, "RolledBack")])
async def test_a_canary_at_rest_costs_no_request(rollout, errors, phase):
    async with rollout(errors=errors) as sim:
        await sim.reach(phase)
        await sim.sleep(90)
        before = len(requests(sim))
        await sim.sleep(600)
        assert requests(sim)[before:] == []


async def test_a_canary_that_waits_for_its_first_rollout_costs_no_request(rollout):
    async with rollout(backends={"stable": "podinfo-v1", "canary": "podinfo-v3"}) as sim:
        await sim.reach("Idle")
        await sim.sleep(90)
        before = len(requests(sim))
        await sim.sleep(400)
        assert requests(sim)[before:] == []


async def test_a_long_hold_costs_its_metrics_call_and_at_most_one_status_a_minute(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "20m"}]) as sim:
        await sim.weight(10)
        await sim.sleep(60)
        before = len(requests(sim))
        await sim.sleep(600)
        sent = requests(sim)[before:]
        assert set(sent) <= {"list deployments", "patch canaries/status"}
        assert sent.count("list deployments") <= 61
        assert sent.count("patch canaries/status") <= 10


async def test_a_status_write_always_changes_something(rollout):
    async with rollout(errors=20) as sim:
        await sim.reach("RolledBack")
        await sim.sleep(60)
        log = [c for c in sim.cluster.server.commits.of("canaries") if c.subresource == "status"]
        assert all(c.old.get("status") != c.new["status"] for c in log)
        sent = requests(sim).count("patch canaries/status")
        assert sent == len(log)


@pytest.mark.parametrize("errors", [0, 20])
async def test_a_transition_makes_at_most_four_writes(rollout, errors):
    async with rollout(errors=errors) as sim:
        await sim.reach("Promoted", "RolledBack")
        await sim.sleep(300)
        # The first one also has the finalizer, and the last ones no successor: both are counted the same way.
        counts, count = [], 0
        for what in requests(sim):
            if what in ("update trafficsplits", "create trafficsplits"):
                counts.append(count)
                count = 0
            count += what.startswith(WRITES)
        assert max([*counts, count]) <= 4


@pytest.mark.parametrize("errors", [0, 20])
async def test_a_restart_at_rest_writes_nothing(rollout, errors):
    async with rollout(errors=errors) as sim:
        await sim.reach("Promoted", "RolledBack")
        await sim.sleep(60)
        await sim.kill("one")
        sim.start("two")
        await sim.sleep(120)
        assert sim.by("two") == []


async def test_a_restart_in_the_middle_of_a_hold_writes_nothing_but_status(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "20m"}]) as sim:
        await sim.weight(10)
        await sim.sleep(120)
        await sim.kill("one")
        sim.start("two")
        await sim.sleep(120)
        assert {commit.plural for commit in sim.by("two")} <= {"canaries"}
        assert len(sim.by("two")) <= 3
        assert {c.new["status"]["phase"] for c in sim.by("two")} == {"Progressing"}


async def test_the_hold_goes_on_where_it_was_after_a_restart(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "5m"}, {"weight": 100, "hold": "5s"}]) as sim:
        await sim.weight(10)
        raised = sim.now()
        await sim.sleep(240)
        await sim.kill("one")
        sim.start("two")
        await sim.weight(100)
        assert 300 <= sim.now() - raised <= 330


async def test_fifty_canaries_of_a_namespace_share_one_metrics_call_per_window(rollout):
    async with rollout(applied=False, processes=()) as sim:
        for number in range(50):
            app = App(f"app{number}")
            releases = [Release("1", replicas=1), Release("2", replicas=1)]
            await sim.apply(app.root(releases[0], rate=20))
            for release in releases:
                await sim.apply(app.service(release), app.deployment(release))
            canary = sim.canary("1", "2", steps=[{"weight": 10, "hold": "10m"}], service={"name": app.name})
            canary["metadata"]["name"] = app.name
            canary["spec"]["backends"] = {"stable": app.backend("1"), "canary": app.backend("2")}
            await sim.apply(canary)
        sim.start("one")
        await sim.sleep(60)
        before = len(requests(sim))
        await sim.sleep(100)
        assert 9 <= requests(sim)[before:].count("list deployments") <= 11
        assert sum("app" in c.name for c in sim.cluster.server.commits.of("trafficsplits") if c.verb == "create") == 50


async def test_a_watch_that_is_late_with_our_own_writes_costs_no_request(rollout):
    costs = []
    for lag in (0.0, 3.0):
        async with rollout(applied=False, processes=()) as sim:
            sim.lag = lambda lag=lag: lag
            sim.start()
            await sim.apply(sim.canary("1", "2"))
            await sim.reach("Promoted")
            await sim.sleep(90)
            costs.append(sum(what.endswith(" trafficsplits") for what in requests(sim)))
    assert costs[0] == costs[1]
