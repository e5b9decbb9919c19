"""The managed-mode act: played in virtual time with the real controller, and what is made of scripted requests."""

from __future__ import annotations

import random
from typing import Any

import pytest

from canary.sandbox.app import App, Release
from canary.sandbox.demo.lines import Lines
from canary.sandbox.demo.managed import ACTS, BAD, GOOD, LEAVING, ONBOARDING
from canary.sandbox.demo.managed_play import ManagedPlay, Played, outcome, tallied
from canary.sandbox.demo.managed_report import managed_problem, managed_report
from canary.sandbox.load import Load, Outcome, Tally
from canary.sandbox.simulation import Simulation
from canary.sandbox.virtual_time import run_virtual


class Busy(App):
    """The application of the act with the traffic of a modelled mesh."""

    def root(self, selected: Release | None = None, *, rate: float = 0.0) -> dict[str, Any]:
        return App.root(self, selected, rate=120.0)


def played(**overrides: Any) -> Played:
    values = {
        "act": BAD,
        "seconds": 4.2,
        "requests": {"2": Tally(400), "3": Tally(80, 20)},
        "after": {"2": Tally(60)},
        "reason": "CheckFailed",
        "note": "success-rate 80% is below 99%",
    }
    return Played(**(values | overrides))


@pytest.fixture(scope="module")
def whole() -> tuple[ManagedPlay, list[str]]:
    """The act after its end, and its log. What a rollout must never do is judged by the tests of the controller."""
    written: list[str] = []

    async def main() -> ManagedPlay:
        sim = Simulation(random.Random(1), app=Busy(namespace="web"))
        await sim.__aenter__()
        play = ManagedPlay(sim.cluster, Load(sim.clock, sim.rng, rate=0), Lines(written.append), app=sim.app)
        try:
            await play.prepare()
            sim.start("one")
            await play.perform()
        finally:
            await sim.__aexit__(StopAsyncIteration)
        return play

    return run_virtual(main()), written


def test_all_four_acts_end_as_they_must(whole):
    play, _ = whole
    assert [one.act for one in play.played] == list(ACTS)
    assert managed_problem(play.played) == ""


def test_the_bad_image_is_rolled_back_for_its_errors(whole):
    play, _ = whole
    assert (play.played[2].reason, "success-rate" in play.played[2].note) == ("CheckFailed", True)


def test_the_log_tells_of_both_sides_by_their_services(whole):
    _, written = whole
    assert any("weight   podinfo-canary 20%  podinfo-stable 80%  (step 1 of 2)" in line for line in written)
    assert any("event    Promoted:" in line for line in written)
    assert any("demo     canary is deleted: it must leave the Deployment serving v2" in line for line in written)


def test_errors_of_the_release_under_trial_are_failed_and_not_lost():
    assert (played().failed, played().lost, played().right) == (20, 0, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"requests": {"": Tally(0, 1), "3": Tally(80, 20)}},
        {"requests": {"2": Tally(400, 1)}},
        {"after": {"2": Tally(60), "3": Tally(1)}},
        {"reason": "Aborted"},
        {"act": GOOD, "requests": {"2": Tally(400, 1)}},
        {"act": ONBOARDING, "after": {"2": Tally(60)}},
        {"act": LEAVING, "after": {"3": Tally(60)}},
    ],
    ids=str,
)
def test_a_lost_request_or_another_version_afterwards_is_not_right(changed):
    assert not played(**changed).right


def test_what_went_wrong_is_named():
    problem = managed_problem([played(requests={"2": Tally(400, 3)}, after={"3": Tally(5)})])
    assert "image v3 fails 20% of its requests: must be rolled back, but rolled back in 4.2s" in problem
    assert "3 of 403 requests lost, afterwards v3 answers (success-rate 80% is below 99%)" in problem
    assert "3 of 4 acts were not played" in problem


def test_the_report_has_a_row_for_each_act():
    rows = [" ".join(line.plain.split()) for line in managed_report([played(), played(act=LEAVING)])]
    assert "image v3 fails 20% of its requests 4.2s 500 20 0 v2" in rows
    assert any(row.startswith("canary is deleted 4.2s") for row in rows)


def test_requests_are_tallied_by_the_version_that_answered():
    outcomes = [Outcome(1.0, "1", 200, 0.1), Outcome(1.1, "1", 500, 0.1), Outcome(1.2, "", 0, 0.1)]
    assert tallied(outcomes) == {"": Tally(0, 1), "1": Tally(1, 1)}


def test_an_ending_says_how_long_and_how_many():
    assert outcome(played()) == "rolled back in 4.2s, 0 of 500 requests lost"
