"""The catalogue of seeded bugs: what each one breaks, by which change of the source, and what must notice it.

Each file of `catalogue/` is a list of `[[mutant]]` tables with the fields of `Mutant`. A change is small, as a slip of
the hand would be, and its `before` occurs exactly once in its file, so that it is the same bug in every later version
or none at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

PACKAGE = Path(__file__).parents[2]
"""The package `canary`, whose sources are changed."""
ROOT = PACKAGE.parent
CATALOGUE = Path(__file__).parent / "catalogue"
INVARIANTS = frozenset((*(f"S{n}" for n in range(1, 26)), *(f"L{n}" for n in range(1, 13))))
"""Every name of an invariant; docs/reliability.md says what they mean."""
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class BadCatalogue(ValueError):
    """The catalogue does not fit the sources or its own rules; the message names the mutant and what to do."""


class Mutant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One seeded bug.

    `broken` says in one sentence what is wrong with it; `file` is relative to the package `canary`. Any of `invariants`
    must be named by the run that kills it. `test` is the pytest node that kills what no run of chaos can see; such a
    bug has no seed.
    """

    id: str
    broken: str
    file: str
    before: str
    after: str
    invariants: tuple[str, ...]
    test: str = ""

    @property
    def path(self) -> Path:
        return PACKAGE / self.file

    @property
    def module(self) -> str:
        """The name under which the changed file is imported."""
        return ".".join((PACKAGE.name, *Path(self.file).with_suffix("").parts))


class _File(msgspec.Struct, forbid_unknown_fields=True):
    mutant: tuple[Mutant, ...]


def load(directory: Path = CATALOGUE) -> tuple[Mutant, ...]:
    """Every mutant, by file and place. Raises `BadCatalogue`."""
    found: list[Mutant] = []
    for path in sorted(directory.glob("*.toml")):
        try:
            found += msgspec.toml.decode(path.read_bytes(), type=_File).mutant
        except (msgspec.MsgspecError, ValueError) as error:
            raise BadCatalogue(f"{path.name}: {error}") from error
    for mutant in found:
        _check(mutant)
    ids = [mutant.id for mutant in found]
    twice = {name for name in ids if ids.count(name) > 1}
    if twice:
        raise BadCatalogue(f"used twice: {', '.join(sorted(twice))}")
    return tuple(found)


def pick(ids: Iterable[str], mutants: tuple[Mutant, ...]) -> tuple[Mutant, ...]:
    """The mutants with these ids. Raises `BadCatalogue` for an id that is not there."""
    known = {mutant.id: mutant for mutant in mutants}
    wanted = tuple(ids)
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise BadCatalogue(f"no such mutant: {', '.join(unknown)}; `list` shows them")
    return tuple(known[name] for name in wanted)


def mutated(mutant: Mutant) -> str:
    """The changed source. Raises `BadCatalogue` when the change does not apply, applies twice or changes nothing."""
    source = mutant.path.read_text("utf-8")
    count = source.count(mutant.before)
    if count != 1:
        raise BadCatalogue(f"{mutant.id}: its text occurs {count} times in {mutant.file}, it must be there once")
    changed = source.replace(mutant.before, mutant.after)
    if changed == source:
        raise BadCatalogue(f"{mutant.id}: it changes nothing in {mutant.file}")
    return changed


def _check(mutant: Mutant) -> None:
    if not _ID.fullmatch(mutant.id):
        raise BadCatalogue(f"{mutant.id!r}: an id is lower-case words with hyphens")
    unknown = set(mutant.invariants) - INVARIANTS
    if unknown or not mutant.invariants:
        raise BadCatalogue(f"{mutant.id}: it needs invariants from S1 to S25 and L1 to L12, not {sorted(unknown)}")
    if not mutant.path.is_file():
        raise BadCatalogue(f"{mutant.id}: there is no {mutant.file}")
