"""Watches that lie, die or say nothing, and lists from the past: the rollout is right all the same."""

from __future__ import annotations

import pytest

from canary.controller.watches import CANARIES
from canary.kube.resources import DEPLOYMENTS
from canary.sandbox.apiserver.faults import Answer, Cut, Duplicate, Expire, Silence, Stale

FAULTS = {
    "silent from the start, five times": (Silence(0), {"times": 5}),
    "silent after two lines": (Silence(2), {}),
    "410 in the stream": (Expire(1), {}),
    "410 as an answer": (Answer(410), {"verb": "watch", "times": 20}),
    "cut after one line": (Cut(lines=1), {}),
    "cut in the middle of a line": (Cut(lines=2, torn=True), {}),
    "cut every five seconds": (Cut(seconds=5), {}),
    "everything twice": (Duplicate(), {}),
    "ten lists of thirty versions ago": (Stale(30), {"times": 10}),
    "refused for a while": (Answer(503), {"verb": "watch,list", "times": 30}),
    "throttled for a while": (Answer(429, retry_after=3), {"verb": "watch,list", "times": 10}),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_good_release_is_promoted_step_by_step(rollout, name):
    fault, options = FAULTS[name]
    async with rollout(processes=()) as sim:
        sim.faults.add(fault, user_agent="one", **options)
        sim.start("one")
        await sim.reach("Promoted", timeout=1200)
        assert sim.shares() == [0, 10, 50, 100]


@pytest.mark.parametrize("name", FAULTS)
async def test_a_bad_release_is_rolled_back(rollout, name):
    fault, options = FAULTS[name]
    async with rollout(errors=20, severe=True, processes=()) as sim:
        sim.faults.add(fault, user_agent="one", **options)
        sim.start("one")
        await sim.reach("RolledBack", timeout=1200)
        assert sim.shares() == [0, 10, 0]


@pytest.mark.parametrize("name", [name for name in FAULTS if "lists" not in name])
async def test_faults_that_begin_in_the_middle_of_a_rollout_do_not_stop_it(rollout, name):
    fault, options = FAULTS[name]
    async with rollout() as sim:
        await sim.weight(10)
        sim.faults.add(fault, user_agent="one", **options)
        sim.cluster.server.cut_watches()
        await sim.reach("Promoted", timeout=1200)
        assert sim.shares() == [0, 10, 50, 100]


async def test_history_that_was_compacted_away_is_listed_anew(rollout):
    async with rollout() as sim:
        await sim.weight(10)
        sim.cluster.server.compact()
        sim.cluster.server.cut_watches()
        await sim.reach("Promoted")


async def test_an_abort_that_no_watch_tells_of_is_heard_within_seventy_seconds_and_a_list(rollout):
    async with rollout(steps=[{"weight": 10, "hold": "20m"}]) as sim:
        await sim.weight(10)
        sim.faults.add(Silence(0), user_agent="one", times=4)
        sim.cluster.server.cut_watches()
        await sim.sleep(5)
        asked = sim.now()
        await sim.annotate(abort="@now")
        await sim.reach("RolledBack")
        assert sim.moment("RollingBack") - asked <= 75


async def test_a_view_that_lags_behind_the_api_server_does_not_make_a_process_hammer_it(rollout):
    async with rollout() as sim:
        await sim.weight(10)
        sim.faults.add(Silence(0), user_agent="one", resource="endpointslices", times=1)
        sim.cluster.server.cut_watches()
        await sim.sleep(5)
        await sim.cluster.client.patch(DEPLOYMENTS, "podinfo-v2", {"spec": {"replicas": 0}}, "shop")
        before = len(sim.wires["one"].sent)
        await sim.sleep(50)
        assert sim.state().weight == 10
        assert len(sim.wires["one"].sent) - before <= 50 * 3 * 2
        await sim.weight(0)


async def test_who_sees_an_old_split_takes_nobody_for_an_opponent(rollout):
    """What the old split seems to need, and a look at the live one drops again, is no repair."""
    async with rollout(errors=20, severe=True, steps=[{"weight": 10, "hold": "20m"}]) as sim:
        await sim.weight(10)
        sim.faults.add(Silence(0), user_agent="two", resource="trafficsplits", times=1)
        sim.start("two")
        await sim.reach("RolledBack")
        await sim.sleep(60)
        written = [commit.new["status"] for commit in sim.by("two") if commit.plural == "canaries"]
        reasons = {condition["reason"] for status in written for condition in status["conditions"]}
        assert reasons
        assert "TrafficConflict" not in reasons


async def test_a_status_is_written_over_a_canary_that_has_changed_behind_a_silent_watch(rollout):
    async with rollout(errors=20) as sim:
        await sim.weight(10)
        sim.faults.add(Silence(0), user_agent="one", resource="canaries", times=1)
        sim.cluster.server.cut_watches()
        await sim.sleep(2)
        await sim.cluster.client.patch(CANARIES, "podinfo", {"metadata": {"labels": {"team": "shop"}}}, "shop")
        await sim.until(lambda: sim.state().phase == "RolledBack")
        before = len(sim.wires["one"].sent)
        await sim.sleep(5)
        assert sim.phase() == "RolledBack"
        assert len(sim.wires["one"].sent) - before < 10
