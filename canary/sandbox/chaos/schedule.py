"""What will happen in a run, drawn from its seed.

Which kinds of trouble there are is drawn as well: with everything in every run, the frequent would hide the rare.
Source: Groce et al., "Swarm Testing", ISSTA 2012.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from canary.sandbox.apiserver import faults
from canary.sandbox.apiserver.faults import Answer, Effect, Hang
from canary.sandbox.chaos.deeds import ALL_DEEDS, DEEDS, MANAGED_DEEDS, Deed

EFFECTS: tuple[Effect, ...] = (
    Answer(409), Answer(500), Answer(504), Answer(429, retry_after=2), Answer(429), Answer(429, retry_after="soon"),
    Answer(503), Answer(401), faults.Refuse(), faults.Drop(), faults.LoseAnswer(), Hang(), Hang(executed=True),
    faults.Delay(before=3), faults.Delay(after=4), faults.Delay(before=0.2, after=0.2), faults.Stale(5),
    faults.Stale(30), faults.Cut(seconds=20), faults.Cut(lines=2, torn=True), faults.Silence(3), faults.Expire(2),
    faults.Duplicate(), faults.Raw(200, b"<html>"), faults.Raw(200, b'{"kind": "'),
)  # fmt: skip
RATES = (0.01, 0.05, 0.15, 0.3)
LATENCIES = (0.0, 0.0, 0.02, 0.5)
LAGS = (0.0, 0.0, 2.0, 15.0)
MANAGED = 0.4
"""The share of runs in managed mode."""
CALM = 0.2
"""The share of runs in which nobody does anything: faults alone, then rest."""
FEW_EFFECTS = 5
FEWEST_DEEDS = 3


@dataclass(frozen=True, slots=True)
class Action:
    """Something that happens at a moment (seconds from the start); `dice` is the seed of the choices it makes."""

    at: float
    name: str
    dice: int

    def __str__(self) -> str:
        return f"{self.at:7.2f} s  {self.name}"


@dataclass(frozen=True, slots=True)
class Met:
    """A fault that requests of controllers meet, each with probability `rate`."""

    effect: Effect
    rate: float

    def __str__(self) -> str:
        return f"{self.effect} at {self.rate:g}"


@dataclass(frozen=True, slots=True)
class Schedule:
    """One run, whole.

    `errors` is the new release's percentage; `latency` the mean seconds of each way of a request; `lag` how many
    seconds a front end of the API server is behind at most; `skewed` whether the clocks of processes differ in rate
    and in what they take the time for; `managed` whether there is one Deployment, of which a copy is made.
    """

    seed: int
    errors: float
    leader_elect: bool
    processes: int
    skewed: bool
    latency: float
    lag: float
    effects: tuple[Met, ...]
    seconds: float
    actions: tuple[Action, ...]
    managed: bool = False

    @property
    def undisturbed(self) -> bool:
        """Nothing but processes, the API and the metrics source fails: the rollout must end as if nothing had."""
        return all(ALL_DEEDS[action.name].harmless for action in self.actions)

    @property
    def stale(self) -> bool:
        """Lists may show the past, or a watch say nothing of what came since: who sees no endpoints there takes the
        traffic away, which is right."""
        return any(isinstance(met.effect, (faults.Stale, faults.Silence)) for met in self.effects)

    def __str__(self) -> str:
        election = "on" if self.leader_elect else "off"
        lines = [
            f"{self.processes} processes, leader election {election}, clocks {'skewed' if self.skewed else 'alike'}, "
            f"latency {self.latency:g} s, lag {self.lag:g} s, {self.errors:g} % errors"
            f"{', managed' if self.managed else ''}",
            *(f"{'always':>9}  {met}" for met in self.effects),
            *map(str, self.actions),
        ]
        return "\n".join(lines)


def schedule_of(seed: int) -> Schedule:
    """Draws a run. The same seed gives the same one, in every version that has the same tables."""
    rng = random.Random(seed)
    # Drawn apart, so that the seeds of the other mode stay the runs that they are.
    managed = random.Random(seed ^ 0xDE9107).random() < MANAGED
    seconds = float(rng.choice((60, 100, 100, 150, 250)))
    calm = rng.random() < CALM
    return Schedule(
        seed=seed,
        errors=float(rng.choice((0, 0, 20, 60))),
        leader_elect=rng.random() < 0.4,
        processes=rng.choice((1, 2, 2, 3)),
        skewed=rng.random() < 0.3,
        latency=rng.choice(LATENCIES),
        lag=rng.choice(LAGS),
        effects=tuple(Met(effect, rng.choice(RATES)) for effect in rng.sample(EFFECTS, k=rng.randint(0, FEW_EFFECTS))),
        seconds=seconds,
        actions=() if calm else tuple(_actions(rng, seconds, MANAGED_DEEDS if managed else DEEDS)),
        managed=managed,
    )


def _actions(rng: random.Random, seconds: float, deeds: Mapping[str, Deed]) -> Iterator[Action]:
    names = rng.sample(sorted(deeds), k=rng.randint(FEWEST_DEEDS, len(deeds)))
    if rng.random() < 0.3:
        names = [name for name in names if deeds[name].harmless] or ["kill"]
    weights = [deeds[name].weight for name in names]
    at = rng.uniform(0, 10)
    while at < seconds:
        yield Action(at, rng.choices(names, weights)[0], rng.getrandbits(32))
        at += rng.uniform(2, 20)
