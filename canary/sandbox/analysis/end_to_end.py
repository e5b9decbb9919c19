"""Whole rollouts by the decision itself: what the tests promise must be left of it when steps, settle times, windows
and limits have had their say.

Time counts from the first request to the canary, as `canary simulate` has it: the settle time is part of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from canary.api.canary import Canary
from canary.api.meta import ObjectMeta
from canary.api.validation import load_spec
from canary.core.plan import Plan, plan_of
from canary.sandbox.analysis.measure import Kind, Seldom, Shown, Soon, percent
from canary.simulate.campaign import Controller, horizon_of
from canary.simulate.flagger import flagger_of
from canary.simulate.play import Outcome, Played
from canary.simulate.traffic import Needs, Outage, Regression, Stream, Traffic

USUAL = Traffic(errors=0.01)
OUTAGE = Traffic(errors=0.01, drift=0.5, period=3600.0, outage=Outage(120.0, 360.0, 0.1))
SETTLES = 20.0
"""Seconds that whole rollouts may take longer to find something than the test alone: 10 s in which the proxies follow
the first weight, and the rest of the window in which that ends."""


def plan(*weights: int, hold: str, least: str = "90", early: bool = False) -> Plan:
    """Windows of 10 s, a success rate that is compared with stable and must be at `least` so many percent."""
    metric = {"name": "success-rate", "min": least, "compare": "Stable"}
    spec: dict[str, Any] = {
        "targetRef": {"kind": "Deployment", "name": "shop"},
        "service": {"name": "shop", "ports": [{"name": "http", "port": 80}]},
        "steps": [{"weight": weight, "hold": hold} for weight in weights],
        "analysis": {"interval": "10s", "early": early, "metrics": [metric]},
    }
    return plan_of(load_spec(Canary(ObjectMeta(), msgspec.Raw(msgspec.json.encode(spec)))))


@dataclass(frozen=True, slots=True)
class Whole:
    """One thing about a rollout: when it was `promoted`, after how long `rolled back`, how many requests `failed`.

    With `flagger` it is Flagger that drives it, with the rates alone.
    """

    plan: Plan
    traffic: Traffic
    regression: Regression
    of: str
    flagger: bool = False

    def run(self, rng: random.Random) -> float | None:
        rules = flagger_of(self.plan, interval=60.0) if self.flagger else Controller(self.plan)
        phase = rng.random()
        stream = Stream(self.traffic, self.regression, Needs(), rng)
        return self._of(rules.play(stream, horizon=horizon_of(self.plan), phase=phase))

    def _of(self, played: Played) -> float | None:
        if self.of == "failed":
            return played.failed
        if self.of == "promoted":
            return round(played.seconds) if played.outcome is Outcome.PROMOTED else None
        delay = played.delay(self.regression.onset)
        return None if delay is None else round(delay)


def end_to_end() -> Iterator[Kind]:
    """The kinds, by the targets that they belong to."""
    yield from _outage()
    yield from _sudden()
    yield from _steps()


def _outage() -> Iterator[Kind]:
    steps = plan(10, 25, 50, hold="10m", least="95")
    what = "end to end: healthy, steps 10, 25, 50 %, load ± 50 %, 6 min of 10 % failures on both sides: rolled back"
    yield Kind("A2", what, Whole(steps, OUTAGE, Regression(), "rolled back"), Seldom(0.01), 0.4)
    flagger = Whole(steps, OUTAGE, Regression(), "rolled back", flagger=True)
    yield Kind("A2", "the same by Flagger's rules, every minute, success at least 95 %", flagger, Shown(), 0.4)


def _sudden() -> Iterator[Kind]:
    for weight, median, late in ((5, 80, 130), (10, 50, 80), (50, 30, 50)):
        trial = Whole(plan(weight, hold="30m"), USUAL, Regression("bad", errors=0.05), "rolled back")
        what = f"end to end: 1 → 5 %, weight {percent(weight / 100)}"
        yield Kind("A4", what, trial, Soon(median + SETTLES, late + SETTLES), 0.5)


def _steps() -> Iterator[Kind]:
    steps = plan(10, 20, 30, 40, 50, hold="5m", early=True)
    words = "end to end: {}, steps 10, 20, 30, 40, 50 %, ended early: {}"

    def kind(errors: float, of: str, told: str, claim: Any) -> Kind:
        regression = Regression("bad", errors=errors) if errors > 0.01 else Regression()
        what = words.format(f"1 → {percent(errors)}" if errors > 0.01 else "healthy", told)
        return Kind("A8", what, Whole(steps, USUAL, regression, of), claim)

    yield kind(0.01, "rolled back", "rolled back", Seldom(0.005))
    yield kind(0.01, "promoted", "time to promotion", Soon(900))
    yield kind(0.02, "promoted", "promoted", Seldom(0.01))
    yield kind(0.05, "rolled back", "rolled back", Soon(60))
    yield kind(0.05, "failed", "requests that the canary failed", Soon(40, unit="requests"))
