"""Every event that may follow in a world: a call of a process, its death, a move of somebody, a window that passes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from canary.core.window import Missing, Reading, Sample, SideReading, Window
from canary.sandbox.search.machine import Machine
from canary.sandbox.search.moves import MOVES
from canary.sandbox.search.server import Written, decoded, execute, state_of
from canary.sandbox.search.values import EPOCH, LOST, TICK, Answer, Process, Request, Run, Seen, World

FAILS = "the API server fails before"
MAX_READINGS = 2
"""Windows that a process has not looked at yet; older ones are dropped."""
_TRAFFIC: dict[str, SideReading] = {
    "Good": Sample(1000.0, 0.0),
    "Bad": Sample(500.0, 500.0),
    "None": Missing("no requests"),
}


class Event(NamedTuple):
    """`words` say what happened; `writes` are the writes that were accepted."""

    words: str
    world: World
    write: Written | None = None


def events(machine: Machine, world: World, until: int) -> Iterator[Event]:
    """All events that may happen now; time goes on to step `until`."""
    for number in range(len(world.processes)):
        yield from _turns(machine, world, number)
    if world.left:
        yield from _moves(world)
    stopped = sum(_stopped(machine, world, process) for process in world.processes)
    if world.clock < until and stopped <= world.stops:
        yield _window(replace(world, stops=world.stops - stopped))


def looked(machine: Machine, world: World) -> World:
    """Every process that waits has looked. A look that calls nobody is no event: nobody else can tell when it was."""
    for number, process in enumerate(world.processes):
        if process.run is None:
            kept = machine.outcome(process, _look(world, process)).kept
            if kept is not None and (process.readings or kept != process.kept):
                world = _with(world, number, replace(process, kept=kept, readings=()))
    return world


def _stopped(machine: Machine, world: World, process: Process) -> bool:
    """Whether a window that passes now finds the process in the middle of something, for the first time.

    One whose watch is silent does not count: it may want to write its status for ever.
    """
    if process.view is not None:
        return False
    if process.run is not None:
        return process.run.began == world.clock
    return machine.outcome(process, _look(world, process)).request is not None


def _look(world: World, process: Process) -> Run:
    return Run(Seen(process.view or world.canary, world.split, world.revision), process.readings, world.clock)


def _moves(world: World) -> Iterator[Event]:
    for words in world.moves[:1] if world.ordered else world.moves:
        moved = MOVES[words](world)
        if moved is not None:
            after, write = moved
            others = tuple(other for other in world.moves if other != words)
            yield Event(words, replace(after, moves=others, left=world.left - 1), write)


def _window(world: World) -> Event:
    clock = world.clock + 1
    end = clock * TICK
    reading = Window(end - TICK, end, EPOCH + end, _TRAFFIC[world.traffic], _TRAFFIC["Good"])
    processes = tuple(_hears(process, reading) for process in world.processes)
    return Event(f"a window passes ({world.traffic})", replace(world, clock=clock, processes=processes))


def _hears(process: Process, reading: Reading) -> Process:
    return replace(process, readings=(*process.readings, reading)[-MAX_READINGS:])


def _turns(machine: Machine, world: World, number: int) -> Iterator[Event]:
    process = world.processes[number]
    if process.run is None:
        process = replace(process, readings=(), run=_look(world, process))
    assert process.run is not None
    request = machine.outcome(process, process.run).request
    if request is None:
        return
    after, answer, write = execute(world, request, process.identity)
    said = _words(process, request, answer, after)
    yield Event(said, _answered(machine, after, number, process, answer), write)
    if request.writes:
        yield from _faults(machine, world, number, process, request)


def _faults(machine: Machine, world: World, number: int, process: Process, request: Request) -> Iterator[Event]:
    after, answer, write = execute(world, request, process.identity)
    said = _words(process, request, answer, after)
    if world.crashes:
        newborn = Process(process.name, process.life + 1, machine.newborn(world.clock))
        dead = replace(world, crashes=world.crashes - 1)
        yield Event(f"{process.name} dies before: {said}", _with(dead, number, newborn))
        if write is not None:
            gone = replace(after, crashes=world.crashes - 1)
            yield Event(f"{said}; it dies before the answer", _with(gone, number, newborn), write)
    if world.refusals:
        refused = replace(world, refusals=world.refusals - 1)
        told = _answered(machine, refused, number, process, Answer(500, b""))
        yield Event(f"{FAILS}: {said}", told)
    if world.losses and write is not None:
        lost = replace(after, losses=world.losses - 1)
        yield Event(f"{said}; the answer is lost", _answered(machine, lost, number, process, Answer(LOST, b"")), write)


def _answered(machine: Machine, world: World, number: int, process: Process, answer: Answer) -> World:
    """The process goes on to its next call. A list of endpoints is one event with the read before it."""
    run = process.run
    assert run is not None
    run = replace(run, answers=(*run.answers, (world.clock, answer)))
    outcome = machine.outcome(process, run)
    while outcome.request is not None and outcome.request.lists:
        _, listed, _ = execute(world, outcome.request, process.identity)
        run = replace(run, answers=(*run.answers, (world.clock, listed)))
        outcome = machine.outcome(process, run)
    if outcome.kept is not None:
        return _with(world, number, replace(process, kept=outcome.kept, run=None))
    return _with(world, number, replace(process, run=run))


def _with(world: World, number: int, process: Process) -> World:
    processes = list(world.processes)
    processes[number] = process
    return replace(world, processes=tuple(processes))


def _words(process: Process, request: Request, answer: Answer, after: World) -> str:
    """The call in words, with what came of it."""
    split = "/trafficsplits" in request.path
    if not request.writes:
        what = "the split" if split else "the Canary and the endpoints"
        return f"{process.name} reads {what}" + ("" if answer.status == 200 else f": {answer.status}")
    if split:
        said = f"{process.name} writes the split"
    elif request.path.endswith("/status"):
        said = f"{process.name} writes the status"
    else:
        removed = msgspec.json.decode(request.body)[-1]["path"].rpartition("~1")[2]
        said = f"{process.name} takes off the annotation {removed}"
    if answer.status >= 300:
        return f"{said}: refused, {answer.status}"
    if split:
        state = state_of(after.split)
        return f"{said}: {state.phase} {state.weight}% (seq {state.seq})" if state else said
    if request.path.endswith("/status"):
        record = (decoded(after.canary).get("status") or {}).get("record") or {}
        return f"{said}: seq {record.get('seq', 0)}"
    return said
