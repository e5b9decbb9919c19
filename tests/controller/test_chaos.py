"""Rollouts under fire. `CANARY_CHAOS=0:1000` runs other seeds than the usual ones.

`cases/` has runs that failed once, made small: each has shown a bug that is mended since.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from canary.sandbox.chaos import Action, Failed, Run, Schedule, play, schedule_of
from canary.sandbox.chaos.case import UnknownCase, from_json, to_json
from canary.sandbox.chaos.deeds import ALL_DEEDS
from canary.sandbox.chaos.schedule import Met
from canary.sandbox.chaos.shrink import shrunk
from canary.sandbox.virtual_time import run_virtual

FIRST, _, LAST = os.environ.get("CANARY_CHAOS", "0:400").partition(":")
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
TRACED = ("3", "11", "29", "41", "409", "452")


@pytest.mark.parametrize("seed", range(int(FIRST), int(LAST)))
def test_a_rollout_under_fire_breaks_no_invariant_and_comes_to_rest(seed):
    assert play(seed) in ("Promoted", "RolledBack", "Idle")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_failed_once_fails_no_more(case):
    assert run_virtual(Run(from_json(case.read_text())).play()) in ("Promoted", "RolledBack", "Idle")


def test_a_seed_is_one_run_down_to_the_last_byte_whatever_the_hashes_of_strings():
    traces = [_traces(hash_seed) for hash_seed in ("1", "2")]
    assert traces[0].count("trace") == len(TRACED)
    assert traces[0] == traces[1]


def _traces(hash_seed: str) -> str:
    command = [sys.executable, "-m", "canary.sandbox.chaos", "--quiet", "--trace", *TRACED]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_a_failure_says_how_to_see_it_again_and_what_it_broke():
    schedule = schedule_of(3)
    failed = Failed(schedule, AssertionError("S1 at 1 s: weights [1]\nL12: a process did not end"))
    assert failed.invariants == {"S1", "L12"}
    assert "S1 at 1 s" in str(failed)
    assert "replay: python -m canary.sandbox.chaos 3\n" in str(failed)
    assert str(schedule.actions[0]) in str(failed)


def test_every_deed_is_drawn_by_some_seed():
    drawn = {action.name for seed in range(400) for action in schedule_of(seed).actions}
    assert drawn == set(ALL_DEEDS)


def test_runs_of_all_sorts_are_drawn():
    schedules = [schedule_of(seed) for seed in range(200)]
    assert {schedule.processes for schedule in schedules} == {1, 2, 3}
    for pick in ("leader_elect", "skewed", "latency", "lag", "effects", "actions", "undisturbed"):
        assert {bool(getattr(schedule, pick)) for schedule in schedules} == {True, False}, pick


def test_a_case_is_read_as_it_was_written():
    for seed in range(30):
        schedule = schedule_of(seed)
        assert from_json(to_json(schedule, why="S2")) == schedule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no case of chaos"),
        ("[]", "no case of chaos"),
        ("{}", "no case of chaos"),
        (to_json(schedule_of(3)).replace('"seed"', '"sow"'), "sow"),
        (to_json(replace(schedule_of(3), actions=(Action(1.0, "sing", 0),))), "no deeds ['sing']"),
    ],
)
def test_what_is_no_case_is_refused(text, words):
    with pytest.raises(UnknownCase) as caught:
        from_json(text)
    assert words in str(caught.value)


def _busy(seed: int) -> Schedule:
    """A schedule with effects and enough actions to take something away from."""
    return next(s for s in map(schedule_of, range(seed, seed + 200)) if len(s.actions) > 8 and len(s.effects) > 1)


@pytest.mark.parametrize("seed", [0, 200, 400])
def test_shrinking_keeps_only_what_the_failure_needs(seed):
    schedule = _busy(seed)
    needed, effect = {schedule.actions[2], schedule.actions[-1]}, schedule.effects[1]
    small = shrunk(schedule, lambda each: needed <= set(each.actions) and effect in each.effects)
    assert set(small.actions) == needed
    assert small.effects == (effect,)
    plain = (small.processes, small.skewed, small.leader_elect, small.latency, small.lag, small.errors)
    assert plain == (1, False, False, 0.0, 0.0, 0.0)


def test_an_effect_says_how_often_it_is_met():
    met = schedule_of(next(seed for seed in range(50) if schedule_of(seed).effects)).effects[0]
    assert str(Met(met.effect, 0.3)) == f"{met.effect} at 0.3"
