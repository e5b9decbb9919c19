"""The commands against the real controller: what it answers is what people were told would happen."""

from __future__ import annotations

import asyncio
import io
import logging
import random

import pytest
import structlog

from canary.cli.exits import Exit, Failure
from canary.cli.give import Manner, abort_rollout, command
from canary.cli.goal import Wait, parse_goal
from canary.cli.session import Session
from canary.cli.terminal import Terminal
from canary.cli.wait import wait
from canary.core.commands import Verb
from canary.kube.client import Client
from canary.sandbox.apiserver.direct import DirectTransport
from canary.sandbox.app import Release
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual

STEPS = [
    {"weight": 10, "hold": "60s"},
    {"approval": "prod"},
    {"weight": 50, "hold": "60s"},
    {"weight": 100, "hold": "30s"},
]
GIVE = Manner(wait=30.0)


@pytest.fixture(autouse=True)
def quiet():
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


class Person:
    """Somebody at a terminal, beside a simulated rollout."""

    def __init__(self, sim: Simulation) -> None:
        clock, rng = sim.clock, random.Random(1)
        client = Client(
            DirectTransport(sim.cluster.server, user_agent="canary-cli"),
            clock=clock,
            rng=rng,
            field_manager="canary-cli",
        )
        self.out = io.StringIO()
        self.session = Session(client, sim.app.namespace, clock, rng, Terminal(self.out, io.StringIO()))
        self._name = sim.app.name

    async def give(self, verb: Verb, argument: str = "") -> int:
        return await self._code(command(self.session, self._name, verb, GIVE, argument))

    async def abort(self) -> int:
        return await self._code(abort_rollout(self.session, self._name, GIVE))

    async def wait(self, goal: str, seconds: float = 900.0, **options: object) -> int:
        return await self._code(wait(self.session, self._name, Wait(parse_goal(goal), **options), seconds))

    async def _code(self, action) -> int:
        try:
            return int(await action)
        except Failure as failure:
            print(failure, file=self.out)
            return int(failure.code)


def rollout(test, *, errors: float = 0.0, **spec):
    """Runs `test(sim, person)` beside a rollout with the steps above."""

    async def main():
        async with Simulation(random.Random(0)) as sim:
            await sim.start_app(Release("1"), Release("2", errors=errors))
            await sim.apply(sim.canary("1", "2", **{"steps": STEPS, **spec}))
            sim.start()
            return await test(sim, Person(sim))

    return run_virtual(main())


def test_a_rollout_is_approved_and_waited_for():
    async def test(sim, person):
        assert await person.wait("weight>=10") == Exit.REACHED
        assert await person.wait("paused") == Exit.REACHED
        assert await person.wait("promoted", fail_on_paused=True) == Exit.SUSPENDED
        assert await person.give(Verb.RESUME) == Exit.ERROR
        assert await person.give(Verb.APPROVE, "prod") == Exit.REACHED
        assert await person.wait("promoted") == Exit.REACHED
        assert await person.wait("ready") == Exit.REACHED
        return sim.phase()

    assert rollout(test) == "Promoted"


def test_a_rollout_is_paused_and_resumed():
    async def test(sim, person):
        await person.wait("weight>=10")
        assert await person.give(Verb.PAUSE) == Exit.REACHED
        assert await person.give(Verb.PAUSE) == Exit.REACHED
        assert "is already paused at 10%" in person.out.getvalue()
        assert await person.wait("weight>=50", 300.0) == Exit.TIMEOUT
        assert await person.give(Verb.RESUME) == Exit.REACHED
        return await person.wait("paused")

    assert rollout(test) == Exit.REACHED


def test_a_promotion_by_hand_goes_past_the_approval():
    async def test(sim, person):
        await person.wait("weight>=10")
        assert await person.give(Verb.PROMOTE) == Exit.REACHED
        assert sim.status().canary_weight == 50
        assert await person.give(Verb.PROMOTE_FULL) == Exit.REACHED
        return await person.wait("promoted")

    assert rollout(test) == Exit.REACHED


def test_an_aborted_rollout_is_tried_again():
    async def test(sim, person):
        await person.wait("weight>=10")
        assert await person.abort() == Exit.REACHED
        assert await person.wait("promoted") == Exit.FAILED
        assert await person.wait("rolled-back") == Exit.REACHED
        assert await person.give(Verb.PAUSE) == Exit.ERROR
        assert await person.give(Verb.RETRY) == Exit.REACHED
        return await person.wait("weight>=10")

    assert rollout(test) == Exit.REACHED


def test_a_bad_release_ends_the_waiting_with_code_2():
    async def test(sim, person):
        return await person.wait("promoted"), person.out.getvalue()

    code, said = rollout(test, errors=20.0)
    assert code == Exit.FAILED
    assert "rolled back" in said


def test_a_release_is_waited_for_by_its_revision():
    async def test(sim, person):
        waiting = asyncio.create_task(person.wait("promoted", revision="v2"))
        await sim.until(lambda: sim.status().phase == "Progressing")
        await sim.until(lambda: (sim.status().canary_weight or 0) > 0)
        await person.give(Verb.PROMOTE_FULL)
        return await waiting

    assert rollout(test, revision="v2") == Exit.REACHED
