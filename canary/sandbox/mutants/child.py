"""The process of one mutant: it imports the changed module once, then plays seeds or runs a test.

Nothing of the product may be imported here before `install`.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import warnings
from collections.abc import Callable, Iterable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any

from canary.sandbox.mutants.catalogue import ROOT, Mutant
from canary.sandbox.mutants.loader import Swap, install
from canary.sandbox.mutants.outcome import End, Outcome

Tell = Callable[[Outcome], None]
_NAMED = re.compile(r"\b([SL][1-9]\d?)(?= at |:)")


def play(mutant: Mutant | None, seeds: Iterable[int], limit: float, pipe: Connection[Any, Any]) -> None:
    """Play chaos with each seed for at most `limit` CPU seconds and tell each outcome; one that is stopped ends it.

    Before the first it says `None`.
    """
    _be_quiet()
    try:
        swap = install(mutant) if mutant else None
        chaos = import_module("canary.sandbox.chaos")
        _demand_use(swap)
    except Exception as error:
        pipe.send(Outcome(end=End.UNFIT, words=f"{type(error).__name__}: {error}"))
        return
    pipe.send(None)
    for seed in seeds:
        _bound(limit, stopped(seed, limit), pipe.send)
        outcome = _play_one(chaos.play, seed)
        signal.setitimer(signal.ITIMER_PROF, 0)
        pipe.send(outcome)


def run_test(mutant: Mutant, limit: float, pipe: Connection[Any, Any]) -> None:
    """Run the test that the mutant names, with the mutant, and tell whether it failed."""
    _be_quiet()
    pipe.send(None)
    _bound(limit, stopped(None, limit), pipe.send)
    try:
        pipe.send(_test(mutant))
    except Exception as error:
        pipe.send(Outcome(end=End.UNFIT, words=f"{type(error).__name__}: {error}"))


def _play_one(play_seed: Callable[[int], str], seed: int) -> Outcome:
    try:
        return Outcome(end=End.LIVED, seed=seed, words=play_seed(seed))
    except Exception as error:
        words = str(error).partition("\n\nreplay:")[0] or type(error).__name__
        return Outcome(end=End.FAILED, seed=seed, invariants=named_in(error, words), words=words)


def named_in(error: Exception, words: str) -> frozenset[str]:
    """The invariants that a failure names: as it says itself, or as its words do. A rollout without end breaks L1."""
    named = frozenset(getattr(error, "invariants", ()) or _NAMED.findall(words))
    return named or frozenset({"L1"} if words.startswith("TimedOut") else ())


def stopped(seed: int | None, limit: float) -> Outcome:
    """The outcome of a run that does not come to rest while its CPU time lasts."""
    words = f"no rest within {limit:g} s of CPU time"
    return Outcome(end=End.STOPPED, seed=seed, invariants=frozenset({"L1"}), words=words)


class _Reports:
    """A pytest plugin that keeps what failed, in words."""

    def __init__(self) -> None:
        self.failures: list[str] = []

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failures.append(f"{report.nodeid}: {crash.message if crash else report.longrepr}")


def _test(mutant: Mutant) -> Outcome:
    import pytest  # a development requirement, needed only here

    swap, reports = install(mutant), _Reports()
    os.chdir(ROOT)
    arguments = [mutant.test, "-x", "-q", "--assert=plain", "--import-mode=importlib"]
    for plugin in ("cacheprovider", "xdist", "hypothesispytest"):
        arguments += ["-p", f"no:{plugin}"]
    code = pytest.main(arguments, plugins=[reports])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return Outcome(end=End.UNFIT, words=f"pytest ended with {code!r} for {mutant.test}")
    _demand_use(swap)
    if code == pytest.ExitCode.OK:
        return Outcome(end=End.LIVED)
    return Outcome(end=End.FAILED, invariants=frozenset(mutant.invariants), words="\n".join(reports.failures))


def _demand_use(swap: Swap | None) -> None:
    if swap is not None and not swap.used:
        raise ImportError("nobody has imported the changed module")


def _be_quiet() -> None:
    """A mutant has much to say, and only its failure matters."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    structlog = import_module("structlog")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sink = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(sink, stream)
    os.close(sink)


def _bound(limit: float, last_words: Outcome, tell: Tell) -> None:
    """After `limit` seconds of CPU time, say `last_words` and end: a loop that never awaits hears of no exception."""

    def stop(*_: object) -> None:
        try:
            tell(last_words)
        finally:
            # Also when nobody listens any more: an error raised here would only disturb the loop.
            os._exit(0)

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, limit)
