"""The command line of the seeded bugs: `python -m canary.sandbox.mutants --help`."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator

import msgspec

from canary.sandbox.mutants import hunt, matrix, nursery
from canary.sandbox.mutants.catalogue import BadCatalogue, Mutant, load, mutated, pick
from canary.sandbox.mutants.outcome import End, Outcome

_PROGRAM = "python -m canary.sandbox.mutants"


def main(arguments: list[str] | None = None) -> int:
    """0 when everything that was asked for was killed, 1 when a mutant survives, 2 when the catalogue is wrong."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except BadCatalogue as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="Seeded bugs, and what kills them.")
    commands = parser.add_subparsers(required=True)
    listing = commands.add_parser("list", help="every mutant, one a line")
    listing.set_defaults(run=_list)
    kill = commands.add_parser("kill", help="run one with its kept seed or its test")
    kill.add_argument("id")
    kill.add_argument("--seed", type=int, help="another seed than the kept one")
    kill.add_argument("--diff", action="store_true", help="show the change")
    kill.set_defaults(run=_kill)
    hunting = commands.add_parser("hunt", help="search for the seeds that kill, and keep them")
    hunting.add_argument("id", nargs="*", help="only these; else all without a test and all that have a seed")
    hunting.add_argument("--all", action="store_true", help="also those that a test kills and no seed yet")
    hunting.add_argument("--seeds", type=_range, default=range(1000), metavar="FIRST:END", help="default 0:1000")
    hunting.add_argument("--jobs", type=int, default=2, help="processes at a time, default 2")
    hunting.add_argument("--survivors", action="store_true", help="only those for which no seed is kept")
    hunting.set_defaults(run=_hunt)
    table = commands.add_parser("matrix", help="the kill matrix")
    table.add_argument("-o", "--output", choices=("md", "json"), default="md")
    table.add_argument("--write", action="store_true", help=f"write docs/{matrix.PAGE.name}")
    table.set_defaults(run=_matrix)
    return parser


def _range(text: str) -> range:
    first, _, end = text.partition(":")
    return range(int(first), int(end))


def _list(_: argparse.Namespace) -> int:
    kills = hunt.load_kills()
    for mutant in load():
        kill = kills.get(mutant.id)
        print(f"{mutant.id:42} {'test' if mutant.test and kill is None else hunt.said(kill):28} {mutant.broken}")
    return 0


def _kill(options: argparse.Namespace) -> int:
    (mutant,) = pick([options.id], load())
    if options.diff:
        print("\n".join(_diff(mutant)))
    outcome = _run(mutant, options.seed)
    print(f"{outcome.end}: {', '.join(sorted(outcome.invariants)) or '-'}\n{outcome.words}")
    if outcome.end is End.UNFIT:
        return 2
    return 0 if outcome.died else 1


def _run(mutant: Mutant, seed: int | None) -> Outcome:
    kept = hunt.load_kills().get(mutant.id)
    if seed is None and kept is not None:
        seed = kept.seed
    return nursery.run_test(mutant) if seed is None else next(nursery.play(mutant, [seed]))


def _diff(mutant: Mutant) -> Iterator[str]:
    before, after = mutant.path.read_text("utf-8").splitlines(), mutated(mutant).splitlines()
    return difflib.unified_diff(before, after, mutant.file, mutant.id, lineterm="")


def _hunt(options: argparse.Namespace) -> int:
    kills, mutants = hunt.load_kills(), load()
    wanted = pick(options.id, mutants) if options.id else mutants
    if not options.id and not options.all:
        wanted = tuple(mutant for mutant in wanted if not mutant.test or mutant.id in kills)
    if options.survivors:
        wanted = tuple(mutant for mutant in wanted if mutant.id not in kills)
    with_test = {mutant.id for mutant in wanted if mutant.test}
    survivors, broken = [], []
    for name, kill in hunt.hunt(wanted, options.seeds, jobs=options.jobs, kept=kills):
        if isinstance(kill, BadCatalogue):
            broken.append(str(kill))
            continue
        tested = name in with_test
        if kill is not None and kill.other and tested:
            kill = None  # the test looks at the bug itself
        print(f"{name:42} {'test' if tested and kill is None else hunt.said(kill)}", flush=True)
        kills.pop(name, None)
        if kill is not None:
            kills[name] = kill
        elif not tested:
            survivors.append(name)
        hunt.save_kills(kills)
    killed = len(wanted) - len(survivors) - len(broken)
    print(f"{killed} of {len(wanted)} killed; survivors: {', '.join(survivors) or 'none'}")
    if broken:
        raise BadCatalogue("\n".join(broken))
    return 1 if survivors else 0


def _matrix(options: argparse.Namespace) -> int:
    mutants, kills = load(), hunt.load_kills()
    table = matrix.rows(mutants, kills)
    text = matrix.page(mutants, kills)
    if options.output == "json":
        text = msgspec.json.format(msgspec.json.encode(table)).decode() + "\n"
    if options.write:
        matrix.PAGE.write_text(matrix.page(mutants, kills), "utf-8")
    else:
        print(text, end="")
    return 0 if all(row["killed"] for row in table) else 1


if __name__ == "__main__":
    sys.exit(main())
