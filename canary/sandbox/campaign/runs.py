"""Plays what a campaign is made of, and counts. Nothing is raised for what broke."""

from __future__ import annotations

import gc
import logging
import signal
import time
import types
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog

from canary.sandbox.campaign.tally import Tally
from canary.sandbox.chaos import Failed, Run, schedule_of
from canary.sandbox.chaos.world import PROCESS
from canary.sandbox.exhaustive.pieces import plans_of, play_all
from canary.sandbox.virtual_time import run_virtual

CPU_LIMIT = 60.0
"""Seconds of CPU after which a run counts as one that never ends."""


class EndlessRun(BaseException):
    """A run does not end: something in it is done again and again without time going on."""


def begin() -> None:
    """In each process of a campaign: no logs, for thousands of controllers meet thousands of faults; and a collector
    that does not walk through every world as often as it would."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def seeds(numbers: Iterable[int]) -> Tally:
    """Runs of chaos, one after the other."""
    whole = Tally()
    for number in numbers:
        began = time.process_time()
        tally = _seed(number)
        tally.cpu = time.process_time() - began
        whole.add(tally)
    return whole


def points(piece: str) -> Tally:
    """A piece of the exhaustive runs, see `canary.sandbox.exhaustive.pieces`."""
    began = time.process_time()
    played = play_all(plans_of(piece))
    return Tally(points=played, cpu=time.process_time() - began)


def _seed(number: int) -> Tally:
    run = Run(schedule_of(number))
    tally = Tally(runs=1)
    try:
        with _limited():
            tally.ends = {run_virtual(run.play()): 1}
    except Failed as failed:
        tally.failures[number] = failed.why
    except EndlessRun:
        tally.failures[number] = f"no end within {CPU_LIMIT:g} s of CPU"
    server = run.sim.cluster.server
    tally.seconds = run.sim.clock.monotonic()
    tally.requests, tally.commits = server.requests, len(server.commits)
    tally.processes = run.world.born
    tally.faults = dict(server.faults.fired)
    tally.deeds = dict(Counter(action.name for action in run.schedule.actions))
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
