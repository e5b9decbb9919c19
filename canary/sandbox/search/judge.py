"""The judge of a search: the oracle of every other test, and what only a whole list of events can show.

The oracle is copied before it hears of a write, since a search goes back and takes another way. What it knows of the
past beside the world is kept in `Known`, so that worlds are told apart by everything that a verdict may rest on.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from canary.api.canary import Record
from canary.api.names import ABORT_ANNOTATION, KIND
from canary.core.phases import Phase
from canary.core.state import State
from canary.sandbox.oracle import Oracle, Violation
from canary.sandbox.search.server import NAME, NAMESPACE, ROOT, TRIAL, Written, decoded, state_of
from canary.sandbox.search.values import Known, World

_TIMELESS = frozenset({"S19"})
"""Invariants about writes per second: in a search the clock stands still between two windows."""
_AFTER_PROMOTING = (Phase.PROMOTING, Phase.ROLLING_BACK, Phase.PROMOTED)


def new_oracle() -> Oracle:
    return Oracle(NAMESPACE, NAME, ROOT)


def heard(oracle: Oracle, write: Written) -> tuple[Oracle, list[Violation]]:
    """A copy of the oracle that has judged `write` as well, and what it found."""
    other = oracle.copied()
    other.violations.clear()
    other.feed([write])
    return other, [violation for violation in other.violations if violation.invariant not in _TIMELESS]


def learn(before: World, after: World, write: Written) -> tuple[Known, list[Violation]]:
    """What is known after a write, and what it broke."""
    if write.plural == "canaries":
        return _canary(before, after, write), []
    if not write.by:
        return _destroyed(before, after), []
    old, new = state_of(before.split), state_of(after.split)
    if new is None:
        return after.known, []
    found = [
        Violation(invariant, write.monotonic, words) for invariant, words in _broken(before, after, old, new, write.by)
    ]
    return _decided(before, after, old, new), found


def _broken(before: World, after: World, old: State | None, new: State, by: str) -> Iterator[tuple[str, str]]:
    known = before.known
    gained = _weight(after) > _weight(before) or (new.phase is Phase.PROMOTED and known.phase != Phase.PROMOTED)
    revision = new.revision or (old.revision if old else "")
    if gained and (revision in known.barred or revision in known.late & _read_rejections(before, by)):
        yield "S5", f"{revision} gets {_weight(after)}%, which was rejected or aborted before"
    if _obeyed(old, new) in known.acted:
        yield "S18", f"the command {new.command} has had its effect before"
    if known.phase == Phase.PROMOTING and new.phase not in _AFTER_PROMOTING and _record(before.canary).seq:
        yield "S9", f"Promoting was left for {new.phase}"
    if new.phase is Phase.PROMOTED and known.unheard not in ("", new.abort):
        yield "S5", f"promoted, although {known.unheard!r} asked for an abort before promotion was opened"


def _decided(before: World, after: World, old: State | None, new: State) -> Known:
    known = before.known
    retried = old is not None and old.phase is Phase.ROLLED_BACK and new.phase is Phase.PROGRESSING
    barred = known.barred | set(new.rejected)
    unheard = known.unheard if new.phase is Phase.PROMOTING else ""
    if new.phase is Phase.PROMOTING and known.phase != Phase.PROMOTING:
        asked = (decoded(before.canary)["metadata"].get("annotations") or {}).get(ABORT_ANNOTATION, "")
        unheard = asked if asked != new.abort else ""
    return replace(
        known,
        highest=max(known.highest, new.seq),
        phase=new.phase.value,
        barred=barred - {new.revision} if retried and new.revision not in new.rejected else barred,
        late=known.late - {new.revision} if retried else known.late,
        acted=known.acted | {command for command in (_obeyed(old, new),) if command},
        unheard=unheard,
    )


def _obeyed(old: State | None, new: State) -> str:
    """The command that this write is the effect of, if it is one."""
    if old is None or new.command == old.command or new.gate is None or new.gate.kind != "Command":
        return ""
    return new.command


def _destroyed(before: World, after: World) -> Known:
    """Somebody else changed the split. A state that was not projected yet may be forgotten, but nothing else."""
    old, new = state_of(before.split), state_of(after.split)
    record = _record(after.canary)
    if old is None or (new is not None and new.id == old.id):
        return after.known
    known = after.known
    return known if record.seq >= old.seq else replace(known, barred=known.told | set(record.rejected))


def _canary(before: World, after: World, write: Written) -> Known:
    known = after.known
    known = replace(known, late=known.late | (set(_record(after.canary).rejected) - known.barred))
    had = (decoded(before.canary)["metadata"].get("annotations") or {}).get(ABORT_ANNOTATION)
    has = (decoded(after.canary)["metadata"].get("annotations") or {}).get(ABORT_ANNOTATION)
    if not write.by or not had or has:
        return known
    # Nobody can find the abort on the Canary any more: from now on it must not be forgotten, come what may.
    record, state = _record(after.canary), state_of(before.split)
    revisions = set(record.rejected) if record.abort == had else {state.revision} if state is not None else set()
    return replace(known, told=known.told | revisions, barred=known.barred | revisions)


def _read_rejections(world: World, by: str) -> frozenset[str]:
    """What the record forbade when the process that writes now has read it last."""
    process = next(process for process in world.processes if process.identity == by)
    assert process.run is not None
    read = [answer.body for _, answer in process.run.answers if answer.status == 200]
    canaries = [body for body in (process.run.seen.canary, *read) if decoded(body).get("kind") == KIND]
    return frozenset(_record(canaries[-1]).rejected)


def _record(canary: bytes) -> Record:
    return msgspec.convert((decoded(canary).get("status") or {}).get("record") or {}, Record)


def _weight(world: World) -> int:
    if world.split is None:
        return 0
    backends = decoded(world.split)["spec"].get("backends") or ()
    return sum(backend["weight"] for backend in backends if backend["service"] == TRIAL)
