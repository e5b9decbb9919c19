"""What is counted of runs, and added up."""

from __future__ import annotations

import gc
import logging
import signal
import types
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields

import structlog

from canary.sandbox.chaos import Failed, Run, schedule_of
from canary.sandbox.chaos.world import PROCESS
from canary.sandbox.virtual_time import run_virtual

CPU_LIMIT = 60.0
"""Seconds of CPU after which a run counts as one that never ends."""


class EndlessRun(BaseException):
    """A run does not end: something in it is done again and again without time going on."""


@dataclass(slots=True)
class Tally:
    """Sums over runs.

    `seconds` are virtual, `requests` those to the API server, `commits` its accepted writes. `faults` counts by effect,
    `deeds` by name, `ends` by phase. `delays` are those from the answer that decided a rollback to weight 0, in virtual
    seconds. `failures` tells by seed what broke.
    """

    runs: int = 0
    seconds: float = 0.0
    requests: int = 0
    commits: int = 0
    raises: int = 0
    processes: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    deeds: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, other: Tally) -> None:
        """Take another tally into this one."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, dict) and not isinstance(mine, Counter):
                mine.update(theirs)
            else:
                mine += theirs
                setattr(self, each.name, mine)


def begin() -> None:
    """In each process of a campaign: no logs, for thousands of controllers meet thousands of faults; and a collector
    that does not walk through every world as often as it would."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def tally_of(seeds: Iterable[int]) -> Tally:
    """Play these seeds, one after the other, and count. Nothing is raised for what broke."""
    whole = Tally()
    for seed in seeds:
        whole.add(_tally(seed))
    return whole


def _tally(seed: int) -> Tally:
    run = Run(schedule_of(seed))
    tally = Tally(runs=1)
    try:
        with _limited():
            tally.ends[run_virtual(run.play())] += 1
    except Failed as failed:
        tally.failures[seed] = failed.why
    except EndlessRun:
        tally.failures[seed] = f"no end within {CPU_LIMIT:g} s of CPU"
    server = run.sim.cluster.server
    tally.seconds = run.sim.clock.monotonic()
    tally.requests, tally.commits = server.requests, len(server.commits)
    tally.processes = run.world.born
    tally.faults.update(server.faults.fired)
    tally.deeds.update(action.name for action in run.schedule.actions)
    splits = server.commits.of("trafficsplits", run.sim.app.namespace, run.sim.app.name)
    tally.raises = sum(c.user_agent.startswith(PROCESS) and "WeightAdvanced" in str(c.new) for c in splits)
    if not tally.failures:
        tally.delays = run.sim.judgement.delays
    return tally


@contextmanager
def _limited() -> Iterator[None]:
    """Raises `EndlessRun` inside, where the platform has a timer for CPU time."""

    def stop(_: int, __: types.FrameType | None) -> None:
        raise EndlessRun

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
