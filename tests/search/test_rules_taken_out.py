"""Each rule of the fence is needed: without it the search finds the list of events that it was made against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from canary.controller import act, report
from canary.controller.act import Actor, Look, NotLeading
from canary.controller.report import Reporter
from canary.core import decide, memory, phases
from canary.core.phases import Phase, Trigger
from canary.core.rules import commands, steps
from canary.core.state import State
from canary.sandbox.search.scenarios import Bounds, explore
from canary.sandbox.search.server import state_of
from canary.sandbox.search.values import World
from canary.traffic.fence import Fence

Rule = Callable[[pytest.MonkeyPatch], None]
ABORT, DELETE = "somebody aborts", "somebody deletes the split"
COPY, RESTORE = "somebody keeps a copy of the split", "the copy of the split is put back"
PROMOTE, AGAIN, BAD = "somebody promotes", "Git puts the promote back", "the canary begins to answer with errors"
SILENT = "A's watch of Canaries falls silent"
S5, S18 = frozenset({"S5"}), frozenset({"S18"})
PUSH = "a new revision is behind the canary"


def weighs(weight: int) -> Callable[[State | None], bool]:
    return lambda state: state is not None and state.weight == weight


def is_in(phase: Phase) -> Callable[[State | None], bool]:
    return lambda state: state is not None and state.phase is phase


# The rules. Each function takes one out.


def own_epoch_is_written(patch: pytest.MonkeyPatch) -> None:
    real = Actor._epoch

    async def epoch(self: Actor, session: Any, look: Look, change: Any) -> int:
        return session.epoch if session.epoch is not None else await real(self, session, look, change)

    patch.setattr(Actor, "_epoch", epoch)


def a_foreign_epoch_is_the_end(patch: pytest.MonkeyPatch) -> None:
    real = Actor._epoch

    async def epoch(self: Actor, session: Any, look: Look, change: Any) -> int:
        if session.epoch is not None and session.epoch != change.state.epoch:
            raise NotLeading
        return await real(self, session, look, change)

    patch.setattr(Actor, "_epoch", epoch)


def a_window_must_pass_at_weight_0(patch: pytest.MonkeyPatch) -> None:
    real = steps._first
    patch.setattr(steps, "_first", lambda s: None if steps.passing_gate(s) is None else real(s))


def old_states_count(patch: pytest.MonkeyPatch) -> None:
    def trusted(observed: Any, _: Any) -> State | None:
        state = observed.split.state if observed.split else None
        return state if state is not None and state.uid == observed.uid else None

    for module in (memory, decide, act, report):
        patch.setattr(module, "trusted_state", trusted)
    patch.setattr("canary.controller.reconcile.trusted_state", trusted)


def answered_annotations_go_before_the_record_knows(patch: pytest.MonkeyPatch) -> None:
    real = Reporter.status

    async def status(self: Reporter, session: Any, canary: Any, observed: Any, decision: Any, now: Any) -> Any:
        state = memory.trusted_state(observed, session.memory)
        known = msgspec.structs.replace(report.status_of(canary), record=report.status_of(canary).record)
        if state is not None and known.record is not None:
            record = msgspec.structs.replace(known.record, seq=state.seq)
            await self.consume(session, canary, state, msgspec.structs.replace(known, record=record))
        return await real(self, session, canary, observed, decision, now)

    patch.setattr(Reporter, "status", status)


def the_canary_is_not_read_live(patch: pytest.MonkeyPatch) -> None:
    real = Actor._look

    async def look(self: Actor, session: Any, canary: Any, owner: Any, *, guarded: bool, **others: bool) -> Look:
        seen = await real(self, session, canary, owner, guarded=False, sliced=False, targeted=False)
        return seen._replace(guarded=guarded, sliced=others["sliced"])

    patch.setattr(Actor, "_look", look)


def a_rebuild_trusts_what_was_read_before(patch: pytest.MonkeyPatch) -> None:
    async def look(self: Actor, session: Any, canary: Any, owner: Any, *, guarded: bool, **others: bool) -> Look:
        slices, began = None, self._clock.monotonic()
        if guarded:
            canary = await self.read_canary(session)
            slices = await self._read_slices(session)
        live = await self.read(session, owner)
        observed = self._world.observe(session, canary, live.view if live else None, slices=slices)
        session.memory, decision = act.evaluate(observed, session.memory, (), self.now())
        return Look(canary, live, observed, decision, guarded, others["sliced"], began)

    patch.setattr(Actor, "_look", look)


def the_record_keeps_no_command(patch: pytest.MonkeyPatch) -> None:
    real = decide.rebuild

    def rebuild(observed: Any, remembered: Any, now: Any) -> Any:
        record = msgspec.structs.replace(observed.record, command="")
        return real(msgspec.structs.replace(observed, record=record), remembered, now)

    patch.setattr(decide, "rebuild", rebuild)


def a_gate_names_the_number_of_a_change_alone(patch: pytest.MonkeyPatch) -> None:
    real = memory._follow_change

    def follow(before: Any, plan: Any, uid: str, state: State, now: Any) -> Any:
        if before.change is not None and before.change[1].seq == state.change.seq:
            before = msgspec.structs.replace(before, change=(uid, state.change))
        return real(before, plan, uid, state, now)

    patch.setattr(memory, "_follow_change", follow)


def a_rebuilt_state_is_idle(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(phases.TRANSITIONS, (Phase.INITIALIZING, Trigger.REBUILT), Phase.IDLE)


def promoting_is_left_for_the_next_revision(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(phases.TRANSITIONS, (Phase.PROMOTING, Trigger.REVISION_CHANGED), Phase.PROGRESSING)


def the_record_forbids_nothing(patch: pytest.MonkeyPatch) -> None:
    real = steps.canary_ready

    def ready(s: Any) -> bool:
        record = msgspec.structs.replace(s.observed.record, rejected=())
        return real(msgspec.structs.replace(s, observed=msgspec.structs.replace(s.observed, record=record)))

    for module in (steps, commands):
        patch.setattr(module, "canary_ready", ready)


def a_write_takes_the_newest_version(patch: pytest.MonkeyPatch) -> None:
    real = Fence._send

    async def send(self: Fence, version: Any, owner: Any, live: Any, change: Any, state: State) -> bytes:
        return await real(self, version, owner, await self.read(version, owner), change, state)

    patch.setattr(Fence, "_send", send)


@dataclass(frozen=True)
class Case:
    """A rule, the bounds within which its absence shows, what is broken then, and after at most how many events.

    `wide` bounds hold more lists of events than a test has time for.
    """

    without: Rule
    bounds: Bounds
    broken: set[str]
    events: int
    wide: bool = False


ROLLED_BACK = is_in(Phase.ROLLED_BACK)
CASES = {
    "two processes raise in turn": Case(own_epoch_is_written, Bounds(windows=2), {"S13"}, 9),
    "an old copy of the split is put back": Case(
        old_states_count,
        Bounds(windows=1, stops=0, given=(COPY, ABORT), then=ROLLED_BACK, moves=(RESTORE,), sought=S5),
        {"S5"},
        7,
    ),
    "an abort is taken off before it was told": Case(
        answered_annotations_go_before_the_record_knows,
        Bounds(windows=0, stops=0, given=(ABORT,), then=ROLLED_BACK, told=False, moves=(DELETE,), sought=S5),
        {"S5"},
        14,
    ),
    "an abort arrives before promotion is opened": Case(
        the_canary_is_not_read_live,
        Bounds(windows=2, stops=0, processes=1, moves=(SILENT, ABORT), ordered=True, since=weighs(50), sought=S5),
        {"S5"},
        10,
    ),
    "a rebuild overlooks a promote": Case(
        a_rebuild_trusts_what_was_read_before,
        Bounds(windows=1, stops=0, moves=(PROMOTE, DELETE), ordered=True, sought=S18),
        {"S18"},
        15,
        wide=True,
    ),
    "a promote is put back": Case(
        the_record_keeps_no_command,
        Bounds(windows=0, stops=0, given=(PROMOTE,), then=weighs(50), moves=(DELETE, AGAIN), ordered=True, sought=S18),
        {"S18"},
        13,
    ),
    "a number is used again": Case(
        a_gate_names_the_number_of_a_change_alone,
        Bounds(steps=((10, 0), (50, 0)), windows=1, moves=(DELETE,), told=False, refused=True, late=True),
        {"S2"},
        18,
        wide=True,
    ),
    "the split is deleted while promoting": Case(
        a_rebuilt_state_is_idle, Bounds(windows=0, moves=(DELETE,), since=is_in(Phase.PROMOTING)), {"S9"}, 5
    ),
    "a new revision comes while promoting": Case(
        promoting_is_left_for_the_next_revision,
        Bounds(windows=0, moves=(PUSH,), since=is_in(Phase.PROMOTING)),
        {"S9"},
        3,
    ),
    "a rejection is told after the rebuild": Case(
        the_record_forbids_nothing,
        Bounds(windows=0, stops=0, traffic="Bad", since=ROLLED_BACK, told=False, moves=(DELETE,), sought=S5),
        {"S5"},
        13,
    ),
    "who was slow converges upward": Case(
        a_write_takes_the_newest_version, Bounds(windows=1, stops=0, moves=(ABORT,), sought=S5), {"S5"}, 9
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_without_its_rule_a_trace_is_found_again(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = CASES[name]
    case.without(monkeypatch)
    found = explore(case.bounds)
    print(found)
    assert found.invariants >= case.broken
    assert len(found.trace) <= case.events


@pytest.mark.parametrize("name", CASES)
def test_with_all_rules_there_is_no_such_trace(name: str) -> None:
    """Nowhere within the bounds, or, where they are wide, in no list of events as long as the trace."""
    case = CASES[name]
    found = explore(replace(case.bounds, deepest=case.events) if case.wide else case.bounds)
    print(found)
    assert not found.violations, found
    assert found.depth >= case.events if case.wide else found.whole


def test_a_rollout_without_requests_starts_and_would_not_if_a_window_had_to_pass_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bounds = Bounds(windows=2, stops=0, traffic="None", since=is_in(Phase.PROGRESSING))

    def has_weight(world: World) -> bool:
        return weighs(10)(state_of(world.split))

    assert explore(bounds, has_weight).reached is not None
    a_window_must_pass_at_weight_0(monkeypatch)
    without = explore(bounds, has_weight)
    assert without.whole
    assert without.reached is None


def test_who_once_led_raises_again_after_another_and_would_not_if_a_foreign_epoch_were_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bounds = Bounds(windows=2)

    def raised_again(world: World) -> bool:
        state = state_of(world.split)
        return state is not None and state.writer == "A1" and state.epoch == 3

    assert explore(bounds, raised_again).reached is not None
    a_foreign_epoch_is_the_end(monkeypatch)
    without = explore(bounds, raised_again)
    assert without.whole
    assert without.reached is None
