"""Every way from one phase to another, each reached by a rollout that is played up to there.

A scenario is registered for one pair of the table; it leaves the rollout just after the write that made the move.
"""

from __future__ import annotations

import pytest

from canary.core.phases import TRANSITIONS, IllegalMove, Phase, Trigger, move
from canary.core.plan import Limit, Stage

P, T = Phase, Trigger
SCENARIOS = {}


def reaches(*pairs):
    """Registers a scenario for pairs of phase and trigger; it is called with the builders and the phase."""

    def register(scenario):
        SCENARIOS.update(dict.fromkeys(pairs, scenario))
        return scenario

    return register


class Kit:
    """The builders that scenarios use."""

    def __init__(self, rollout, managed, side, gone, bad):
        self.rollout, self.managed, self.side, self.gone, self.bad = rollout, managed, side, gone, bad


@pytest.fixture
def kit(rollout, managed, side, gone, bad):
    return Kit(rollout, managed, side, gone, bad)


@reaches((P.INITIALIZING, T.SPLIT_CREATED))
def created(kit, _):
    r = kit.rollout()
    r.look()
    return r


@reaches((P.INITIALIZING, T.COPY_READY))
def copied(kit, _):
    return kit.managed().initializing()


@reaches((P.INITIALIZING, T.ONBOARDED))
def onboarded(kit, _):
    r = kit.managed().initializing()
    while r.phase is P.INITIALIZING:
        assert r.step() or not r.wait(10)
    return r


@reaches((P.INITIALIZING, T.REBUILT))
def rebuilt(kit, _):
    r = kit.rollout().until(5)
    r.split = None
    r.look()
    return r


@reaches((P.IDLE, T.REVISION_FOUND), (P.PROMOTED, T.REVISION_FOUND), (P.ROLLED_BACK, T.REVISION_FOUND))
def found(kit, phase):
    r = kit.rollout().to(phase)
    r.change(canary="v3")
    r.look()
    return r


@reaches((P.IDLE, T.REJECTED), (P.PROMOTED, T.REJECTED), (P.ROLLED_BACK, T.REJECTED))
def found_rejected(kit, phase):
    r = kit.rollout().rolled_back()
    bad_one = r.sides["v2"]
    r.set(kit.side("v2", "next"))
    if phase is P.PROMOTED:
        r.promoted()
        r.change(canary="v1")
        r.change(stable="v2")
        r.promoted()
        r.change(canary="v2")
    else:
        r.until(5).abort = "@t1"
        r.rest()
        if phase is P.IDLE:
            r.change(canary="v1")
            r.rest()
            r.change(canary="v2")
    assert r.phase is phase
    r.set(bad_one)
    r.look()
    return r


@reaches((P.PROGRESSING, T.STEP_PASSED))
def step(kit, _):
    r = kit.rollout().begin()
    r.wait(20)
    r.look(r.reading())
    return r


@reaches((P.PROGRESSING, T.STEPS_PASSED))
def steps(kit, _):
    r = kit.rollout().until(50)
    r.windows(2)
    r.wait(10)
    r.look(r.reading())
    return r


@reaches((P.PROGRESSING, T.BAKE_PASSED))
def bake(kit, _):
    r = kit.rollout(stages=(Stage(50), Stage(100, hold=30.0))).until(100)
    r.windows(2)
    return r


@reaches((P.PROGRESSING, T.PROMOTE_FULL))
def promote_full(kit, _):
    r = kit.rollout().until(5)
    r.order("promote-full")
    r.look()
    return r


@reaches((P.PROGRESSING, T.REVISION_CHANGED), (P.PROMOTING, T.REVISION_CHANGED))
def changed(kit, phase):
    r = kit.rollout().to(phase)
    r.set(kit.side("v2", "other"))
    r.look()
    return r


@reaches((P.PROGRESSING, T.ENDPOINTS_LOST), (P.PROMOTING, T.ENDPOINTS_LOST))
def lost(kit, phase):
    r = kit.rollout().to(phase)
    r.set(kit.gone("v2"))
    r.look()
    r.wait(1)
    r.look()
    return r


@reaches((P.PROGRESSING, T.ENDPOINTS_LOST_AGAIN))
def lost_again(kit, phase):
    r = kit.rollout(failure_limit=1)
    r.to(phase)
    r.set(kit.gone("v2"))
    r.look()
    r.wait(1)
    r.look()
    return r


@reaches((P.PROGRESSING, T.INVALID_SPEC), (P.PROMOTING, T.INVALID_SPEC))
def invalid(kit, phase):
    r = kit.rollout().to(phase)
    r.break_spec()
    r.last_plan = None
    r.look()
    return r


@reaches((P.PROGRESSING, T.BREACH), (P.PROMOTING, T.BREACH))
def breached(kit, phase):
    r = kit.rollout(failure_limit=1).to(phase)
    r.wait(20)
    r.look(r.reading(kit.bad))
    return r


