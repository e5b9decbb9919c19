"""What a scrape reads off the running parts of the process: queue, workers, watches, events, Lease, event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

from canary import __version__
from canary.controller.app import Controller
from canary.kube.clock import Clock
from canary.kube.observed_transport import ObservedTransport
from canary.server import catalogue as names
from canary.server.catalogue import Family
from canary.server.health import Heartbeat

Reading = tuple[Family, list[tuple[tuple[str, ...], float]]]


def readings(
    controller: Controller,
    transport: ObservedTransport,
    heartbeat: Heartbeat,
    *,
    clock: Clock,
    log_dropped: Callable[[], int],
) -> Iterator[Reading]:
    """The values of this moment. Call it in the event loop."""
    queue, workers, recorder = controller.queue, controller.workers, controller.recorder
    yield _one(names.QUEUE_DEPTH, queue.depth)
    yield _one(names.QUEUE_DELAYED, queue.waiting)
    yield _one(names.QUEUE_ADDS, queue.adds)
    yield _one(names.QUEUE_RETRIES, queue.retries)
    yield _one(names.LONGEST, queue.longest_running)
    yield _one(names.WORKERS, controller.settings.workers)
    yield _one(names.WORKERS_BUSY, queue.running)
    outcomes = {"Succeeded": workers.succeeded, "Failed": workers.failed - workers.timed_out}
    yield _each(names.RECONCILES, {**outcomes, "TimedOut": workers.timed_out})
    yield _each(names.EVENTS, {word.capitalize(): count for word, count in asdict(recorder.counters).items()})
    yield _one(names.EVENTS_WAITING, recorder.depth)
    yield _one(names.LEADER, controller.is_leader)
    silence: dict[str, float] = {}
    for resource, seconds in controller.watches.quiet_for(clock.monotonic()):
        silence[resource] = max(seconds, silence.get(resource, 0.0))
    yield _each(names.WATCH_SILENCE, silence)
    yield _one(names.API_SILENCE, transport.silent_for)
    yield _one(names.LOOP_LAG, heartbeat.lag)
    yield _one(names.LOOP_LAG_MAX, heartbeat.worst)
    yield _one(names.LOG_DROPPED, log_dropped())
    yield _each(names.BUILD, {__version__: 1})


def _one(family: Family, value: float) -> Reading:
    return family, [((), value)]


def _each(family: Family, values: dict[str, int] | dict[str, float]) -> Reading:
    return family, [((label,), value) for label, value in values.items()]
