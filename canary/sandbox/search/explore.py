"""Breadth-first search over all orders of events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace

from canary.sandbox.oracle import Oracle, Violation
from canary.sandbox.search.events import Event, events, looked
from canary.sandbox.search.judge import heard, learn
from canary.sandbox.search.machine import Machine
from canary.sandbox.search.values import World

Goal = Callable[[World], bool]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a search begins: a world, and the oracle that has heard how it came about."""

    world: World
    oracle: Oracle


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    `trace` is the shortest list of events to the violations; empty without any. `states` are the worlds that were
    reached, `transitions` the events that were tried, `depth` is the length of the longest shortest list. `whole` says
    that nothing was left out, `reached` that the goal was reached in so many events (`None`: it cannot be).
    """

    violations: tuple[Violation, ...]
    trace: tuple[str, ...]
    states: int
    transitions: int
    depth: int
    whole: bool
    reached: int | None = None

    @property
    def invariants(self) -> frozenset[str]:
        return frozenset(violation.invariant for violation in self.violations)

    def __str__(self) -> str:
        size = f"{self.states} states, {self.transitions} transitions, depth {self.depth}"
        if not self.violations:
            return f"no violation in {size}{'' if self.whole else ' (not all that can be reached)'}"
        events_ = [f"{number:3}. {words}" for number, words in enumerate(self.trace, 1)]
        return "\n".join([*map(str, self.violations), *events_, size])


class _Worlds:
    """The worlds that were reached, and how."""

    def __init__(self, first: World) -> None:
        self.way: dict[World, tuple[World | None, str]] = {first: (None, "")}

    def trace(self, world: World, *more: str) -> tuple[str, ...]:
        words = list(more)
        before, said = self.way[world]
        while before is not None:
            words.insert(0, said)
            before, said = self.way[before]
        return tuple(words)


def search(
    start: Start,
    *,
    until: int,
    deepest: int = 1000,
    most: int = 1_000_000,
    sought: frozenset[str] = frozenset(),
    goal: Goal | None = None,
) -> Found:
    """The shortest list of events after which an invariant is broken, one of `sought` if there are any.

    Time goes on to step `until`; at most `deepest` events follow each other and `most` worlds are looked at.
    """
    machine, worlds = Machine(), _Worlds(start.world)
    queue = deque([(start.world, start.oracle, 0)])
    transitions, depth, whole, reached = 0, 0, True, None
    while queue:
        world, oracle, depth = queue.popleft()
        if reached is None and goal is not None and goal(world):
            reached = depth
        if depth >= deepest or len(worlds.way) >= most:
            whole = False
            continue
        for event in events(machine, world, until):
            transitions += 1
            after, judge, violations = judged(machine, world, oracle, event)
            if any(violation.invariant in (sought or {violation.invariant}) for violation in violations):
                trace = worlds.trace(world, event.words)
                return Found(tuple(violations), trace, len(worlds.way), transitions, depth + 1, whole=False)
            if after not in worlds.way:
                worlds.way[after] = world, event.words
                queue.append((after, judge, depth + 1))
    return Found((), (), len(worlds.way), transitions, depth, whole, reached)


def judged(machine: Machine, world: World, oracle: Oracle, event: Event) -> tuple[World, Oracle, list[Violation]]:
    """The world after an event with what is known of it, the oracle that has heard of it, and what was broken."""
    if event.write is None:
        return looked(machine, event.world), oracle, []
    oracle, violations = heard(oracle, event.write)
    known, more = learn(world, event.world, event.write)
    return looked(machine, replace(event.world, known=known)), oracle, [*violations, *more]
