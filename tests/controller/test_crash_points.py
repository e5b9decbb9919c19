"""A process dies around every write of a rollout: whoever goes on reaches the same end and tells the same story."""

from __future__ import annotations

import asyncio

import pytest

ERRORS = {"good": 0, "bad": 20}
WRITES = {("good", "restart"): 18, ("bad", "restart"): 25, ("good", "peer"): 19, ("bad", "peer"): 26}
"""How many writes a rollout makes, Leases left out: each is a point at which to die."""
POINTS = [(release, heir, n) for (release, heir), last in WRITES.items() for n in range(1, last + 1)]
QUICK = {
    "steps": [{"weight": 20, "hold": "5s"}, {"weight": 100, "hold": "5s"}],
    "traffic": {"settle": "1s"},
    "analysis": {"interval": "5s", "warmup": "2s"},
}


class Doom:
    """Kills the process of a wire around one of its writes."""

    def __init__(self, sim, number, moment):
        self.sim, self.number, self.moment = sim, number, moment
        self.writes: list[str] = []
        self.target = None
        self.done = asyncio.Event()
        self.victim = sim.process("one")
        wire = sim.wires["one"]
        wire.before, wire.after = self.before, self.after

    async def before(self, sent):
        if sent.writes and "leases" not in sent.what:
            self.writes.append(sent.what)
            if len(self.writes) == self.number:
                self.target = sent
        if sent is self.target and self.moment == "before":
            await self.strike(answered=False)

    async def after(self, sent):
        if sent is self.target:
            await self.strike(answered=self.moment == "after")

    async def strike(self, *, answered):
        self.victim.kill()
        self.sim.processes.remove(self.victim)
        self.done.set()
        if not answered:
            await asyncio.get_running_loop().create_future()


def ending(sim):
    """What stays when all is done; times, sequence numbers and writers left out."""
    state, status = sim.state(), sim.status()
    return {
        "split": (sim.weights(), state.phase, state.serving, state.promoted, state.rejected, state.failed),
        "shares": sim.shares(),
        "status": (status.phase, status.canary_weight, status.step, status.failed_windows, status.promoted_revision),
        "conditions": sorted((c.type, c.status, c.reason) for c in status.conditions),
        "history": [(h.revision, h.outcome, h.reason) for h in status.history],
        "record": (status.record.serving, status.record.rejected, status.record.seq == state.seq),
        "finalizers": sim.object("canaries")["metadata"]["finalizers"],
        "events": sorted(sim.events()),
    }


async def run(rollout, release, number=0, moment="", heir="restart"):
    async with rollout(errors=ERRORS[release], leader_elect=heir == "peer", **QUICK) as sim:
        doom = Doom(sim, number, moment)
        if heir == "peer":
            await sim.until(lambda: doom.victim.controller.is_leader or doom.done.is_set())
            sim.start("two")
        if number:
            await sim.until(doom.done.is_set)
            if heir == "restart":
                sim.start("two")
        await sim.reach("Promoted", "RolledBack")
        await sim.told(60)
        await sim.sleep(30)
        return ending(sim), doom.writes


_endings: dict[str, object] = {}


async def undisturbed(rollout, release):
    if release not in _endings:
        _endings[release] = (await run(rollout, release))[0]
    return _endings[release]


@pytest.mark.parametrize(("release", "heir"), WRITES)
async def test_every_write_of_a_rollout_is_a_point_at_which_to_die(rollout, release, heir):
    _, writes = await run(rollout, release, heir=heir)
    assert len(writes) == WRITES[release, heir], "\n".join(writes)


@pytest.mark.parametrize("moment", ["before", "after", "unanswered"])
@pytest.mark.parametrize(("release", "heir", "number"), POINTS)
async def test_a_rollout_ends_the_same_whenever_its_process_dies(rollout, release, number, moment, heir):
    assert (await run(rollout, release, number, moment, heir))[0] == await undisturbed(rollout, release)
