"""Many rollouts of each kind, by the decision and by what it is compared with. The same seeds, the same ends."""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor
from typing import Protocol

import msgspec

from canary.core.plan import Plan
from canary.metrics.groups import MAX_JITTER
from canary.simulate.argo import argo_of
from canary.simulate.flagger import flagger_of
from canary.simulate.ledger import Source
from canary.simulate.play import Outcome, Played, play
from canary.simulate.scenario import Scenario
from canary.simulate.traffic import Needs, Regression, Stream, Traffic, needs_of

CHUNK = 100
_GRAINS = 1024
"""Of a second: sums of such times are exact, so that a window that begins as the settle time ends is not before it."""


class Rules(Protocol):
    """What drives a rollout."""

    @property
    def words(self) -> str: ...

    def play(self, source: Source, *, horizon: float, phase: float) -> Played: ...


@dataclass(frozen=True, slots=True)
class Controller:
    """This controller: `canary.core.decide` itself."""

    plan: Plan
    words: str = "the controller's own decision"

    def play(self, source: Source, *, horizon: float, phase: float = 0.0) -> Played:
        """`phase`, 0.0 to 1.0, is by how much the first question to the metrics source is late."""
        delay = floor(phase * min(MAX_JITTER, self.plan.interval / 4) * _GRAINS) / _GRAINS
        return play(self.plan, source, horizon=horizon, delay=delay)


@dataclass(frozen=True, slots=True)
class Player:
    name: str
    rules: Rules


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of rollout: who drives it, on what traffic, with what wrong."""

    player: Player
    traffic: Traffic
    regression: Regression
    needs: Needs
    horizon: float
    seed: int

    def rollout(self, number: int) -> Ended:
        """The rollout with this number; who drives it has no part in the randomness that it gets."""
        rng = random.Random(f"{self.seed}/{self.regression.name}/{number}")
        phase = rng.random()
        stream = Stream(self.traffic, self.regression, self.needs, rng)
        played = self.player.rules.play(stream, horizon=self.horizon, phase=phase)
        delay = None if self.regression.healthy else played.delay(stream.onset or 0.0)
        return Ended(number, delay, played)


@dataclass(frozen=True, slots=True)
class Ended:
    """A rollout and, where the regression that it had was what ended it, in how many seconds."""

    number: int
    delay: float | None
    played: Played

    @property
    def rolled_back(self) -> bool:
        return self.played.outcome is Outcome.ROLLED_BACK


PEERS = ("flagger", "argo")


def players_of(plan: Plan, compared: Sequence[str] = ()) -> tuple[Player, ...]:
    """The decision, and each of `compared`, which are among `PEERS`.

    There is one kind of caller: a metric of one of them is judged by the requests of all.
    Flagger keeps a weight for one interval and looks once in it, so it gets the plan twice: with the plan's pace, and
    with its window as interval.
    """
    limits = tuple(msgspec.structs.replace(limit, peer=None) for limit in plan.limits)
    plan = msgspec.structs.replace(plan, limits=limits)
    found = [Player("canary", Controller(plan))]
    if "flagger" in compared:
        paced, quick = flagger_of(plan), flagger_of(plan, interval=plan.interval)
        found.append(Player("Flagger", paced))
        if quick != paced:
            found.append(Player("Flagger, quick", quick))
    if "argo" in compared:
        found.append(Player("Argo Rollouts", argo_of(plan)))
    return tuple(found)


def cases_of(plan: Plan, scenario: Scenario, players: Sequence[Player], *, seed: int, horizon: float) -> list[Case]:
    needs = needs_of(plan)
    return [
        Case(player, scenario.traffic, regression, needs, horizon, seed)
        for player in players
        for regression in scenario.regressions
    ]


def horizon_of(plan: Plan) -> float:
    """Seconds after which an unfinished rollout is given up: four times what the plan takes at the least, and an hour.

    A rollout that waits for a policy's time, such as that of noData, has it.
    """
    holds = sum(max(stage.hold, 2.0 * plan.interval) + plan.settle for stage in plan.stages)
    return 3600.0 + 4.0 * (plan.warmup + holds) + plan.no_data_timeout


def campaign(cases: Sequence[Case], rollouts: int, jobs: int = 1) -> Iterator[tuple[Case, list[Ended]]]:
    """Each case with its rollouts, in the order of their numbers, however many processes play them."""
    chunks = [range(first, min(first + CHUNK, rollouts)) for first in range(0, rollouts, CHUNK)]
    if jobs == 1:
        yield from ((case, [ended for chunk in chunks for ended in _some(case, chunk)]) for case in cases)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        asked = [(case, pool.starmap_async(_some, [(case, chunk) for chunk in chunks])) for case in cases]
        for case, parts in asked:
            yield case, [ended for part in parts.get() for ended in part]


def _some(case: Case, numbers: range) -> list[Ended]:
    return [case.rollout(number) for number in numbers]
