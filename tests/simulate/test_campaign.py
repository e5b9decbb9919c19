"""Many rollouts: the same seeds give the same ends, and what they came to is told as it is."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from canary.core.plan import Limit, Stage
from canary.core.window import Peer
from canary.simulate.campaign import Case, Ended, Player, campaign, cases_of, horizon_of, players_of
from canary.simulate.play import Move, Outcome, Played
from canary.simulate.scenario import parse_scenario
from canary.simulate.tally import tally
from canary.simulate.traffic import Needs, Regression, Traffic
from tests.simulate.rollouts import make_plan

PLAN = make_plan((Stage(10, hold=60.0), Stage(50, hold=60.0)), limits=(Limit("success-rate", 98.0),))
SCRIPT = """
import hashlib
from tests.simulate.test_campaign import figures
print(hashlib.sha256(figures(1).encode()).hexdigest())
"""


def figures(jobs: int, seed: int = 1) -> str:
    scenario = parse_scenario({"errors": "1%", "drift": "20%", "regression": ["5x"]})
    players = players_of(PLAN, ("flagger", "argo"))
    cases = cases_of(PLAN, scenario, players, seed=seed, horizon=horizon_of(PLAN))
    return repr([(case.player.name, ended) for case, ended in campaign(cases, 12, jobs)])


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_the_figures_do_not_depend_on_the_process(hash_seed: str) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, check=True, capture_output=True, text=True)
    assert run.stdout.strip() == hashlib.sha256(figures(1).encode()).hexdigest()


def test_the_figures_do_not_depend_on_how_many_play() -> None:
    assert figures(2) == figures(1)


def test_another_seed_is_other_traffic() -> None:
    assert figures(1, seed=2) != figures(1)


def test_flagger_gets_the_plan_at_its_pace_and_at_its_window() -> None:
    found = players_of(PLAN, ("flagger", "argo"))
    assert [player.name for player in found] == ["canary", "Flagger", "Flagger, quick", "Argo Rollouts"]
    same = make_plan((Stage(10, hold=10.0),))
    assert [player.name for player in players_of(same, ("flagger",))] == ["canary", "Flagger"]


def test_a_plan_has_time_to_end() -> None:
    cases = cases_of(PLAN, parse_scenario({}), players_of(PLAN), seed=1, horizon=horizon_of(PLAN))
    ends = [ended.played.outcome for _, found in campaign(cases, 5) for ended in found]
    assert Outcome.UNFINISHED not in ends


def test_a_metric_of_one_caller_is_judged_by_the_requests_of_all() -> None:
    plan = make_plan(limits=(Limit("success-rate", 98.0, peer=Peer("Deployment", "web")),))
    cases = cases_of(plan, parse_scenario({"regression": "20%"}), players_of(plan), seed=1, horizon=horizon_of(plan))
    ends = {case.regression.name: {ended.played.outcome for ended in found} for case, found in campaign(cases, 3)}
    assert ends == {"healthy": {Outcome.PROMOTED}, "20% errors": {Outcome.ROLLED_BACK}}


def make_case(regression: Regression) -> Case:
    return Case(Player("canary", players_of(PLAN)[0].rules), Traffic(), regression, Needs(), 3600.0, 1)


def make_ended(number: int, outcome: Outcome, seconds: float, delay: float | None = None, failed: float = 0.0) -> Ended:
    moves = (Move(10.0, 5, "WeightAdvanced", ""), Move(seconds, 0, outcome.value, "why"))
    return Ended(number, delay, Played(outcome, outcome.value, "why", seconds, moves, 100.0, failed))


def test_every_rollback_of_a_healthy_release_is_false() -> None:
    found = tally(
        make_case(Regression()),
        [make_ended(0, Outcome.PROMOTED, 300.0), make_ended(1, Outcome.ROLLED_BACK, 60.0)],
    )
    assert (found.counted, found.share, found.healthy) == (1, 0.5, True)
    assert found.delays == ()
    assert found.promotions == (300.0,)


def test_a_rollback_before_the_onset_detects_nothing() -> None:
    ended = [
        make_ended(0, Outcome.ROLLED_BACK, 90.0, 30.0, 5.0),
        make_ended(1, Outcome.ROLLED_BACK, 20.0, None, 1.0),
        make_ended(2, Outcome.UNFINISHED, 3600.0, None, 9.0),
        make_ended(3, Outcome.ROLLED_BACK, 70.0, 10.0, 3.0),
    ]
    found = tally(make_case(Regression("bad", errors=0.5)), ended)
    assert (found.counted, found.rolled_back, found.ends) == (2, 3, {"RolledBack": 3, "Unfinished": 1})
    assert (found.delays, found.failed) == ((10.0, 30.0), (1.0, 3.0, 5.0, 9.0))
    assert found.reasons == {"Unfinished": 1}
    assert found.interval.low < 0.5 < found.interval.high


def test_the_typical_rollout_is_the_middle_one_of_the_most() -> None:
    seconds = {0: 500.0, 1: 300.0, 2: 400.0}
    ended = [make_ended(number, Outcome.PROMOTED, at) for number, at in seconds.items()]
    found = tally(make_case(Regression()), [*ended, make_ended(3, Outcome.ROLLED_BACK, 40.0)])
    assert found.typical[-1].at == 400.0