@reaches((P.PROGRESSING, T.ABORT), (P.PROMOTING, T.ABORT))
def aborted(kit, phase):
    r = kit.rollout().to(phase)
    r.abort = "@t"
    r.look()
    return r


@reaches((P.PROGRESSING, T.LOWERED_TO_ZERO), (P.PROMOTING, T.LOWERED_TO_ZERO))
def by_hand(kit, phase):
    r = kit.rollout().to(phase)
    r.by_hand(("v1", 100))
    r.look()
    return r


@reaches((P.PROGRESSING, T.DEADLINE))
def deadline(kit, _):
    r = kit.rollout().begin()
    r.set(kit.gone("v2"))
    r.rest()
    r.wait(600)
    r.look()
    return r


@reaches((P.PROMOTING, T.DEADLINE))
def stable_too_late(kit, phase):
    r = kit.managed().to(phase)
    r.stable.available = False
    r.rest()
    r.wait(600)
    r.look()
    return r


@reaches((P.PROMOTING, T.STABLE_FOLLOWED))
def stable_followed(kit, phase):
    r = kit.managed().to(phase)
    r.windows(3)
    return r


@reaches((P.PROGRESSING, T.NO_DATA), (P.PROMOTING, T.NO_DATA))
def no_data(kit, phase):
    r = kit.rollout(no_data_action="Rollback").to(phase)
    r.wait(60)
    for _ in range(4):
        r.no_data()
    r.wait(300)
    r.look()
    return r


@reaches((P.PROGRESSING, T.SOURCE_ERROR), (P.PROMOTING, T.SOURCE_ERROR))
def source_error(kit, phase):
    r = kit.rollout(source_action="Rollback").to(phase)
    r.failure()
    r.wait(900)
    r.look()
    return r


@reaches((P.PROGRESSING, T.REJECTED))
def rejected(kit, _):
    r = kit.rollout().rolled_back()
    bad_one = r.sides["v2"]
    r.set(kit.side("v2", "next"))
    r.until(5)
    r.set(bad_one)
    r.look()
    return r


@reaches((P.PROGRESSING, T.BACK_TO_SERVING), (P.PROMOTING, T.BACK_TO_SERVING), (P.ROLLED_BACK, T.BACK_TO_SERVING))
def back(kit, phase):
    r = kit.rollout().to(phase)
    r.change(canary="v1")
    r.look()
    return r


@reaches((P.PROGRESSING, T.DELETED), (P.PROMOTING, T.DELETED))
def deleted(kit, phase):
    r = kit.rollout().to(phase)
    r.seen["deleting"] = True
    r.look()
    return r


@reaches((P.PROMOTING, T.WINDOW_PASSED))
def window_passed(kit, _):
    r = kit.rollout().promoting()
    r.window()
    r.wait(10)
    r.look(r.reading())
    return r


@reaches((P.ROLLING_BACK, T.CLOSED_REJECTED))
def closed_rejected(kit, phase):
    r = kit.rollout().to(phase)
    r.look()
    return r


@reaches((P.ROLLING_BACK, T.CLOSED_IDLE))
def closed_idle(kit, _):
    r = back(kit, P.PROGRESSING)
    r.look()
    return r


@reaches((P.ROLLING_BACK, T.CLOSED_ANEW))
def closed_anew(kit, _):
    r = changed(kit, P.PROMOTING)
    r.look()
    return r


@reaches((P.ROLLED_BACK, T.RETRY))
def retry(kit, phase):
    r = kit.rollout().to(phase)
    r.order("retry")
    r.look()
    return r


def test_every_pair_of_the_table_has_a_scenario():
    assert set(SCENARIOS) == set(TRANSITIONS)


def test_every_trigger_is_in_the_table():
    assert {trigger for _, trigger in TRANSITIONS} == set(Trigger)


def test_every_phase_is_reached_and_left():
    assert {source for source, _ in TRANSITIONS} == set(Phase)
    assert set(TRANSITIONS.values()) == set(Phase)


@pytest.mark.parametrize("pair", TRANSITIONS, ids=lambda pair: f"{pair[0].value}-{pair[1].name}")
def test_a_rollout_makes_the_move(kit, moves, pair):
    phase, trigger = pair

    r = SCENARIOS[pair](kit, phase)

    assert moves[-1] == pair
    assert r.log[-1].state.phase is TRANSITIONS[pair]
    before = r.log[-1].before
    assert (before.state.phase if before and before.state else P.INITIALIZING) is phase or trigger is T.REBUILT


def test_a_pair_that_the_table_lacks_is_refused():
    with pytest.raises(IllegalMove, match="RETRY in Idle"):
        move(P.IDLE, T.RETRY)


def test_rollback_at_ends_a_rollout_in_one_window(kit, moves):
    r = kit.rollout(limits=(Limit("success-rate", 99.0, 95.0),)).until(5)
    r.wait(10)

    r.look(r.reading(kit.bad))

    assert moves[-1] == (P.PROGRESSING, T.BREACH)
    assert r.weight == 0
