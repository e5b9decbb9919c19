"""A process that is stopped between its decision and its write, and wakes up when the world has moved on."""

from __future__ import annotations

import pytest


def freeze_at(sim, identity, what, number=1):
    """Stop a process when the `number`-th request of a kind from now on is to leave; the event says that it has."""
    wire, seen = sim.wires[identity], 0

    async def before(sent):
        nonlocal seen
        if sent.what == what:
            seen += 1
            if seen == number:
                wire.freeze()

    wire.before = before
    return lambda: not wire.flowing.is_set()


async def test_a_raise_that_was_decided_before_a_rollback_loses_and_is_not_repeated(rollout):
    async with rollout(processes=("one", "two"), seed=1) as sim:
        await sim.weight(10)
        raiser = "one"
        frozen = freeze_at(sim, raiser, "update trafficsplits")
        await sim.until(lambda: frozen() or sim.state().weight == 50)
        if not frozen():
            await sim.until(frozen)
        shares = sim.shares()
        await sim.annotate(abort="@now")
        await sim.reach("RolledBack")
        await sim.sleep(60)
        sim.wires[raiser].thaw()
        await sim.sleep(120)
        assert sim.shares() == [*shares, 0]
        assert sim.phase() == "RolledBack"


async def test_a_stopped_process_does_not_raise_with_a_verdict_from_before_it_slept(rollout):
    async with rollout() as sim:
        await sim.weight(10)
        frozen = freeze_at(sim, "one", "get trafficsplits")
        await sim.until(frozen)
        await sim.sleep(60)
        woken = sim.clock.now().timestamp()
        sim.wires["one"].thaw()
        await sim.weight(50)
        assert sim.state().gate.end >= woken


async def test_a_verdict_that_grows_old_while_the_lease_is_looked_at_is_dropped(rollout):
    """The one request between a raise's decision and its write is the look at the Lease of a process that took over."""
    async with rollout(leader_elect=True) as sim:
        await sim.weight(10)
        await sim.kill("one")
        sim.start("two")
        wire, slept = sim.wires["two"], []

        async def before(sent):
            if sent.what == "get leases" and wire.sent[-2].what == "get trafficsplits" and not slept:
                slept.append(len(wire.sent))
                await sim.sleep(12)

        wire.before = before
        await sim.weight(50)
        assert slept
        after = [sent.what for sent in wire.sent[slept[0] :] if "leases" not in sent.what]
        assert after.index("get canaries") < after.index("update trafficsplits")
        await sim.reach("Promoted")


async def test_a_stopped_rollback_lands_in_nobodys_way(rollout):
    """The one that was stopped wakes up with a lowering that another has made: it reads, and has nothing left to do."""
    async with rollout(errors=20, severe=True, processes=("one", "two"), seed=2) as sim:
        await sim.weight(10)
        one = freeze_at(sim, "one", "update trafficsplits")
        await sim.reach("RolledBack")
        await sim.until(lambda: one() or sim.now() > 90)
        written = len(sim.splits())
        sim.wires["one"].thaw()
        await sim.sleep(120)
        assert len(sim.splits()) == written
        assert sim.reasons().count("RolledBack") == 1


@pytest.mark.parametrize("asleep", [20, 60])
async def test_a_stopped_leader_loses_its_lease_its_write_and_its_life(rollout, asleep):
    async with rollout(leader_elect=True, processes=("one",)) as sim:
        await sim.weight(10)
        sim.start("two")
        await sim.sleep(3)
        frozen = freeze_at(sim, "one", "update trafficsplits")
        await sim.until(frozen)
        old = sim.process("one")
        sim.processes.remove(old)
        await sim.sleep(asleep)
        await sim.until(lambda: sim.process("two").controller.is_leader)
        sim.wires["one"].thaw()
        await sim.reach("Promoted")
        assert sim.shares() == [0, 10, 50, 100]
        assert "one" not in {c.user_agent for c in sim.splits() if c.monotonic > 60}
        assert old.task.done()
        assert old.task.exception() is not None
