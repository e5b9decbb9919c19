"""The whole play in virtual time: embedded cluster, modelled mesh, real controller; the oracle judges every write."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from canary.core.phases import Phase
from canary.sandbox.app import App, Release
from canary.sandbox.demo.lines import Lines
from canary.sandbox.demo.play import Play, TooLong
from canary.sandbox.demo.report import problem
from canary.sandbox.demo.scenario import SCENES, Scene
from canary.sandbox.demo.view import Moment, View
from canary.sandbox.load import Load
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual

RATE = 120.0


class Busy(App):
    """The application of the demo with the traffic of a modelled mesh."""

    def root(self, selected: Release | None = None, *, rate: float = 0.0) -> dict[str, Any]:
        return App.root(self, selected, rate=RATE)


class Watcher:
    """A view that keeps every moment."""

    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def tell(self, elapsed: float, words: str) -> None: ...

    def changed(self, moment: Moment) -> None:
        self.moments.append(moment)

    def tick(self, moment: Moment) -> None: ...

    def close(self) -> None: ...


def played(view: View, *scenes: Scene, controllers: int = 1) -> Play:
    """The play after the given scenes."""

    async def main() -> Play:
        async with Simulation(random.Random(1), app=Busy()) as sim:
            load = Load(sim.clock, sim.rng, rate=0)
            play = Play(sim.cluster, load, view, sim.app)
            await play.prepare()
            for number in range(controllers):
                sim.start(f"controller-{number}")
            try:
                await play.perform(scenes)
            finally:
                play.tell("the end")
            return play

    return run_virtual(main())


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """The log of a whole demo."""
    written: list[str] = []
    played(Lines(written.append), *SCENES)
    return written


def test_all_three_releases_end_as_they_must_and_for_the_right_reason():
    play = played(Watcher(), *SCENES)
    assert [result.phase for result in play.results] == [Phase.PROMOTED, Phase.ROLLED_BACK, Phase.ROLLED_BACK]
    assert problem(play.results, len(SCENES)) == ""


def test_rollbacks_are_measured_from_the_first_breach_and_from_the_deciding_answer():
    good, broken, slow = played(Watcher(), *SCENES).results
    assert good.rescue is None
    assert good.peak == 100
    assert broken.rescue is not None
    assert slow.rescue is not None
    # The broken release is beyond rollbackAt; the slow one needs two breached windows of a second.
    assert 0 <= broken.rescue.first_breach < 1
    assert 0.9 < slow.rescue.first_breach < 2
    assert 0 <= slow.rescue.decided < 1
    assert broken.peak == slow.peak == 25


def test_the_log_has_a_line_for_every_weight_verdict_and_event(lines):
    assert any("weight   podinfo-v2 25%  podinfo-v1 75%  (step 1 of 3)" in line for line in lines)
    assert any("weight   podinfo-v2 100%  podinfo-v1 0%  (step 3 of 3)" in line for line in lines)
    assert any("verdict  Breach success-rate: canary 80%" in line for line in lines)
    assert any("verdict  Breach latency: canary" in line for line in lines)
    assert sum("event    Promoted:" in line for line in lines) == 1
    assert sum("event    RolledBack:" in line for line in lines) == 2


def test_the_log_is_in_order_of_time(lines):
    times = [float(line.split("s", 1)[0]) for line in lines]
    assert times == sorted(times)


def test_a_rollout_that_ends_otherwise_is_the_last_one_and_is_named():
    hopeful = Scene(SCENES[1].release, SCENES[0].stable, "is believed to be good")
    play = played(Watcher(), hopeful, SCENES[2])
    assert len(play.results) == 1
    assert "v3 must be promoted, but rolled back (success-rate" in problem(play.results, 2)
    assert "1 of 2 rollouts were not played" in problem(play.results, 2)


def test_a_rollback_for_another_reason_than_the_one_staged_is_not_right():
    mistaken = Scene(SCENES[1].release, SCENES[0].stable, "is believed to be slow", because="latency")
    play = played(Watcher(), mistaken)
    assert "v3 must be rolled back for its latency, but rolled back (success-rate" in problem(play.results, 1)


def test_a_rollout_that_never_ends_says_where_it_stands():
    with pytest.raises(TooLong, match="v2 did not end within 1m; it is nothing at 0%: no status"):
        played(Watcher(), SCENES[0], controllers=0)


def test_the_play_can_be_cancelled():
    async def main() -> None:
        async with Simulation(random.Random(1), app=Busy()) as sim:
            play = Play(sim.cluster, Load(sim.clock, sim.rng, rate=0), Watcher(), sim.app)
            await play.prepare()
            task = asyncio.create_task(play.perform())
            await sim.clock.sleep(3.0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run_virtual(main())
