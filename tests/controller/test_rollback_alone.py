"""A rollback needs the split and nothing else: every other dependency fails, hangs or refuses at the same time."""

from __future__ import annotations

import pytest

from canary.sandbox.apiserver.faults import Answer, Drop, Hang

SEVERE = {
    "interval": "10s",
    "warmup": "5s",
    "metrics": [{"name": "success-rate", "min": "99", "rollbackAt": "90"}],
}
OTHERS = ("canaries", "events", "endpointslices", "pods", "services", "deployments", "leases")
FAULTS = [Answer(500), Answer(403), Answer(429, retry_after=30), Drop(), Hang(), Hang(executed=True)]


def name_of(fault):
    code = f" {fault.code}" if isinstance(fault, Answer) else ""
    return f"{type(fault).__name__}{code}{' executed' if fault == Hang(executed=True) else ''}"


def fail_everything_else(sim, fault, resources=OTHERS):
    for resource in resources:
        sim.faults.add(fault, verb="get,list,create,update,patch,delete", resource=resource, user_agent="one")


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
async def test_a_breach_is_safe_within_a_second_of_its_window_while_all_else_fails_from_then_on(rollout, fault):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        windows = []

        async def after(sent):
            if sent.what == "list deployments":
                windows.append(sim.now())
                if len(windows) == 2:
                    fail_everything_else(sim, fault)

        sim.wires["one"].after = after
        await sim.weight(0)
        assert sim.moment("RollingBack") - windows[1] <= 1
        assert sim.state().rejected


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
async def test_a_breach_is_safe_within_a_second_of_its_window_while_all_but_metrics_failed_before(rollout, fault):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        fail_everything_else(sim, fault, tuple(name for name in OTHERS if name != "deployments"))
        windows = []

        async def after(sent):
            if sent.what == "list deployments":
                windows.append(sim.now())

        sim.wires["one"].after = after
        await sim.weight(0)
        breached = next(at for at in windows if at - sim.wires["one"].sent[0].at >= 30)
        assert sim.moment("RollingBack") - breached <= 1


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
async def test_an_abort_is_safe_within_a_second_while_all_else_fails(rollout, fault):
    async with rollout() as sim:
        await sim.weight(50)
        fail_everything_else(sim, fault)
        asked = sim.now()
        await sim.annotate(abort="@now")
        await sim.weight(0, 30)
        assert sim.moment("RollingBack") - asked <= 1


async def test_what_was_kept_back_is_told_when_the_others_are_well_again(rollout):
    async with rollout(errors=20, severe=True) as sim:
        await sim.weight(10)
        fail_everything_else(sim, Answer(503), ("canaries", "events"))
        await sim.reach("RolledBack")
        await sim.sleep(10)
        assert sim.status().phase == "Progressing"
        sim.faults.clear()
        await sim.told(120)
        assert sim.status().phase == "RolledBack"
        await sim.until(lambda: {"RollbackStarted", "RolledBack"} <= set(sim.reasons()), 120)


@pytest.mark.parametrize("begin", [9.0, 12.0, 16.0, 20.0])
@pytest.mark.parametrize("executed", [False, True])
async def test_a_rollback_does_not_wait_for_a_status_or_event_that_hangs(rollout, begin, executed):
    analysis = {**SEVERE, "interval": "7s"}
    async with rollout(errors=20, analysis=analysis) as sim:
        windows = []

        async def after(sent):
            if sent.what == "list deployments" and (state := sim.state()) is not None and state.weight == 10:
                windows.append(sim.now())

        sim.wires["one"].after = after
        await sim.until(lambda: sim.now() >= begin)
        for resource, verb in (("canaries", "patch"), ("events", "create"), ("pods", "list")):
            sim.faults.add(Hang(executed=executed), verb=verb, resource=resource, user_agent="one")
        await sim.reach("RollingBack", "RolledBack")
        assert len(windows) == 2
        assert sim.moment("RollingBack") - windows[1] <= 1


async def test_a_rollout_begins_and_goes_on_while_no_status_can_be_written(rollout):
    async with rollout(processes=()) as sim:
        sim.faults.add(Answer(500), verb="patch", resource="canaries", subresource="status", user_agent="one")
        sim.start("one")
        await sim.reach("Promoted")
        assert sim.shares() == [0, 10, 50, 100]
