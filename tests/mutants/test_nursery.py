"""A mutant runs in a process of its own, and what becomes of it there is told."""

from __future__ import annotations

import sys
from contextlib import closing

import pytest

from canary.core import commands
from canary.sandbox.mutants import nursery
from canary.sandbox.mutants.catalogue import Mutant, mutated
from canary.sandbox.mutants.child import named_in
from canary.sandbox.mutants.loader import TooLate, install
from canary.sandbox.mutants.outcome import End, Outcome

IDENTITY = 'return value if len(value) <= 160 else "sha256:" + hashlib.sha256(value.encode()).hexdigest()'
LOOP = "    while True:\n        pass\n"


def mutant(after: str, **fields: str) -> Mutant:
    """A change of the identity of commands, which every run with a command or abort asks for."""
    known = {"id": "a-slip", "broken": "Something.", "file": "core/commands.py", "before": IDENTITY, **fields}
    return Mutant(after=after, invariants=("S1",), **known)


def played(mutant: Mutant | None, *seeds: int, limit: float = 8.0) -> list[Outcome]:
    with closing(nursery.play(mutant, seeds, limit=limit)) as outcomes:
        return list(outcomes)


def test_without_a_mutant_every_seed_lives() -> None:
    assert [(outcome.end, outcome.seed) for outcome in played(None, 0, 1)] == [(End.LIVED, 0), (End.LIVED, 1)]


def test_a_loop_without_end_is_stopped_and_the_next_seed_is_played() -> None:
    loop = mutant(
        "    while True:\n        pass\n",
        before="    situation = situation_of(observed, memory, now)\n",
        file="core/decide.py",
    )
    outcomes = played(loop, 0, 1, limit=0.5)
    assert [(outcome.end, outcome.seed) for outcome in outcomes] == [(End.STOPPED, 0), (End.STOPPED, 1)]
    assert all(outcome.died and outcome.invariants == {"L1"} for outcome in outcomes)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"after": "return ("}, "SyntaxError"),
        ({"after": "return value", "before": "not there"}, "0 times"),
        ({"after": "x = 1 / 0", "before": "MAX_LENGTH = 512"}, "ZeroDivisionError"),
        (
            {"after": "x = 1", "before": "from canary.cli.main import main", "file": "__main__.py"},
            "nobody has imported",
        ),
    ],
)
def test_what_cannot_be_run_is_no_kill(fields: dict[str, str], words: str) -> None:
    (outcome,) = played(mutant(**fields), 0, 1)
    assert outcome.end is End.UNFIT
    assert not outcome.died
    assert words in outcome.words


def test_a_process_that_never_begins_is_no_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery.child, "play", sys.exit)
    (outcome,) = played(None, 0, 1)
    assert outcome.end is End.UNFIT


def test_a_test_that_passes_is_no_kill() -> None:
    passing = mutant("return value", test="tests/core/test_commands.py::test_aborts_are_never_refused_for_their_form")
    assert nursery.run_test(passing).end is End.LIVED


def test_a_test_that_is_not_there_is_no_kill() -> None:
    outcome = nursery.run_test(mutant("return value", test="tests/core/test_commands.py::test_nothing"))
    assert outcome.end is End.UNFIT


def test_nothing_is_written_into_the_tree() -> None:
    slip = mutant("return value")
    before = slip.path.read_bytes()
    played(slip, 0)
    assert slip.path.read_bytes() == before
    assert commands.command_id("x" * 200).startswith("sha256:")
    assert mutated(slip).encode() != before


def test_a_module_that_was_imported_before_cannot_be_changed() -> None:
    with pytest.raises(TooLate, match=r"canary\.core\.commands"):
        install(mutant("return value"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("AssertionError: S2 at 3.10 s: a raise without a gate\nS12 at 4.00 s: seq 3 -> 5", {"S2", "S12"}),
        ("AssertionError: L1: 3 writes at rest", {"L1"}),
        ("TimedOut: after 900 s: state State(...)", {"L1"}),
        ("KeyError: 'S3 of something'", set()),
    ],
)
def test_the_invariants_that_a_failure_names_are_found(words: str, named: set[str]) -> None:
    assert named_in(AssertionError(words), words) == named
