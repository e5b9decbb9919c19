"""All orders of events within bounds: nothing is broken, and the search itself is what it says."""

from __future__ import annotations

import pytest

from canary.sandbox.search.__main__ import main
from canary.sandbox.search.events import events
from canary.sandbox.search.machine import Machine
from canary.sandbox.search.moves import MOVES
from canary.sandbox.search.scenarios import Bounds, begun, explore

SIX_STEPS = tuple((weight, 10) for weight in (10, 25, 40, 55, 70, 85))
BOUNDS = {
    "six steps": Bounds(steps=SIX_STEPS, windows=2, stops=0),
    "two deaths": Bounds(windows=2, crashes=2),
    "a failing API server and a lost answer": Bounds(windows=1, refusals=1, losses=1),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_every_order_of_events_keeps_the_invariants(name: str) -> None:
    found = explore(BOUNDS[name])
    print(found)
    assert not found.violations, found
    assert found.whole


def test_no_move_of_anybody_breaks_an_invariant_within_nine_events() -> None:
    found = explore(Bounds(windows=1, stops=0, moves=tuple(MOVES), most=1, deepest=9))
    print(found)
    assert not found.violations, found
    assert found.depth == 9


def test_the_same_bounds_give_the_same_search() -> None:
    bounds = Bounds(windows=1, moves=tuple(MOVES), most=1, deepest=6)
    assert explore(bounds) == explore(bounds)


def test_a_look_that_is_played_again_makes_the_same_calls() -> None:
    world, used = begun(Bounds(windows=1)).world, Machine()
    for _ in range(12):
        again = [(event.words, event.world) for event in events(Machine(), world, world.clock + 1)]
        assert [(event.words, event.world) for event in events(used, world, world.clock + 1)] == again
        world = again[-1][1] if len(again) == 1 else again[0][1]


def test_the_program_prints_states_transitions_and_depth(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--windows", "1", "--moves", "0"]) == 0
    assert "no violation in" in capsys.readouterr().out


def test_the_program_names_the_moves_when_it_does_not_know_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--move", "nobody does anything"]) == 2
    assert "somebody aborts" in capsys.readouterr().err
