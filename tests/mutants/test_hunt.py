"""The search keeps the first seed that kills, and rather one that breaks what is expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.sandbox.mutants import hunt, nursery
from canary.sandbox.mutants.catalogue import BadCatalogue, Mutant
from canary.sandbox.mutants.hunt import OTHERS, Kill, load_kills, save_kills, search
from canary.sandbox.mutants.outcome import End, Outcome

SLIP = Mutant(id="a", broken="A.", file="core/state.py", before="b", after="c", invariants=("S4", "L1"))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[int, Outcome]:
    """Outcomes by seed; every other seed lives."""
    outcomes: dict[int, Outcome] = {}

    def play(_: Mutant, seeds: list[int]) -> Iterator[Outcome]:
        yield from (outcomes.get(seed, Outcome(end=End.LIVED, seed=seed)) for seed in seeds)

    monkeypatch.setattr(nursery, "play", play)
    return outcomes


def failed(seed: int, *invariants: str, words: str = "S4 at 1 s\nmore") -> Outcome:
    return Outcome(end=End.FAILED, seed=seed, invariants=frozenset(invariants), words=words)


def test_the_first_seed_that_breaks_what_is_expected_is_kept(told: dict[int, Outcome]) -> None:
    told |= {3: failed(3, "S2"), 5: failed(5, "S12", "S4"), 6: failed(6, "S4")}
    assert search(SLIP, range(10)) == Kill(5, ("S4", "S12"), "S4 at 1 s")


def test_another_failure_counts_when_nothing_better_is_found(told: dict[int, Outcome]) -> None:
    told |= {3: failed(3, "S2"), OTHERS + 10: failed(OTHERS + 10, "S4")}
    found = search(SLIP, range(1000))
    assert found is not None
    assert (found.seed, found.other) == (3, True)


def test_a_run_without_rest_breaks_l1(told: dict[int, Outcome]) -> None:
    told[2] = Outcome(end=End.STOPPED, seed=2, invariants=frozenset({"L1"}), words="no rest")
    assert search(SLIP, range(10)) == Kill(2, ("L1",), "no rest")


@pytest.mark.usefixtures("told")
def test_a_survivor_has_no_kill() -> None:
    assert search(SLIP, range(10)) is None


def test_a_mutant_that_cannot_be_run_is_an_error(told: dict[int, Outcome]) -> None:
    told[0] = Outcome(end=End.UNFIT, words="SyntaxError")
    with pytest.raises(BadCatalogue, match="SyntaxError"):
        search(SLIP, range(10))


def test_the_kept_seed_is_tried_first(told: dict[int, Outcome]) -> None:
    told |= {1: failed(1, "S4"), 700: failed(700, "S4")}
    ((_, kill),) = hunt.hunt([SLIP], range(10), jobs=1, kept={"a": Kill(700, ("S4",), "")})
    assert kill is not None
    assert kill.seed == 700


def test_kills_are_kept_one_a_line(tmp_path: Path) -> None:
    kills = {"b": Kill(1, ("S1",), 'a "word"', True), "a": Kill(2, (), "none")}
    path = tmp_path / "kills.json"
    save_kills(kills, path)
    assert load_kills(path) == kills
    assert [line.split(":")[0].strip() for line in path.read_text("utf-8").splitlines()[1:-1]] == ['"a"', '"b"']


def test_where_nothing_is_kept_there_are_no_kills(tmp_path: Path) -> None:
    assert load_kills(tmp_path / "none.json") == {}
