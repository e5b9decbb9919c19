"""`python -m canary.sandbox.search`: search as far as asked for, and print what was found."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence

import structlog

from canary.core.state import State
from canary.sandbox.search.moves import MOVES
from canary.sandbox.search.scenarios import TWO_STEPS, Bounds, explore


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every order of events keeps the invariants, 1 with the shortest one that does not."""
    asked = _parser().parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    unknown = [words for words in asked.move if words not in MOVES]
    if unknown:
        print(f"no such move: {', '.join(unknown)}; the moves are:", *MOVES, sep="\n  ", file=sys.stderr)
        return 2
    found = explore(_bounds(asked))
    print(found)
    return 1 if found.violations else 0


def _bounds(asked: argparse.Namespace) -> Bounds:
    def since(state: State | None) -> bool:
        return state is not None and state.weight >= asked.weight

    moves = tuple(asked.move) or tuple(MOVES)
    weights = [10 + 80 * number // asked.steps for number in range(asked.steps)]
    steps = TWO_STEPS if asked.steps == len(TWO_STEPS) else tuple((weight, 10) for weight in weights)
    return Bounds(
        steps=steps, windows=asked.windows, processes=asked.processes, crashes=asked.crashes, refusals=asked.refusals,
        losses=asked.losses, stops=asked.stops, moves=moves, most=asked.moves, ordered=asked.ordered, since=since,
        deepest=asked.depth, states=asked.states,
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m canary.sandbox.search",
        description="Tries every order of events of a rollout and prints the shortest one that breaks an invariant.",
        epilog="Moves: " + "; ".join(MOVES),
    )
    numbers = {
        "processes": (2, "replicas, at most 3"),
        "steps": (2, "weighted steps of the plan, at most 6"),
        "windows": (2, "metrics windows that may pass"),
        "crashes": (0, "deaths of a process, before or after a write"),
        "refusals": (0, "writes before which the API server fails"),
        "losses": (0, "answers to a write that are lost"),
        "stops": (1, "windows that may pass while a process is in the middle of something"),
        "moves": (1, "moves of people, other programs and the world in one list of events"),
        "weight": (1, "where the search begins: the first weight that is at least this"),
        "depth": (1000, "events in a list"),
        "states": (100_000, "worlds to look at"),
    }
    for name, (default, words) in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{words} (default {default})")
    parser.add_argument("--move", action="append", default=[], metavar="WORDS", help="a move to allow (default: all)")
    parser.add_argument("--ordered", action="store_true", help="moves come in the order in which they are given")
    return parser


if __name__ == "__main__":
    sys.exit(main())
