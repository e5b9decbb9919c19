"""Rollouts under fire. `CANARY_CHAOS=0:1000` runs other seeds than the usual ones."""

from __future__ import annotations

import os

import pytest

from canary.sandbox.chaos import Failed, Run, play, schedule_of
from canary.sandbox.virtual_time import run_virtual

FIRST, _, LAST = os.environ.get("CANARY_CHAOS", "0:40").partition(":")


@pytest.mark.parametrize("seed", range(int(FIRST), int(LAST)))
def test_a_rollout_under_fire_breaks_no_invariant_and_comes_to_rest(seed):
    assert play(seed) in ("Promoted", "RolledBack", "Idle")


def test_a_seed_is_one_run_down_to_the_last_byte():
    logs = []
    for _ in range(2):
        run = Run(schedule_of(7))
        run_virtual(run.play())
        logs.append([(c.monotonic, c.user_agent, c.plural, c.new) for c in run.sim.cluster.server.commits])
    assert logs[0] == logs[1]


def test_a_failure_says_how_to_see_it_again():
    schedule = schedule_of(3)
    words = str(Failed(schedule, AssertionError("S1 at 1 s: weights [1]")))
    assert "S1 at 1 s" in words
    assert "replay: python -m canary.sandbox.chaos 3" in words
    assert str(schedule.actions[0]) in words
