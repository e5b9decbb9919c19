"""Runs mutants in processes of their own, which are forked from one that has imported everything but the product."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import closing
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

import msgspec

from canary.sandbox.mutants import child
from canary.sandbox.mutants.catalogue import BadCatalogue, Mutant
from canary.sandbox.mutants.outcome import End, Outcome

SEED_LIMIT = 12.0
"""CPU seconds for one seed; a run without a mutant takes a fraction of one."""
TEST_LIMIT = 30.0
PATIENCE = 8.0
"""A silent child is ended after so many times its CPU limit of real time: the machine may be busy."""
PRELOADED = [
    "aiohttp.web", "hypothesis", "lupa", "msgspec", "pytest", "pytest_asyncio.plugin", "pytest_timeout", "structlog",
    "tenacity", "yaml", "canary.sandbox.apiserver.direct", child.__name__,
]  # fmt: skip
"""What no mutant changes; one that is not installed is passed over."""


def play(mutant: Mutant | None, seeds: Iterable[int], *, limit: float = SEED_LIMIT) -> Generator[Outcome, None, None]:
    """The outcome of each seed, in order; without a mutant, of the product as it is. Stop reading to stop playing."""
    left = list(seeds)
    while left:
        with closing(_told(child.play, (mutant, left, limit), limit)) as outcomes:
            for outcome in outcomes:
                yield outcome if outcome.seed is not None else msgspec.structs.replace(outcome, seed=left[0])
                if outcome.end is End.UNFIT:
                    return
                left = left[1:]


def run_test(mutant: Mutant, *, limit: float = TEST_LIMIT) -> Outcome:
    """The outcome of the test that the mutant names. Raises `BadCatalogue` when it names none."""
    if not mutant.test:
        raise BadCatalogue(f"{mutant.id}: no seed is kept and no test is named; `hunt {mutant.id}` looks for a seed")
    with closing(_told(child.run_test, (mutant, limit), limit)) as outcomes:
        return next(outcomes)


def _told(target: Any, arguments: tuple[Any, ...], limit: float) -> Generator[Outcome, None, None]:
    """What a child says until it ends; at least one outcome, which ends it when it came to no good.

    Its first word is `None`: it has begun. One that never says it is a defect of ours, and no kill.
    """
    receiver, process = _start(target, arguments)
    begun = said = False
    try:
        while receiver.poll(limit * PATIENCE):
            word: Outcome | None = receiver.recv()
            begun = begun or word is None
            if word is not None:
                said = True
                yield word
        yield _lost(begun, f"silent for {limit * PATIENCE:g} s")
    except EOFError:
        if not said:
            yield _lost(begun, "its process died")
    finally:
        process.kill()
        process.join()
        process.close()
        receiver.close()


def _lost(begun: bool, words: str) -> Outcome:
    return Outcome(end=End.STOPPED if begun else End.UNFIT, words=words if begun else f"it did not begin: {words}")


def _start(target: Any, arguments: tuple[Any, ...]) -> tuple[Connection[Any, Any], ForkServerProcess]:
    context = _context()
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*arguments, sender), daemon=True)
    process.start()
    sender.close()
    return receiver, process


def _context() -> ForkServerContext:
    """Forked from a server: the process that asks may have threads, and has imported the product."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context
