"""Where searches begin and how far they go."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from canary.api.names import API_VERSION, FINALIZER, KIND
from canary.core.state import State
from canary.sandbox.search.events import FAILS, Event, events, looked
from canary.sandbox.search.explore import Found, Goal, Start, judged, search
from canary.sandbox.search.judge import new_oracle
from canary.sandbox.search.machine import Machine
from canary.sandbox.search.server import (
    CANARY_UID,
    NAME,
    NAMESPACE,
    ROOT,
    STABLE,
    TRIAL,
    Written,
    slices,
    state_of,
)
from canary.sandbox.search.values import TICK, Process, World

LONGEST_START = 20
"""Windows within which a start must be reached."""
TWO_STEPS = ((10, 10), (50, 10))
"""Weights and the seconds for which they are held; 100 is appended, and promoted after one more window."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a search goes.

    `steps` are (weight, hold in seconds). `windows` is how much time passes after the start, `moves` are the words of
    what may happen, if `ordered` in this order, and `most` how many of them; `crashes`, `refusals`, `losses` and
    `stops` are those of a `World`.

    The start is the first world of a run by one process alone, without faults, in which the state is as `since` says
    and, if `told`, the status too; `refused`: no status was ever written. After the moves `given` it goes on in the
    same way to `then`. The others have only just come, or come after the first event (`late`). `sought` are the
    invariants of interest, all if there are none.
    """

    steps: tuple[tuple[int, int], ...] = TWO_STEPS
    windows: int = 3
    processes: int = 2
    crashes: int = 0
    refusals: int = 0
    losses: int = 0
    stops: int = 1
    moves: tuple[str, ...] = ()
    most: int = 2
    ordered: bool = False
    traffic: str = "Good"
    since: Callable[[State | None], bool] = lambda state: state is not None and state.weight > 0
    told: bool = True
    refused: bool = False
    late: bool = False
    given: tuple[str, ...] = ()
    then: Callable[[State | None], bool] | None = None
    sought: frozenset[str] = frozenset()
    deepest: int = 1000
    states: int = 1_000_000


def explore(bounds: Bounds, goal: Goal | None = None) -> Found:
    """Search within `bounds`."""
    start = begun(bounds)
    until = start.world.clock + bounds.windows
    return search(start, until=until, deepest=bounds.deepest, most=bounds.states, sought=bounds.sought, goal=goal)


def begun(bounds: Bounds) -> Start:
    """The start of a search: one process has led the rollout here, the others have only just come."""
    start = alone(first(bounds), bounds)
    if bounds.given and bounds.then is not None:
        start = alone(moved(start, bounds.given), dataclasses.replace(bounds, since=bounds.then))
    clock, machine = start.world.clock, Machine()
    names = "ABC"[1 : bounds.processes]
    others = tuple(Process(name, 1, machine.newborn(clock)) for name in names)
    world = replace(
        start.world, processes=(*start.world.processes, *others), moves=bounds.moves, left=bounds.most,
        ordered=bounds.ordered, crashes=bounds.crashes, refusals=bounds.refusals, losses=bounds.losses,
        stops=bounds.stops,
    )  # fmt: skip
    return Start(world if bounds.late else looked(machine, world), start.oracle)


def moved(start: Start, moves: tuple[str, ...]) -> Start:
    """The start after these moves."""
    machine, world, oracle = Machine(), start.world, start.oracle
    for words in moves:
        possible = replace(world, moves=(words,), left=1)
        event = next(event for event in events(machine, possible, world.clock) if event.words == words)
        world, oracle, _ = judged(machine, world, oracle, event)
    return Start(world, oracle)


def first(bounds: Bounds) -> Start:
    """A Canary that nobody has looked at, and one process."""
    canary = manifest(bounds.steps)
    faults = LONGEST_START if bounds.refused else 0
    process = Process("A", 1, Machine().newborn(0))
    world = World(0, msgspec.json.encode(canary), (process,), traffic=bounds.traffic, refusals=faults, stops=faults)
    oracle = new_oracle()
    items = msgspec.json.decode(slices(1))["items"]
    oracle.feed([Written(0.0, "endpointslices", None, piece, name=piece["metadata"]["name"]) for piece in items])
    oracle.feed([Written(0.0, "canaries", None, canary)])
    return Start(world, oracle)


def alone(start: Start, bounds: Bounds) -> Start:
    """One process without any fault, until the state is as the bounds say and it has nothing more to do."""
    machine, world, oracle = Machine(), start.world, start.oracle
    said = ""
    while True:
        event = _next(list(events(machine, world, world.clock + 1)), said)
        calls, said = event.world.clock == world.clock, event.words
        if bounds.since(state_of(world.split)) and not (bounds.told and calls):
            return Start(replace(world, refusals=0, stops=0, left=0), oracle)
        assert world.clock < LONGEST_START, "the start is not reached"
        world, oracle, violations = judged(machine, world, oracle, event)
        assert not violations, violations


def _next(turns: list[Event], before: str) -> Event:
    """The first event; where a write of the status may fail, its failure, and after that a window."""
    fails = [turn for turn in turns if turn.words.startswith(FAILS) and "status" in turn.words]
    if not fails:
        return turns[0]
    return turns[-1] if before.startswith(FAILS) else fails[0]


def manifest(steps: tuple[tuple[int, int], ...]) -> dict[str, Any]:
    """The Canary of every search: one metric, one breach is enough, no time to settle or to warm up."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": NAME,
            "namespace": NAMESPACE,
            "uid": CANARY_UID,
            "resourceVersion": "1",
            "generation": 1,
            "finalizers": [FINALIZER],
        },
        "spec": {
            "backends": {"stable": STABLE, "canary": TRIAL},
            "service": {"name": ROOT},
            "traffic": {"settle": "0s"},
            "steps": [{"weight": weight, "hold": f"{hold}s"} for weight, hold in steps],
            "analysis": {
                "interval": f"{TICK:g}s",
                "warmup": "0s",
                "failureLimit": 1,
                "metrics": [{"name": "success-rate", "min": "99"}],
            },
        },
    }
