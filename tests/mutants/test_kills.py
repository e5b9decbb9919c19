"""Every seeded bug is noticed by what is kept for it, and the same runs pass without it."""

from __future__ import annotations

from contextlib import closing

import pytest

from canary.sandbox.chaos import play
from canary.sandbox.mutants import nursery
from canary.sandbox.mutants.catalogue import Mutant, load
from canary.sandbox.mutants.hunt import load_kills
from canary.sandbox.mutants.outcome import Outcome

KILLS = load_kills()
SEEDS = sorted({kill.seed for kill in KILLS.values()})
RESTLESS = 1.5
"""CPU seconds after which one that never rests has shown it; without a bug a seed takes a fraction of that."""


def replayed(mutant: Mutant) -> Outcome:
    kill = KILLS.get(mutant.id)
    if kill is None:
        return nursery.run_test(mutant)
    limit = RESTLESS if kill.words.startswith("no rest") else nursery.SEED_LIMIT
    with closing(nursery.play(mutant, [kill.seed], limit=limit)) as outcomes:
        return next(outcomes)


@pytest.mark.parametrize("mutant", load(), ids=lambda mutant: mutant.id)
def test_a_seeded_bug_is_noticed(mutant: Mutant) -> None:
    outcome = replayed(mutant)
    assert outcome.died, f"it is not noticed any more: {outcome.words}; `hunt {mutant.id}` looks for another seed"
    otherwise = mutant.id in KILLS and KILLS[mutant.id].other
    assert otherwise or outcome.caught(mutant.invariants), f"{sorted(outcome.invariants)}: {outcome.words}"


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_passes_without_a_bug(seed: int) -> None:
    assert play(seed) in ("Promoted", "RolledBack", "Idle")
