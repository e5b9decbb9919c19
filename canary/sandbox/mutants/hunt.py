"""The search for seeds that kill, and the file that keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from pathlib import Path

import msgspec

from canary.sandbox.mutants import nursery
from canary.sandbox.mutants.catalogue import BadCatalogue, Mutant
from canary.sandbox.mutants.outcome import End, Outcome

KILLS = Path(__file__).parent / "kills.json"
OTHERS = 100
"""Seeds to try after a death of another cause, for one by an invariant that is expected."""
MAX_WORDS = 200


class Kill(msgspec.Struct, frozen=True):
    """How a mutant dies: `seed` is the run, `by` the invariants that it breaks, `words` the first of what it says.

    `other` says that none of them is one that the catalogue expects.
    """

    seed: int
    by: tuple[str, ...]
    words: str
    other: bool = False


def load_kills(path: Path = KILLS) -> dict[str, Kill]:
    """The kept kills by mutant; none where nothing is kept."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Kill]) if path.exists() else {}


def save_kills(kills: Mapping[str, Kill], path: Path = KILLS) -> None:
    """Keep these kills, one line each, in the order of the ids: a new seed is one changed line."""
    lines = (f"  {_json(name)}: {_json(kills[name])}" for name in sorted(kills))
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def search(mutant: Mutant, seeds: Iterable[int]) -> Kill | None:
    """The first seed that kills it by an invariant that is expected; else the first that kills it at all.

    Raises `BadCatalogue` when the mutant cannot be run.
    """
    other: Kill | None = None
    patience = OTHERS
    with closing(nursery.play(mutant, seeds)) as outcomes:
        for outcome in outcomes:
            if outcome.end is End.UNFIT:
                raise BadCatalogue(f"{mutant.id} cannot be run: {outcome.words}")
            if outcome.caught(mutant.invariants):
                return kill_of(outcome, mutant)
            if outcome.died and other is None:
                other = kill_of(outcome, mutant)
            patience -= other is not None
            if not patience:
                break
    return other


def hunt(
    mutants: Iterable[Mutant], seeds: range, *, jobs: int, kept: Mapping[str, Kill]
) -> Iterator[tuple[str, Kill | BadCatalogue | None]]:
    """Search for all of them, `jobs` at a time, the kept seed first; as they are done, `None` for one that survives.

    One that cannot be run holds up no other: its error comes in place of a kill.
    """
    with ThreadPoolExecutor(jobs) as pool:
        running = {pool.submit(search, mutant, _order(seeds, kept.get(mutant.id))): mutant.id for mutant in mutants}
        try:
            for future in as_completed(running):
                error = future.exception()
                yield running[future], error if isinstance(error, BadCatalogue) else future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def said(kill: Kill | None) -> str:
    if kill is None:
        return "SURVIVES"
    by = ", ".join(kill.by) or "no invariant"
    return f"seed {kill.seed}: {by}{' (another failure than expected)' if kill.other else ''}"


def kill_of(outcome: Outcome, mutant: Mutant) -> Kill:
    """A death as it is kept. It must be one of a seed."""
    assert outcome.seed is not None
    words = outcome.words.partition("\n")[0][:MAX_WORDS]
    by = tuple(sorted(outcome.invariants, key=lambda name: (name[0], int(name[1:]))))
    return Kill(outcome.seed, by, words, not outcome.caught(mutant.invariants))


def _order(seeds: range, kept: Kill | None) -> list[int]:
    first = [] if kept is None else [kept.seed]
    return [*first, *(seed for seed in seeds if seed not in first)]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
